/** One sidecar in this process with, under `outrigger run`, its app: brought up together, ended together. */
import type { Clock, Logger } from '@outrigger/engine';
import type { KnownTypes } from '../config/read-context.js';
import type { ResourceStore } from '../config/resource-store.js';
import type { Setup } from '../config/setup.js';
import { type AdminSocket, openAdminSocket } from '../lifecycle/admin-socket.js';
import { acquireInstanceDir, type InstanceDir } from '../lifecycle/instance-dir.js';
import { startTicks } from '../lifecycle/process-info.js';
import {
  addressText,
  type BoundAddress,
  type CreateSidecar,
  type Sidecar,
  type SidecarAddresses,
} from '../lifecycle/sidecar.js';
import type { LineWriter } from '../telemetry/line-writer.js';
import { appEnvironment, misleadingVariables } from './app-env.js';
import { type AppEnd, type AppProcess, startApp } from './app-process.js';
import { logProblems } from './log-problems.js';

export interface UnitSpec {
  readonly setup: Setup;
  /** Empty: no app. */
  readonly command: readonly string[];
  readonly cwd: string;
  /** The environment of this process. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Further variables for the app, over everything. */
  readonly appEnv?: Readonly<Record<string, string>>;
  readonly appPrefix: string;
  readonly stdin: 'inherit' | 'ignore';
}

export interface UnitDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly appOut: readonly LineWriter[];
  readonly types: KnownTypes;
  readonly createSidecar: CreateSidecar;
  readonly version: string;
}

export type UnitEnd =
  | ({ readonly kind: 'app' } & AppEnd)
  /** The shutdown API or `outrigger stop`. */
  | { readonly kind: 'asked' }
  | { readonly kind: 'fatal'; readonly error: Error };

export interface Unit {
  readonly appId: string;
  readonly addresses: SidecarAddresses;
  /** Resolves with the first reason to end. */
  readonly ended: Promise<UnitEnd>;
  /** Ends the app with `signal`, then the sidecar; resolves when both have gone, with the app's end. Idempotent. */
  stop(signal: NodeJS.Signals): Promise<AppEnd | undefined>;
  /** No more waiting. */
  kill(): void;
  reload(): void;
}

/** Left of the app's group when the app itself has ended. */
const GROUP_GRACE_MS = 2_000;

/** Rejects when the sidecar or the app cannot be started; nothing is left behind then. */
export async function startUnit(spec: UnitSpec, deps: UnitDeps): Promise<Unit> {
  const unit = new RunningUnit(spec, deps);
  try {
    await unit.start();
    return unit;
  } catch (error) {
    await unit.stop('SIGTERM');
    throw error;
  }
}

class RunningUnit implements Unit {
  readonly ended: Promise<UnitEnd>;
  readonly #spec: UnitSpec;
  readonly #deps: UnitDeps;
  #store: ResourceStore | undefined;
  #instance: InstanceDir | undefined;
  #sidecar: Sidecar | undefined;
  #admin: AdminSocket | undefined;
  #app: AppProcess | undefined;
  #stopped: Promise<AppEnd | undefined> | undefined;
  #end: (end: UnitEnd) => void = () => {};

  constructor(spec: UnitSpec, deps: UnitDeps) {
    this.#spec = spec;
    this.#deps = deps;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  get appId(): string {
    return this.#spec.setup.options.appId;
  }

