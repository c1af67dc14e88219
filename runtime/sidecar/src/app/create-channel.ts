/** Puts the app channel together: transport, app API token, app-max-concurrency, port wait, health checks. */
import type { Clock, GrpcClient, HttpOpener, Logger, MethodInfo } from '@outrigger/engine';
import type { AppOptions } from '../config/options.js';
import type { Family, GaugeSeries, MetricsRegistry } from '../telemetry/metrics.js';
import type { AppChannel } from './channel.js';
import { ConcurrencyGate } from './concurrency-gate.js';
import { MutableFlag } from './flag.js';
import { gatedOpener } from './gated-opener.js';
import { createHealthCheck, type HealthCheck, type Probe } from './health-check.js';
import { callApp } from './http-call.js';
import { watchPort } from './port-watch.js';

/** Health answers are read up to this many bytes; more does not matter. */
export const HEALTH_BODY_BYTES_MAX: number = 64 * 1024;

/** Connections to the app, as the engine makes them. */
export interface AppTransport {
  readonly opener: HttpOpener;
  /** One attempt to connect, closed again at once; rejects when nobody listens. */
  connect(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

export interface AppChannelDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
  readonly transport: AppTransport;
  /** A gRPC client over an opener; needed for gRPC apps only. */
  readonly grpcClient?: (opener: HttpOpener) => GrpcClient;
  /** `AppCallbackHealthCheck.HealthCheck`; needed for gRPC apps with health checks only. */
  readonly healthMethod?: MethodInfo<object, unknown>;
}

export function createAppChannel(options: AppOptions, deps: AppChannelDeps): AppChannel {
  const { clock, transport } = deps;
  const log = deps.log.child({ scope: 'app' });
  const { protocol } = options;
  const isGrpc = protocol === 'grpc' || protocol === 'grpcs';
  const address = `${options.host.includes(':') ? `[${options.host}]` : options.host}:${options.port}`;
  const gate = new ConcurrencyGate(options.concurrencyMax);
  const direct = dressedOpener(transport.opener, { address, scheme: schemeOf(protocol), token: options.apiToken });
  const opener = gatedOpener(direct, gate);
  const grpc = isGrpc ? requireDep(deps.grpcClient, 'grpcClient')(opener) : undefined;
  const closing = new AbortController();

  // Probes pass the gate by: an app that is busy is not an app that is ill.
  const check: HealthCheck | undefined =
    options.healthCheck === undefined
      ? undefined
      : createHealthCheck(
          options.healthCheck,
          isGrpc ? grpcProbe(deps, direct) : httpProbe(direct, options.healthCheck.path),
          { clock, log },
        );
  const listening = new MutableFlag(false);
  const receptive = new MutableFlag(false);
  const update = (): void => receptive.set(listening.value && (check?.healthy.value ?? true));
  listening.onChange(update);
  check?.healthy.onChange(update);
  reportGauges(deps.metrics, gate, receptive);

  let watching = false;
  const watch = (): void => {
    if (watching || listening.value || closing.signal.aborted) return;
    watching = true;
    watchPort({ clock, log, address, connect: (signal) => transport.connect(signal) }, closing.signal).then(
      () => {
        watching = false;
        log.info({ address }, `app listens on ${address}`);
        check?.start();
        listening.set(true);
      },
      () => {
        watching = false;
      },
    );
  };

  return {
    protocol,
    address,
    grpc,
    open: (head, end, receiver) => opener.open(head, end, receiver),
    get healthy() {
      return check?.healthy.value ?? true;
    },
    onHealth: (listener) => check?.healthy.onChange(listener) ?? (() => {}),
    get receptive() {
      return receptive.value;
    },
    onReceptive: (listener) => receptive.onChange(listener),
    unreachable: () => {
      if (!listening.value) return;
      log.warn(
        { address },
        `the app does not accept connections on ${address}; its input waits until it listens again`,
      );
      listening.set(false);
      watch();
    },
    ready: (signal) => {
      if (!listening.value && !watching) {
        log.info({ address }, `application protocol: ${protocol}; waiting for the app to listen on ${address}`);
        watch();
      }
      return receptive.whenTrue(AbortSignal.any([signal, closing.signal]));
    },
    close: async () => {
      closing.abort(new Error('app channel closed'));
      check?.close();
      await transport.close();
    },
  };
}

function schemeOf(protocol: AppOptions['protocol']): 'http' | 'https' {
  return protocol === 'https' || protocol === 'grpcs' ? 'https' : 'http';
}

/** Fills in scheme and authority, and the app's API token in place of whatever was there. */
function dressedOpener(
  inner: HttpOpener,
  dress: { readonly address: string; readonly scheme: string; readonly token: string | undefined },
): HttpOpener {
  return {
    open: (head, end, receiver) => {
      head.scheme = dress.scheme;
      if (head.authority === '') head.authority = dress.address;
      if (dress.token !== undefined) head.headers.set('dapr-api-token', dress.token);
      return inner.open(head, end, receiver);
    },
  };
}

function httpProbe(opener: HttpOpener, path: string): Probe {
  const target = path.startsWith('/') ? path : `/${path}`;
  return async (signal) => {
    const { status } = await callApp(opener, { method: 'GET', path: target, signal, bytesMax: HEALTH_BODY_BYTES_MAX });
    return status >= 200 && status < 300
      ? { ok: true }
      : { ok: false, reason: `GET ${target} answered with status ${status}` };
  };
}

function grpcProbe(deps: AppChannelDeps, opener: HttpOpener): Probe {
  const method = requireDep(deps.healthMethod, 'healthMethod');
  const client = requireDep(deps.grpcClient, 'grpcClient')(opener);
  return async (signal) => {
    await client.unary(method, {}, { signal });
    return { ok: true };
  };
}

function requireDep<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new TypeError(`createAppChannel needs deps.${name} for this app protocol`);
  return value;
}

function reportGauges(metrics: MetricsRegistry, gate: ConcurrencyGate, receptive: MutableFlag): void {
  const gauge = (name: string, help: string): GaugeSeries => {
    const family: Family<GaugeSeries> = metrics.gauge(name, help);
    return family.with();
  };
  const running = gauge('outrigger_app_calls_running', 'Calls at the app now, with app-max-concurrency.');
  const waiting = gauge('outrigger_app_calls_waiting', 'Calls waiting for the app, with app-max-concurrency.');
  const open = gauge('outrigger_app_receptive', '1 while input may be sent to the app.');
  metrics.beforeScrape(() => {
    running.set(gate.running);
    waiting.set(gate.waiting);
    open.set(receptive.value ? 1 : 0);
  });
}
