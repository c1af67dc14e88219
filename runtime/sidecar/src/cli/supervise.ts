/** Keeps units running until one of them, a signal or the policy ends them; says the exit code of the process. */
import type { Clock, Logger } from '@outrigger/engine';
import { listenToSignals, type SignalSource, signalExitCode } from '../lifecycle/signals.js';
import type { AppEnd } from './app-process.js';
import { EXIT } from './exit-codes.js';
import type { Unit, UnitEnd } from './unit.js';

export interface SuperviseOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** `stop`: an app that fails ends all. `continue`: the others go on. */
  readonly failPolicy: 'stop' | 'continue';
  /** After a stop was asked for, the process ends at once when it still lives. */
  readonly stopWithinMs: number;
  /** Ends the process now. */
  exit(code: number): void;
  readonly signals?: SignalSource;
  /** An error that nobody caught: the state of the process is unknown, so it ends, and no app is left behind. */
  onCrash?(listener: (error: unknown) => void): () => void;
}

/**
 * Signals count from now on; units are brought up by `start`, which may run in parallel. The code: of the first app that
 * failed; 0 when everybody ended well or because we asked for it. Rejects, when all has ended, with the error that a sidecar
 * could not go on for: it belongs on the last line.
 */
export async function supervise(start: () => Promise<readonly Unit[]>, options: SuperviseOptions): Promise<number> {
  const { clock, log, failPolicy, stopWithinMs, exit } = options;
  let units: readonly Unit[] = [];
  let stopping: NodeJS.Signals | undefined;
  let wake: () => void = () => {};
  const asked = new Promise<void>((resolve) => {
    wake = resolve;
  });
  const signals = listenToSignals(
    {
      stop(signal) {
        log.info(`${signal} received; stopping`);
        stopping = signal;
        signals.deadline(stopWithinMs);
        wake();
      },
      force(signal, why) {
        log.fatal(`${why}; ending at once`);
        for (const unit of units) unit.kill();
        exit(signalExitCode(signal));
      },
      reload() {
        log.info('SIGHUP received; reading documents again');
        for (const unit of units) unit.reload();
      },
    },
    clock,
    options.signals,
  );
  const uncrash = options.onCrash?.((error) => {
    log.fatal(
      { err: error, stack: error instanceof Error ? error.stack : undefined },
      'an error that nobody caught; ending at once',
    );
    for (const unit of units) unit.kill();
    exit(EXIT.failed);
  });
  try {
    units = await start();
    const reason = await Promise.race([
      asked.then(() => undefined),
      firstReasonToEnd(units, failPolicy, log, () => stopping !== undefined),
    ]);
    if (stopping === undefined) signals.deadline(stopWithinMs);
    const signal = stopping ?? 'SIGTERM';
    const ends = await Promise.all(units.map((unit) => unit.stop(signal)));
    if (reason instanceof Error) throw reason;
    return reason ?? codeAfterStop(ends, signal);
  } finally {
    signals.close();
    uncrash?.();
  }
}

/** Resolves with an exit code, with the error of a sidecar, or with undefined when a stop was asked for. */
async function firstReasonToEnd(
  units: readonly Unit[],
  failPolicy: 'stop' | 'continue',
  log: Logger,
  isStopping: () => boolean,
): Promise<number | Error | undefined> {
  let left = units.length;
  let failed: number = EXIT.ok;
  return new Promise((resolve) => {
    for (const unit of units) {
      void unit.ended.then((end) => {
        left--;
        const code = codeOf(end);
        say(unit, end, isStopping() ? EXIT.ok : code, log);
        if (end.kind === 'fatal') return resolve(end.error);
        if (end.kind === 'asked' && units.length === 1) return resolve(undefined);
        if (failed === EXIT.ok) failed = code;
        if (code !== EXIT.ok && failPolicy === 'stop') return resolve(code);
        if (left === 0) return resolve(failed);
        // The others go on; this one's sidecar has nobody to serve.
        void unit.stop('SIGTERM');
      });
    }
  });
}

function codeOf(end: UnitEnd): number {
  if (end.kind === 'asked') return EXIT.ok;
  if (end.kind === 'fatal') return EXIT.failed;
  return end.signal === null ? (end.code ?? EXIT.failed) : signalExitCode(end.signal);
}

function say(unit: Unit, end: UnitEnd, code: number, log: Logger): void {
  if (end.kind === 'asked') log.info(`${unit.appId} was asked to stop`);
  else if (end.kind === 'app') {
    const how = end.signal === null ? `exit code ${end.code}` : `signal ${end.signal}`;
    log[code === EXIT.ok ? 'info' : 'error'](`the app ${unit.appId} ended with ${how}`);
  }
}

/** An app that ended by the very signal it was sent did as it was told. */
function codeAfterStop(ends: readonly (AppEnd | undefined)[], signal: NodeJS.Signals): number {
  for (const end of ends) {
    if (end === undefined || end.code === EXIT.ok || end.code === signalExitCode(signal)) continue;
    if (end.signal === signal || end.signal === 'SIGTERM') continue;
    return end.signal === null ? (end.code ?? EXIT.failed) : signalExitCode(end.signal);
  }
  return EXIT.ok;
}
