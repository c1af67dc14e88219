/** The interop service and client on @grpc/grpc-js. */
import * as grpc from '@grpc/grpc-js';
import type { MessageCodec, MessageWriter, MethodInfo } from '@outrigger/engine';
import { methodsOf } from '@outrigger/proto';
import { TestService } from '../gen/grpc/testing/test_pb.js';
import type { InteropCall, InteropClient, InteropServer } from './peer.js';
import {
  answerFullDuplex,
  answerHalfDuplex,
  answerInput,
  answerOutput,
  answerUnary,
  ECHO_INITIAL,
  ECHO_TRAILING,
  EchoedStatus,
} from './service.js';

const GZIP: grpc.ChannelOptions = { 'grpc.default_compression_algorithm': 2 };

class Bytes implements MessageWriter {
  buffer: Buffer = Buffer.alloc(1024);
  end = 0;

  ensure(bytes: number): void {
    if (this.end + bytes <= this.buffer.length) return;
    const larger = Buffer.alloc(2 * (this.end + bytes));
    this.buffer.copy(larger, 0, 0, this.end);
    this.buffer = larger;
  }
}

function serializer<T>(codec: MessageCodec<T>): (message: T) => Buffer {
  return (message) => {
    const bytes = new Bytes();
    codec.encode(message, bytes);
    return bytes.buffer.subarray(0, bytes.end);
  };
}

function deserializer<T>(codec: MessageCodec<T>): (bytes: Buffer) => T {
  return (bytes) => codec.decode(bytes, 0, bytes.length);
}

function definition<I, O>(method: MethodInfo<I, O>): grpc.MethodDefinition<I, O> {
  return {
    path: method.path,
    requestStream: method.kind === 'client-stream' || method.kind === 'bidi',
    responseStream: method.kind === 'server-stream' || method.kind === 'bidi',
    requestSerialize: serializer(method.request),
    requestDeserialize: deserializer(method.request),
    responseSerialize: serializer(method.response),
    responseDeserialize: deserializer(method.response),
  };
}

interface AnyServerCall {
  readonly metadata: grpc.Metadata;
  sendMetadata(metadata: grpc.Metadata): void;
}

/** Echoes initial metadata; returns the trailing metadata. */
function echoMetadata(call: AnyServerCall): grpc.Metadata {
  const [initial] = call.metadata.get(ECHO_INITIAL);
  if (initial !== undefined) {
    const metadata = new grpc.Metadata();
    metadata.set(ECHO_INITIAL, initial);
    call.sendMetadata(metadata);
  }
  const trailers = new grpc.Metadata();
  const [trailing] = call.metadata.get(ECHO_TRAILING);
  if (trailing !== undefined) trailers.set(ECHO_TRAILING, trailing);
  return trailers;
}

function failureOf(error: unknown): Partial<grpc.StatusObject> {
  if (error instanceof EchoedStatus) return { code: error.code, details: error.message };
  return { code: grpc.status.INTERNAL, details: String(error) };
}

/** The requests of a call that is answered after the last one: reading to the end must not destroy the stream. */
function requestsOf(call: AnyCall): never {
  return call.iterator({ destroyOnReturn: false }) as never;
}

type UnaryCall<O> = grpc.ServerUnaryCall<unknown, O> & AsyncIterable<unknown>;
type AnyCall = grpc.ServerDuplexStream<unknown, unknown> & grpc.ServerWritableStream<unknown, unknown>;

/** One response, to one request or many. */
function unary<O>(answer: (call: UnaryCall<O>) => O | Promise<O>) {
  return (call: UnaryCall<O>, reply: grpc.sendUnaryData<O>): void => {
    const trailers = echoMetadata(call);
    Promise.resolve()
      .then(() => answer(call))
      .then(
        (response) => reply(null, response, trailers),
        (error: unknown) => reply(failureOf(error)),
      );
  };
}

function streaming(answer: (call: AnyCall) => AsyncIterable<unknown>) {
  return (call: AnyCall): void => {
    const trailers = echoMetadata(call);
    const run = async (): Promise<void> => {
      for await (const message of answer(call)) {
        if (call.cancelled) return;
        if (!call.write(message)) await new Promise((resolve) => call.once('drain', resolve));
      }
      call.end(trailers);
    };
    run().catch((error: unknown) => call.emit('error', failureOf(error)));
  };
}

/** Understands compressed requests; its answers are never compressed. */
export async function startGrpcJsServer(): Promise<InteropServer> {
  const rpc = methodsOf(TestService);
  const server = new grpc.Server();
  const definitions = Object.fromEntries(
    Object.entries(rpc).map(([name, method]) => [name, definition(method as MethodInfo<unknown, unknown>)]),
  );
  const { unimplementedCall: _, ...served } = definitions;
  const handlers = {
    emptyCall: unary((call) => call.request),
    unaryCall: unary((call) => answerUnary(call.request as never)),
    streamingInputCall: unary((call) => answerInput(call as never)),
    streamingOutputCall: streaming((call) => answerOutput(call.request as never)),
    fullDuplexCall: streaming((call) => answerFullDuplex(requestsOf(call))),
    halfDuplexCall: streaming((call) => answerHalfDuplex(requestsOf(call))),
  };
  server.addService(served as grpc.ServiceDefinition, handlers as unknown as grpc.UntypedServiceImplementation);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return {
    port,
    stop: async () => server.forceShutdown(),
  };
}

export function connectGrpcJs(port: number, compress: boolean): InteropClient {
  const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), compress ? GZIP : {});
  return {
    call(method, { metadata = {}, timeoutMs } = {}) {
      const sent = new grpc.Metadata();
      for (const [name, value] of Object.entries(metadata)) {
        sent.set(name, typeof value === 'string' ? value : Buffer.from(value));
      }
      const { path, requestSerialize, responseDeserialize } = definition(method);
      const options = timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };
      const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, sent, options);
      let headers = new grpc.Metadata();
      let trailers = new grpc.Metadata();
      call.on('metadata', (received) => {
        headers = received;
      });
      const ended = new Promise<void>((resolve) => {
        call.on('status', (status) => {
          trailers = status.metadata;
          resolve();
        });
      });
      // A call may fail before its responses are asked for.
      call.on('error', () => {});
      return {
        send: (message) => void call.write(message),
        closeSend: () => void call.end(),
        cancel: () => call.cancel(),
        responses: (async function* () {
          yield* call;
          await ended;
        })(),
        header: (name) => headers.get(name)[0]?.toString(),
        trailer: (name) => trailers.get(name)[0] as Buffer | undefined,
      } as InteropCall<never, never>;
    },
    close: () => client.close(),
  };
}
