/** `appConnectionProperties` of the metadata API, the same in protobuf and JSON. */
import type { AppConnection } from '../block/metadata.js';

export interface AppConnectionProperties {
  readonly port: number;
  readonly protocol: string;
  readonly channelAddress: string;
  readonly maxConcurrency: number;
  readonly health?: {
    /** Empty for gRPC apps. */
    readonly healthCheckPath: string;
    readonly healthProbeInterval: string;
    readonly healthProbeTimeout: string;
    readonly healthThreshold: number;
  };
}

/** A duration as Go prints it: `500ms`, `5s`, `1m30s`, `1h0m0s`. */
export function goDuration(ms: number): string {
  if (ms === 0) return '0s';
  if (ms < 1000) return `${ms}ms`;
  const seconds = ms / 1000;
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const rest = `${Number((seconds % 60).toFixed(3))}s`;
  if (hours > 0) return `${hours}h${minutes}m${rest}`;
  return minutes > 0 ? `${minutes}m${rest}` : rest;
}

export function appConnection(app: AppConnection): AppConnectionProperties {
  const check = app.healthCheck;
  const isGrpc = app.protocol === 'grpc' || app.protocol === 'grpcs';
  const health =
    check === undefined
      ? {}
      : {
          health: {
            healthCheckPath: isGrpc ? '' : check.path,
            healthProbeInterval: goDuration(check.intervalMs),
            healthProbeTimeout: goDuration(check.timeoutMs),
            healthThreshold: check.threshold,
          },
        };
  return {
    port: app.port ?? 0,
    protocol: app.protocol,
    channelAddress: app.host,
    maxConcurrency: app.concurrencyMax,
    ...health,
  };
}
