/** A connect transport (gRPC, gRPC-Web or Connect; node or browser) as the client's transport: `fromConnect(createGrpcTransport(…))`. */
import type { DescMethod, DescMethodStreaming, DescMethodUnary } from '@bufbuild/protobuf';
import { Code, ConnectError, type Transport } from '@connectrpc/connect';
import {
  type CallOptions,
  type ClientCall,
  type GrpcCode,
  GrpcStatusError,
  Metadata,
  type MethodInfo,
} from '@outrigger/engine';
import { Dapr } from '@outrigger/proto/dapr/runtime/v1';
import { Runtime } from '@outrigger/proto/layotto/runtime/v1';
import type { RpcTransport } from '../connection.js';
import { MessageQueue } from './message-queue.js';

/** What connect asks for, by the path of the method. */
const descriptors: ReadonlyMap<string, DescMethod> = new Map(
  [...Dapr.methods, ...Runtime.methods].map((method) => [`/${method.parent.typeName}/${method.name}`, method]),
);

function descriptorOf({ path }: { readonly path: string }): DescMethod {
  const descriptor = descriptors.get(path);
  if (descriptor === undefined) throw new TypeError(`${path} is not a method of Dapr or Layotto`);
  return descriptor;
}

export function fromConnect(transport: Transport): RpcTransport {
  return {
    async unary<I, O>(method: MethodInfo<I, O>, request: I, options: CallOptions = {}): Promise<O> {
      try {
        const response = await transport.unary(
          descriptorOf(method) as DescMethodUnary,
          options.signal,
          wholeMs(options),
          headersOf(options),
          request as never,
        );
        return response.message as O;
      } catch (error) {
        throw statusOf(error);
      }
    },
    serverStream<I, O>(method: MethodInfo<I, O>, request: I, options: CallOptions = {}): AsyncIterable<O> {
      return responsesOf<O>(transport, method, [request], options, options.signal);
    },
    stream<I, O>(method: MethodInfo<I, O>, options: CallOptions = {}): ClientCall<I, O> {
      const requests = new MessageQueue<I>();
      const abort = new AbortController();
      const signal = options.signal === undefined ? abort.signal : AbortSignal.any([options.signal, abort.signal]);
      return {
        send: (message) => requests.push(message),
        closeSend: () => requests.end(),
        cancel: () => {
          requests.end();
          abort.abort();
        },
        responses: responsesOf<O>(transport, method, requests, options, signal),
      };
    },
    close: () => {},
  };
}

function responsesOf<O>(
  transport: Transport,
  method: { readonly path: string },
  requests: Iterable<unknown> | AsyncIterable<unknown>,
  options: CallOptions,
  signal: AbortSignal | undefined,
): AsyncIterable<O> {
  // The call begins now, not when the responses are first asked for: requests may be sent before.
  const response = transport.stream(
    descriptorOf(method) as DescMethodStreaming,
    signal,
    wholeMs(options),
    headersOf(options),
    (async function* () {
      yield* requests;
    })() as never,
  );
  response.catch(() => {});
  return {
    async *[Symbol.asyncIterator]() {
      try {
        for await (const message of (await response).message) yield message as O;
      } catch (error) {
        throw statusOf(error);
      }
    },
  };
}

/** connect writes the number as it is into grpc-timeout, where only whole ones are allowed. */
function wholeMs({ timeoutMs }: CallOptions): number | undefined {
  return timeoutMs === undefined ? undefined : Math.ceil(timeoutMs);
}

function headersOf(options: CallOptions): Headers {
  const headers = new Headers();
  for (const [name, value] of options.metadata?.fields ?? []) headers.append(name, value);
  return headers;
}

function statusOf(error: unknown): GrpcStatusError {
  const failure = ConnectError.from(error, Code.Unknown);
  return new GrpcStatusError(failure.code as unknown as GrpcCode, failure.rawMessage, {
    trailers: metadataOf(failure.metadata),
    cause: error,
  });
}

function metadataOf(headers: Headers): Metadata {
  const metadata = new Metadata();
  headers.forEach((value, name) => {
    metadata.append(name, value);
  });
  return metadata;
}
