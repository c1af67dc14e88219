/** Calls gRPC methods without a connection: the message types are those of the protos, streams are arrays. */
import { type GrpcMethod, type GrpcStatusError, Metadata, type MethodInfo, type ServerCall } from '@outrigger/engine';

export interface TestCallOptions {
  readonly metadata?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export function testCall(path: string, options: TestCallOptions = {}): ServerCall {
  return {
    path,
    metadata: Metadata.of(options.metadata ?? {}),
    deadline: undefined,
    signal: options.signal ?? new AbortController().signal,
    remote: { kind: 'tcp', address: '127.0.0.1', port: 1 },
    tls: null,
    sendMetadata: () => {},
    trailers: new Metadata(),
  };
}

/** What a method answers, without a promise where it answers at once. */
export function callUnary<I, O>(
  methods: readonly GrpcMethod[],
  info: MethodInfo<I, O>,
  request: Partial<I>,
  options?: TestCallOptions,
): O | Promise<O> {
  const method = methods.find(({ path }) => path === info.path);
  if (method === undefined) throw new Error(`${info.path} is not among the methods`);
  const handler = method.handler as unknown as (request: Partial<I>, call: ServerCall) => O | Promise<O>;
  return handler(request, testCall(info.path, options));
}

export async function statusOf(call: () => unknown): Promise<GrpcStatusError> {
  try {
    await call();
  } catch (error) {
    return error as GrpcStatusError;
  }
  throw new Error('the call did not fail');
}
