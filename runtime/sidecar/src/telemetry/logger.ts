/**
 * Logs by pino behind the engine's Logger: a short line for people, Dapr's text or JSON for `daprd`, JSON for machines.
 */
import { closeSync, openSync } from 'node:fs';
import os from 'node:os';
import type { Clock, Logger } from '@outrigger/engine';
import { type DestinationStream, type Logger as Pino, pino } from 'pino';
import { createLineWriter, type LineWriter } from './line-writer.js';
import { daprText, prettyText } from './log-text.js';

export type LogFormat = 'pretty' | 'json' | 'dapr-text' | 'dapr-json';
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';

export interface LogOptions {
  readonly format: LogFormat;
  readonly level: LogLevel;
  readonly appId: string;
  /** What Dapr's field `ver` says. */
  readonly version: string;
  /** Colours for people. */
  readonly colour?: boolean;
  /** Lines for people name the app, where several write into one stream. */
  readonly showAppId?: boolean;
}

export interface LogSink {
  readonly log: Logger;
  /** Where the lines go; others may write whole lines into it, in order with the log. */
  readonly lines: LineWriter;
  close(): void;
}

const STDOUT = 1;

/** Into `file` (appended to), else standard output. Throws when the file cannot be opened. */
export function createLogSink(options: LogOptions, file: string | undefined, clock?: Clock): LogSink {
  const fd = file === undefined ? STDOUT : openSync(file, 'a', 0o644);
  const lines = createLineWriter(fd, clock);
  return {
    log: createLogger(options, lines),
    lines,
    close() {
      lines.flushSync();
      if (fd !== STDOUT) closeSync(fd);
    },
  };
}

/** `out` receives whole lines. */
export function createLogger(options: LogOptions, out: { write(line: string): unknown }): Logger {
  const { format, level, appId, version, colour } = options;
  const dapr = format === 'dapr-text' || format === 'dapr-json';
  const stream: DestinationStream = {
    write(line) {
      if (format === 'pretty') out.write(prettyText(line, colour ?? false, options.showAppId ?? false));
      else out.write(format === 'dapr-text' ? daprText(line) : line);
    },
  };
  const root = pino(
    {
      level,
      // Dapr's fields (github.com/dapr/kit/logger).
      base: dapr ? { app_id: appId, instance: os.hostname(), type: 'log', ver: version } : { app_id: appId },
      timestamp: pino.stdTimeFunctions.isoTime,
      // logrus writes "warning".
      formatters: { level: (label) => ({ level: dapr && label === 'warn' ? 'warning' : label }) },
      redact: REDACT,
      serializers: format === 'json' ? {} : { err: errorSentence },
    },
    stream,
  );
  return dapr ? loggerOf(root, { scope: 'dapr.runtime' }, daprScope) : loggerOf(root, {}, (bindings) => bindings);
}

/** Names that never reach a log, whatever passes a header list or an options object by mistake. */
const REDACT = {
  paths: ['apiToken', '*.apiToken', '["dapr-api-token"]', '*["dapr-api-token"]', 'authorization', '*.authorization'],
  censor: '[redacted]',
};

type Bindings = Record<string, unknown>;

/** Children are made from the root with all their bindings, so that a later `scope` replaces an earlier one. */
function loggerOf(root: Pino, bindings: Bindings, adapt: (bindings: Bindings) => Bindings): Logger {
  const made = Object.keys(bindings).length === 0 ? root : root.child(bindings);
  return {
    trace: made.trace.bind(made),
    debug: made.debug.bind(made),
    info: made.info.bind(made),
    warn: made.warn.bind(made),
    error: made.error.bind(made),
    fatal: made.fatal.bind(made),
    child: (more) => loggerOf(root, { ...bindings, ...adapt({ ...more }) }, adapt),
  };
}

/** Rooms of ours become scopes of Dapr's form: `component` is `dapr.runtime.component`. */
function daprScope(bindings: Bindings): Bindings {
  const { scope } = bindings;
  return typeof scope === 'string' && !scope.startsWith('dapr.')
    ? { ...bindings, scope: `dapr.runtime.${scope}` }
    : bindings;
}

function errorSentence(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { code } = error as NodeJS.ErrnoException;
  return typeof code === 'string' && !error.message.includes(code) ? `${error.message} (${code})` : error.message;
}
