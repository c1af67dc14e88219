/** @grpc/grpc-js as the client's transport, for programs that have it already (its interceptors, its proxies, its tracing). */
import {
  type ChannelCredentials,
  Client,
  type ClientOptions,
  type ClientReadableStream,
  credentials,
  type CallOptions as GrpcCallOptions,
  Metadata as GrpcMetadata,
  type ServiceError,
} from '@grpc/grpc-js';
import {
  type CallOptions,
  type ClientCall,
  type GrpcCode,
  GrpcStatusError,
  type MessageCodec,
  type MessageWriter,
  Metadata,
  type MethodInfo,
} from '@outrigger/engine';
import type { RpcTransport } from '../connection.js';

const FIRST_BUFFER_BYTES = 1024;

/** `target` in gRPC's name syntax: `127.0.0.1:50001`, `unix:/path`, `dns:///host:port`. */
export function createGrpcJsTransport(
  target: string,
  channelCredentials: ChannelCredentials = credentials.createInsecure(),
  options: ClientOptions = {},
): RpcTransport {
  const client = new Client(target, channelCredentials, options);
  return {
    unary: <I, O>(method: MethodInfo<I, O>, request: I, callOptions: CallOptions = {}) =>
      new Promise<O>((resolve, reject) => {
        const call = client.makeUnaryRequest<I, O>(
          method.path,
          (message) => encode(method.request, message),
          (bytes) => decode(method.response, bytes),
          request,
          metadataOf(callOptions),
          grpcOptions(callOptions),
          (error, response) => (error === null ? resolve(response as O) : reject(statusOf(error))),
        );
        cancelWith(callOptions.signal, () => call.cancel());
      }),
    serverStream<I, O>(method: MethodInfo<I, O>, request: I, callOptions: CallOptions = {}): AsyncIterable<O> {
      const call = client.makeServerStreamRequest<I, O>(
        method.path,
        (message) => encode(method.request, message),
        (bytes) => decode(method.response, bytes),
        request,
        metadataOf(callOptions),
        grpcOptions(callOptions),
      );
      cancelWith(callOptions.signal, () => call.cancel());
      return responsesOf<O>(call);
    },
    stream<I, O>(method: MethodInfo<I, O>, callOptions: CallOptions = {}): ClientCall<I, O> {
      const call = client.makeBidiStreamRequest<I, O>(
        method.path,
        (message) => encode(method.request, message),
        (bytes) => decode(method.response, bytes),
        metadataOf(callOptions),
        grpcOptions(callOptions),
      );
      cancelWith(callOptions.signal, () => call.cancel());
      // Errors reach the reader of `responses`; without a listener Node would end the process for one.
      call.on('error', () => {});
      return {
        send: (message) =>
          call.write(message)
            ? undefined
            : new Promise((resolve) => {
                call.once('drain', resolve);
                call.once('close', resolve);
              }),
        closeSend: () => call.end(),
        cancel: () => call.cancel(),
        responses: responsesOf<O>(call),
      };
    },
    close: () => client.close(),
  };
}

function encode<T>(codec: MessageCodec<T>, message: T): Buffer {
  const writer: MessageWriter = {
    buffer: Buffer.allocUnsafe(FIRST_BUFFER_BYTES),
    end: 0,
    ensure(bytes) {
      if (writer.end + bytes <= writer.buffer.length) return;
      const grown = Buffer.allocUnsafe(Math.max(writer.buffer.length * 2, writer.end + bytes));
      writer.buffer.copy(grown, 0, 0, writer.end);
      writer.buffer = grown;
    },
  };
  codec.encode(message, writer);
  return writer.buffer.subarray(0, writer.end);
}

const decode = <T>(codec: MessageCodec<T>, bytes: Buffer): T => codec.decode(bytes, 0, bytes.length);

function metadataOf(options: CallOptions): GrpcMetadata {
  const metadata = new GrpcMetadata();
  for (const [name, value] of options.metadata?.fields ?? []) {
    metadata.add(name, name.endsWith('-bin') ? Buffer.from(value, 'base64') : value);
  }
  return metadata;
}

const grpcOptions = ({ timeoutMs }: CallOptions): GrpcCallOptions =>
  timeoutMs === undefined ? {} : { deadline: new Date(Date.now() + timeoutMs) };

function cancelWith(signal: AbortSignal | undefined, cancel: () => void): void {
  if (signal?.aborted) cancel();
  else signal?.addEventListener('abort', cancel, { once: true });
}

async function* responsesOf<O>(call: ClientReadableStream<O>): AsyncGenerator<O> {
  try {
    for await (const message of call) yield message as O;
  } catch (error) {
    throw statusOf(error as ServiceError);
  }
}

function statusOf(error: ServiceError): GrpcStatusError {
  const trailers = new Metadata();
  for (const [name, value] of Object.entries(error.metadata?.getMap() ?? {})) {
    if (typeof value === 'string') trailers.append(name, value);
    else trailers.setBinary(name, value);
  }
  return new GrpcStatusError((error.code ?? 2) as GrpcCode, error.details ?? error.message, { trailers, cause: error });
}
