/** Puts the app channel together: transport, app API token, app-max-concurrency, port wait, health checks. */
import type { Clock, GrpcClient, HttpOpener, Logger } from '@outrigger/engine';
import * as AppCallbackHealthCheck from '@outrigger/proto/dapr/runtime/v1/app-callback-health-check';
import type { AppOptions } from '../config/options.js';
import type { Family, GaugeSeries, MetricsRegistry } from '../telemetry/metrics.js';
import type { AppChannel } from './channel.js';
import { ConcurrencyGate } from './concurrency-gate.js';
import { MutableFlag } from './flag.js';
import { gatedOpener } from './gated-opener.js';
import { createHealthCheck, type HealthCheck, type Probe } from './health-check.js';
import { callApp } from './http-call.js';
import { watchPort } from './port-watch.js';
import { type AppTransport, appGrpcClient, openAppTransport } from './transport.js';

/** Health answers are read up to this many bytes; more does not matter. */
export const HEALTH_BODY_BYTES_MAX: number = 64 * 1024;

export interface AppChannelDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
  /** Largest gRPC message, either way. */
  readonly messageBytesMax: number;
  /** Default: connections of the engine. */
  readonly transport?: AppTransport;
}

/** `options.port` must be set. */
export function createAppChannel(options: AppOptions, deps: AppChannelDeps): AppChannel {
  const { clock, messageBytesMax } = deps;
  const log = deps.log.child({ scope: 'app' });
  const transport = deps.transport ?? openAppTransport(options, { clock, log });
  const { protocol } = options;
  const isGrpc = protocol === 'grpc' || protocol === 'grpcs';
  const address = `${options.host.includes(':') ? `[${options.host}]` : options.host}:${options.port}`;
  const gate = new ConcurrencyGate(options.concurrencyMax);
  const scheme = schemeOf(protocol);
  const direct = dressedOpener(transport.opener, { address, scheme, token: options.apiToken });
  const opener = gatedOpener(direct, gate);
  const grpcOver = (over: HttpOpener): GrpcClient =>
    appGrpcClient(over, { authority: address, scheme, clock, log, messageBytesMax });
  const grpc = isGrpc ? grpcOver(opener) : undefined;
  const closing = new AbortController();

  // Probes pass the gate by: an app that is busy is not an app that is ill.
  const check: HealthCheck | undefined =
    options.healthCheck === undefined
      ? undefined
      : createHealthCheck(
          options.healthCheck,
          isGrpc ? grpcProbe(grpcOver(direct)) : httpProbe(direct, options.healthCheck.path),
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

  const unreachable = (): void => {
    if (!listening.value) return;
    log.warn({ address }, `the app does not accept connections on ${address}; its input waits until it listens again`);
    listening.set(false);
    watch();
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
    unreachable,
    listens: async () => {
      try {
        await transport.connect(closing.signal);
        return true;
      } catch {
        unreachable();
        return false;
      }
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

function grpcProbe(client: GrpcClient): Probe {
  const method = AppCallbackHealthCheck.healthCheck;
  return async (signal) => {
    await client.unary(method, { $typeName: 'google.protobuf.Empty' }, { signal });
    return { ok: true };
  };
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
