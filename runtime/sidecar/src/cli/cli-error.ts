/** An error for people: one sentence, and how to mend it. */
import { ConfigError, type Problem, problemText } from '../config/problem.js';
import { portHolder } from '../lifecycle/port-holder.js';
import { PrivateDirError } from '../lifecycle/private-dir.js';
import type { PortError, PortName } from '../sidecar/ports.js';
import { EXIT } from './exit-codes.js';

export class CliError extends Error {
  readonly hint: string | undefined;
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT.failed, hint?: string) {
    super(message);
    this.name = 'CliError';
    this.exitCode = exitCode;
    this.hint = hint;
  }
}

const PORT_FLAGS: Readonly<Record<PortName, string>> = {
  daprHttp: '--dapr-http-port',
  daprGrpc: '--dapr-grpc-port',
  layottoGrpc: '--layotto-grpc-port',
  internal: '--dapr-internal-grpc-port',
  metrics: '--metrics-port',
};

/** Any error as one to show. The cause of a port that is taken is looked for, and named. */
export function asCliError(error: unknown): CliError {
  if (error instanceof CliError) return error;
  if (error instanceof ConfigError) return new CliError(error.message, EXIT.config);
  if (error instanceof Error && error.name === 'PortError') return portError(error as PortError);
  if (error instanceof PrivateDirError) {
    return new CliError(error.message, EXIT.failed, 'choose another with --state-dir');
  }
  return new CliError(error instanceof Error ? error.message : String(error));
}

function portError(error: PortError): CliError {
  const flag = PORT_FLAGS[error.port];
  const port = Number(/:(\d+)$/.exec(error.address)?.[1]);
  if (error.code === 'EACCES') {
    return new CliError(
      `no permission to listen on ${error.address} (${flag})`,
      EXIT.failed,
      'choose a port above 1023',
    );
  }
  if (error.code === 'EADDRNOTAVAIL') {
    return new CliError(`${error.address} (${flag}) is not an address of this machine`, EXIT.failed);
  }
  if (error.code !== 'EADDRINUSE') return new CliError(error.message);
  const holder = Number.isNaN(port) ? undefined : portHolder(port);
  const who =
    holder === undefined
      ? 'another process'
      : `pid ${holder.pid}${holder.command === undefined ? '' : ` (${holder.command})`}`;
  const hint = `stop it, or choose another with ${flag} (0 takes a free one)`;
  return new CliError(`${error.address} (${flag}) is taken by ${who}`, EXIT.failed, hint);
}

/** Everything that a refused configuration has to say, warnings and notes as well. */
export function problemsOf(error: unknown): readonly Problem[] {
  return error instanceof ConfigError ? error.problems : [];
}

export function problemLines(error: unknown): string[] {
  return problemsOf(error).map(problemText);
}
