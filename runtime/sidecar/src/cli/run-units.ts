/** What `start`, `run`, `daprd` and `layotto` have in common: logs, units, supervision, the last line. */
import type { Logger } from '@outrigger/engine';
import type { Problem } from '../config/problem.js';
import type { Setup } from '../config/setup.js';
import { createLogSink, type LogFormat, type LogSink } from '../telemetry/logger.js';
import { asCliError, CliError, problemsOf } from './cli-error.js';
import { EXIT } from './exit-codes.js';
import type { Host } from './host.js';
import { logProblems } from './log-problems.js';
import { supervise } from './supervise.js';
import { startUnit, type Unit, type UnitSpec } from './unit.js';

export interface UnitPlan {
  readonly spec: UnitSpec;
  readonly sink: LogSink;
  /** Streams that get the app's lines. */
  readonly appOut: readonly LogSink[];
}

/** Time for the last lines to reach a slow reader. */
const FLUSH_MS = 2_000;
/** Beyond the time that settings give for stopping. */
const STOP_MARGIN_MS = 15_000;

export function openSink(setup: Setup, host: Host, format: LogFormat, version: string): LogSink {
  const { level, file } = setup.logSettings;
  const options = { format, level, appId: setup.options.appId, version, colour: host.colour && file === undefined };
  try {
    return createLogSink(options, file, host.clock);
  } catch (error) {
    throw new CliError(`the log file ${file} cannot be opened: ${(error as Error).message}`, EXIT.config);
  }
}

export interface RunUnitsOptions {
  readonly failPolicy: 'stop' | 'continue';
  /** The last line when it cannot go on. */
  readonly fatal: (error: CliError, problems: readonly Problem[]) => void;
}

/** Resolves with the exit code when everything has ended and every line is written. */
export async function runUnits(plans: readonly UnitPlan[], host: Host, options: RunUnitsOptions): Promise<number> {
  const [first] = plans as [UnitPlan, ...UnitPlan[]];
  const { clock, version, types } = host;
  const stopMs = Math.max(
    ...plans.map(({ spec }) => spec.setup.options.gracefulShutdownMs + spec.setup.options.blockShutdownMs),
  );
  let code: number;
  try {
    const createSidecar = await host.loadSidecar();
    code = await supervise(
      () =>
        startAll(
          plans.map(
            ({ spec, sink, appOut }) =>
              () =>
                startUnit(spec, {
                  clock,
                  log: sink.log,
                  appOut: appOut.map(({ lines }) => lines),
                  types,
                  createSidecar,
                  version,
                }),
          ),
        ),
      {
        clock,
        log: first.sink.log,
        failPolicy: options.failPolicy,
        stopWithinMs: stopMs + STOP_MARGIN_MS,
        onCrash: (listener) => host.onCrash(listener),
        exit(forced) {
          for (const { sink } of plans) sink.lines.flushSync();
          host.exit(forced);
        },
      },
    );
  } catch (error) {
    const shown = asCliError(error);
    options.fatal(shown, problemsOf(error));
    code = shown.exitCode;
  }
  const sinks = new Set(plans.flatMap(({ sink, appOut }) => [sink, ...appOut]));
  await Promise.all([...sinks].map(({ lines }) => lines.flushed(FLUSH_MS)));
  for (const sink of sinks) sink.close();
  return code;
}

/** All at once; when one cannot start, the others are stopped and its error is the one that counts. */
async function startAll(starts: readonly (() => Promise<Unit>)[]): Promise<Unit[]> {
  const results = await Promise.allSettled(starts.map((start) => start()));
  const units = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const failed = results.find((result) => result.status === 'rejected');
  if (failed === undefined) return units;
  await Promise.all(units.map((unit) => unit.stop('SIGTERM')));
  throw failed.reason;
}

/** Every problem a line, the reason last. */
export function fatalToLog(log: Logger): RunUnitsOptions['fatal'] {
  return (error, problems) => {
    logProblems(problems, log);
    log.fatal(error.hint === undefined ? error.message : `${error.message}; ${error.hint}`);
  };
}
