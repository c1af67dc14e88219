/** What travels with every API call, whichever surface it came through. */
import type { Timer } from '@outrigger/engine';

export type Surface = 'dapr-grpc' | 'dapr-http' | 'layotto-grpc' | 'internal';
export type Dialect = 'dapr' | 'layotto';

/** W3C trace context as received, or made by the surface when tracing is on; passed on by publish, delivery and invoke. */
export interface TraceContext {
  readonly traceparent: string | undefined;
  readonly tracestate: string | undefined;
  readonly baggage: string | undefined;
}

export interface CallContext {
  readonly surface: Surface;
  readonly trace: TraceContext;
  /** Point in Clock.now() time, or undefined. */
  readonly deadline: number | undefined;
  /** Made when first asked for; aborts when the caller gives up. */
  readonly signal: AbortSignal;
}

export type MaybePromise<T> = T | Promise<T>;

export type { Timer };
