/** The environment that tells an app where its sidecar is: Dapr's variables and Layotto's. */
import type { SidecarOptions } from '../config/options.js';
import { type BoundAddress, portOf, type SidecarAddresses } from '../lifecycle/sidecar.js';

type Env = Readonly<Record<string, string | undefined>>;

/** `base` with what SDKs look for; `more` wins over all. */
export function appEnvironment(
  base: Env,
  options: SidecarOptions,
  addresses: SidecarAddresses,
  more: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const { app, appId, layottoGrpc } = options;
  const ours: Record<string, string | number | undefined> = {
    APP_ID: appId,
    APP_PORT: app.port,
    APP_PROTOCOL: app.protocol,
    APP_CHANNEL_ADDRESS: app.host === '127.0.0.1' ? undefined : app.host,
    DAPR_HTTP_PORT: portOf(addresses.daprHttp),
    DAPR_GRPC_PORT: portOf(addresses.daprGrpc),
    DAPR_METRICS_PORT: portOf(addresses.metrics),
    runtime_GRPC_PORT: portOf(addresses.layottoGrpc),
    runtime_GRPC_HOST: layottoGrpc === undefined ? undefined : hostOf(addresses.layottoGrpc),
    appcallback_GRPC_PORT: app.port,
  };
  const env: Record<string, string> = {};
  for (const source of [base, ours, more]) {
    for (const [name, value] of Object.entries(source)) if (value !== undefined) env[name] = String(value);
  }
  return env;
}

/** Variables that SDKs prefer to the ports, and that lead elsewhere. */
export function misleadingVariables(base: Env): string[] {
  return ['DAPR_HTTP_ENDPOINT', 'DAPR_GRPC_ENDPOINT'].filter((name) => (base[name] ?? '') !== '');
}

function hostOf(address: BoundAddress | undefined): string | undefined {
  if (address === undefined || !('host' in address)) return undefined;
  return ['', '0.0.0.0', '::'].includes(address.host) ? '127.0.0.1' : address.host;
}
