/** Rows of gRPC method tables: the description of a method from its proto, joined with its handler. */
import type {
  BidiHandler,
  ClientStreamHandler,
  GrpcMethod,
  MethodInfo,
  ServerStreamHandler,
  UnaryHandler,
} from '@outrigger/engine';

type Info<I, O> = Omit<MethodInfo<I, O>, 'kind'> & { readonly kind: string };

/** Lists of methods are heterogeneous: the types of one row are checked here, and forgotten. */
function row(info: object, kind: GrpcMethod['kind'], handler: unknown): GrpcMethod {
  return { ...info, kind, handler } as unknown as GrpcMethod;
}

export function unary<I, O>(info: Info<I, O>, handler: UnaryHandler<I, O>): GrpcMethod {
  return row(info, 'unary', handler);
}

export function serverStream<I, O>(info: Info<I, O>, handler: ServerStreamHandler<I, O>): GrpcMethod {
  return row(info, 'server-stream', handler);
}

export function clientStream<I, O>(info: Info<I, O>, handler: ClientStreamHandler<I, O>): GrpcMethod {
  return row(info, 'client-stream', handler);
}

export function bidi<I, O>(info: Info<I, O>, handler: BidiHandler<I, O>): GrpcMethod {
  return row(info, 'bidi', handler);
}
