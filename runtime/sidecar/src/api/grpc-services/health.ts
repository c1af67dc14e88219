/**
 * The standard health service (https://github.com/grpc/grpc/blob/master/doc/health-checking.md) of every gRPC port. The
 * server as a whole and each of its services share one state: serving once the sidecar can serve calls, until it drains.
 */
import { GrpcCode, type GrpcMethod, GrpcStatusError } from '@outrigger/engine';
import type { HealthCheckResponse } from '@outrigger/proto/grpc/health/v1';
import { HealthCheckResponse_ServingStatus as ServingStatus } from '@outrigger/proto/grpc/health/v1/enums';
import * as Health from '@outrigger/proto/grpc/health/v1/health';
import type { ServiceName } from '@outrigger/proto/services';
import { serverStream, unary } from '../grpc-method.js';

const HEALTH: ServiceName = 'grpc.health.v1.Health';

export interface ServingState {
  readonly serving: boolean;
  /** Called on every change; returns the function that ends it. */
  onChange(listener: (serving: boolean) => void): () => void;
}

/** `services`: full names of the services of the port. */
export function healthMethods(services: readonly ServiceName[], state: ServingState): GrpcMethod[] {
  const known = new Set<string>(['', HEALTH, ...services]);
  const answer = (service: string): HealthCheckResponse => {
    const status = !known.has(service)
      ? ServingStatus.SERVICE_UNKNOWN
      : state.serving
        ? ServingStatus.SERVING
        : ServingStatus.NOT_SERVING;
    return { $typeName: 'grpc.health.v1.HealthCheckResponse', status };
  };
  return [
    unary(Health.check, ({ service }) => {
      if (!known.has(service)) throw new GrpcStatusError(GrpcCode.NOT_FOUND, `unknown service '${service}'`);
      return answer(service);
    }),
    unary(Health.list, () => {
      const statuses = Object.fromEntries([...known].map((service) => [service, answer(service)]));
      return { $typeName: 'grpc.health.v1.HealthListResponse' as const, statuses };
    }),
    serverStream(Health.watch, async ({ service }, call, sink) => {
      let changed = (): void => {};
      const stop = state.onChange(() => changed());
      const cancelled = (): void => changed();
      call.signal.addEventListener('abort', cancelled, { once: true });
      try {
        let told: ServingStatus | undefined;
        while (!call.signal.aborted) {
          const next = new Promise<void>((resolve) => {
            changed = resolve;
          });
          const now = answer(service);
          if (now.status !== told) {
            told = now.status;
            await sink.send(now);
          }
          await next;
        }
      } finally {
        stop();
        call.signal.removeEventListener('abort', cancelled);
      }
    }),
  ];
}
