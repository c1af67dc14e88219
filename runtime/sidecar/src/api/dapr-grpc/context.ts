/** The context of a gRPC call: everything dear is made when first asked for. */
import type { ServerCall } from '@outrigger/engine';
import type { CallContext, Surface, TraceContext } from '../../block/context.js';
import { traceOfMetadata } from '../trace.js';

class GrpcCallContext implements CallContext {
  readonly surface: Surface;
  readonly #call: ServerCall;
  #trace: TraceContext | undefined;

  constructor(call: ServerCall, surface: Surface) {
    this.#call = call;
    this.surface = surface;
  }

  get trace(): TraceContext {
    this.#trace ??= traceOfMetadata(this.#call.metadata);
    return this.#trace;
  }

  get deadline(): number | undefined {
    return this.#call.deadline;
  }

  get signal(): AbortSignal {
    return this.#call.signal;
  }
}

export function contextOf(call: ServerCall, surface: Surface = 'dapr-grpc'): CallContext {
  return new GrpcCallContext(call, surface);
}