  get addresses(): SidecarAddresses {
    return (this.#sidecar as Sidecar).addresses;
  }

  async start(): Promise<void> {
    const { setup, env } = this.#spec;
    const { clock, log, types, createSidecar, version } = this.#deps;
    const { options } = setup;
    this.#store = setup.openStore({ log, types });
    logProblems([...setup.problems, ...this.#store.problems], log);
    const { personality, appId, homeDir, stateDir } = options;
    try {
      this.#instance = await acquireInstanceDir({ homeDir, stateDir, appId, personality, version, clock });
    } catch (error) {
      // A sidecar serves without a folder of its own (a read-only file system); one that was asked for is another matter.
      if (stateDir !== undefined) throw error;
      log.warn(`no folder for this instance, so \`outrigger ls\` does not show it: ${(error as Error).message}`);
    }
    this.#sidecar = createSidecar(options, { clock, log, env, resources: this.#store });
    this.#sidecar.onEnd((end) => this.#end(end));
    await this.#sidecar.start();
    if (this.#instance !== undefined) {
      this.#admin = await openAdminSocket(this.#instance.record.adminSocket, this.#adminHandlers(), { clock, log });
    }
    this.#store.watch();
    this.#logAddresses();
    if (this.#spec.command.length > 0) await this.#startApp();
  }

  async #startApp(): Promise<void> {
    const { command, cwd, env, appEnv, appPrefix, stdin, setup } = this.#spec;
    const { clock, log, appOut } = this.#deps;
    for (const name of misleadingVariables(env)) {
      if (appEnv?.[name] === undefined) log.warn(`${name} is set: SDKs follow it rather than to this sidecar`);
    }
    const appEnvironmentOfUnit = appEnvironment(env, setup.options, this.addresses, appEnv);
    this.#app = await startApp(
      { command, cwd, env: appEnvironmentOfUnit, prefix: appPrefix, out: appOut, stdin },
      clock,
    );
    const { pid } = this.#app;
    this.#instance?.update({ app: { pid, startTicks: startTicks(pid), command } });
    log.debug({ pid, command: command.join(' ') }, 'the app is started');
    void this.#app.ended.then((end) => this.#end({ kind: 'app', ...end }));
  }

  stop(signal: NodeJS.Signals): Promise<AppEnd | undefined> {
    this.#stopped ??= this.#stop(signal);
    return this.#stopped;
  }

  async #stop(signal: NodeJS.Signals): Promise<AppEnd | undefined> {
    const { clock, log } = this.#deps;
    const { gracefulShutdownMs, blockShutdownMs } = this.#spec.setup.options;
    const app = this.#app;
    app?.kill(signal);
    const killTimer =
      app === undefined
        ? undefined
        : clock.after(gracefulShutdownMs, () => {
            log.warn(`the app has not ended within ${gracefulShutdownMs / 1000} s; it is killed`);
            app.kill('SIGKILL');
          });
    const blocked = blockShutdownMs > 0 ? this.#block(blockShutdownMs) : Promise.resolve();
    const appGone = Promise.all([app?.ended, blocked]).then(() => undefined);
    // A sidecar that nothing went wrong with closes last: the app uses it to the end.
    await this.#sidecar?.stop({ appGone }).catch((error: unknown) => log.error({ err: error }, 'stopping went wrong'));
    const end = await app?.ended;
    killTimer?.cancel();
    await app?.endGroup(GROUP_GRACE_MS);
    await this.#admin?.close();
    this.#store?.close();
    this.#instance?.remove();
    return end;
  }

  #block(ms: number): Promise<void> {
    const { clock, log } = this.#deps;
    log.info(`Blocking graceful shutdown for ${ms / 1000}s...`);
    return new Promise((resolve) => {
      clock.after(ms, () => {
        log.info('Block shutdown period expired, entering shutdown...');
        resolve();
      });
    });
  }

  kill(): void {
    this.#app?.kill('SIGKILL');
    this.#instance?.remove();
  }

  reload(): void {
    void this.#sidecar?.reload();
  }

  #adminHandlers(): Record<string, () => unknown> {
    return {
      'GET /status': () => ({
        ...this.#instance?.record,
        addresses: this.addresses,
        appPort: this.#spec.setup.options.app.port,
        ...this.#sidecar?.status(),
      }),
      'POST /stop': () => {
        this.#end({ kind: 'asked' });
        return { stopping: true };
      },
      'POST /reload': () => {
        this.reload();
        return { reloading: true };
      },
    };
  }

  #logAddresses(): void {
    const { log, version } = this.#deps;
    const { daprHttp, daprGrpc, layottoGrpc, metrics, internal } = this.addresses;
    if (this.#spec.setup.options.personality === 'daprd') {
      // Dapr's sentences, which tools look for.
      log.info(`API gRPC server is running on ${whereText(daprGrpc)}`);
      log.info(`HTTP server is running on ${whereText(daprHttp)}`);
      log.info(`Internal gRPC server is running on ${internal === undefined ? '' : addressText(internal)}`);
      return;
    }
    const listed = Object.entries({
      'Dapr HTTP': daprHttp,
      'Dapr gRPC': daprGrpc,
      'Layotto gRPC': layottoGrpc,
      'other sidecars': internal,
      metrics,
    }).flatMap(([name, address]) => (address === undefined ? [] : [`${name} ${addressText(address)}`]));
    log.info({ version, pid: process.pid }, `${this.appId} listens: ${listed.join(', ')}`);
  }
}

function whereText(address: BoundAddress | undefined): string {
  return address !== undefined && 'port' in address ? `port ${address.port}` : 'a Unix Domain Socket';
}
