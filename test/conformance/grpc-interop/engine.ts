/** The interop service and client on our engine. */
import {
  type AnyGrpcMethod,
  createChannel,
  createGrpcService,
  createServer,
  type GrpcCode,
  GrpcStatusError,
  Metadata,
  type MethodInfo,
  type ServerCall,
} from '@outrigger/engine';
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

const rpc = methodsOf(TestService);

function echoMetadata(call: ServerCall): void {
  const initial = call.metadata.get(ECHO_INITIAL);
  if (initial !== undefined) call.sendMetadata(Metadata.of({ [ECHO_INITIAL]: initial }));
  const trailing = call.metadata.getBinary(ECHO_TRAILING);
  if (trailing !== undefined) call.trailers.setBinary(ECHO_TRAILING, trailing);
}

const asStatus = (error: unknown): unknown =>
  error instanceof EchoedStatus ? new GrpcStatusError(error.code as GrpcCode, error.message) : error;

/** Handlers as the engine wants them, each with the echo of metadata in front. */
function unary<I, O>(info: MethodInfo<I, O>, answer: (request: I) => O): AnyGrpcMethod {
  const handler = (request: I, call: ServerCall): O => {
    echoMetadata(call);
    try {
      return answer(request);
    } catch (error) {
      throw asStatus(error);
    }
  };
  return { ...info, kind: 'unary', handler } as unknown as AnyGrpcMethod;
}

type Sink<O> = { send(message: O): Promise<void> | undefined };

function streaming<I, O>(info: MethodInfo<I, O>, answer: (input: never) => AsyncIterable<O>): AnyGrpcMethod {
  const handler = async (input: unknown, call: ServerCall, sink: Sink<O>): Promise<void> => {
    echoMetadata(call);
    try {
      for await (const message of answer(input as never)) await sink.send(message);
    } catch (error) {
      throw asStatus(error);
    }
  };
  return { ...info, handler } as unknown as AnyGrpcMethod;
}

export async function startEngineServer(): Promise<InteropServer> {
  const service = createGrpcService([
    unary(rpc.emptyCall, (request) => request),
    unary(rpc.unaryCall, answerUnary),
    { ...rpc.streamingInputCall, handler: answerInput } as unknown as AnyGrpcMethod,
    streaming(rpc.streamingOutputCall, answerOutput),
    streaming(rpc.fullDuplexCall, answerFullDuplex),
    streaming(rpc.halfDuplexCall, answerHalfDuplex),
  ]);
  const server = createServer({ http: (stream) => stream.reset('refused'), grpc: service });
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
  return { port, stop: () => server.close() };
}

export function connectEngine(port: number, compress: boolean): InteropClient {
  const channel = createChannel({ target: `127.0.0.1:${port}`, compress });
  return {
    call(method, { metadata = {}, timeoutMs } = {}) {
      const sent = new Metadata();
      for (const [name, value] of Object.entries(metadata)) {
        if (typeof value === 'string') sent.set(name, value);
        else sent.setBinary(name, value);
      }
      let headers = new Metadata();
      let trailers = new Metadata();
      const call = channel.stream(method, {
        metadata: sent,
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
        onMetadata: (received) => {
          headers = received;
        },
        onTrailers: (received) => {
          trailers = received;
        },
      });
      return {
        send: (message) => void call.send(message),
        closeSend: () => call.closeSend(),
        cancel: () => call.cancel(),
        responses: call.responses,
        header: (name) => headers.get(name),
        trailer: (name) => trailers.getBinary(name),
      } as InteropCall<never, never>;
    },
    close: () => channel.close(),
  };
}
