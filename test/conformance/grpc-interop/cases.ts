/**
 * The interop cases of gRPC as a client runs them
 * (https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md).
 */
import assert from 'node:assert/strict';
import { create } from '@bufbuild/protobuf';
import { GrpcCode, type MethodInfo } from '@outrigger/engine';
import { methodsOf } from '@outrigger/proto';
import { EmptySchema } from '../gen/grpc/testing/empty_pb.js';
import {
  type SimpleRequest,
  SimpleRequestSchema,
  StreamingInputCallRequestSchema,
  type StreamingOutputCallRequest,
  StreamingOutputCallRequestSchema,
  type StreamingOutputCallResponse,
} from '../gen/grpc/testing/messages_pb.js';
import { TestService, UnimplementedService } from '../gen/grpc/testing/test_pb.js';
import type { InteropCall, InteropCallOptions, InteropClient } from './peer.js';
import { ECHO_INITIAL, ECHO_TRAILING } from './service.js';

const rpc = methodsOf(TestService);

const REQUEST_SIZES = [27182, 8, 1828, 45904];
const RESPONSE_SIZES = [31415, 9, 2653, 58979];
const LARGE_REQUEST = 271828;
const LARGE_RESPONSE = 314159;
const STATUS_MESSAGE = 'test status message';
const SPECIAL_MESSAGE = '\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n';

async function one<I, O>(call: InteropCall<I, O>): Promise<O> {
  const responses: O[] = [];
  for await (const response of call.responses) responses.push(response);
  assert.equal(responses.length, 1);
  return responses[0] as O;
}

function unary<I, O>(client: InteropClient, method: MethodInfo<I, O>, request: I, options?: InteropCallOptions) {
  const call = client.call(method, options);
  call.send(request);
  call.closeSend();
  return { call, response: one(call) };
}

const bytes = (size: number): { body: Uint8Array } => ({ body: new Uint8Array(size) });

function largeRequest(more: Partial<SimpleRequest> = {}): SimpleRequest {
  const init = { responseSize: LARGE_RESPONSE, payload: bytes(LARGE_REQUEST) };
  return Object.assign(create(SimpleRequestSchema, init), more);
}

function outputRequest(sizes: readonly number[], payload = 0, intervalUs = 0): StreamingOutputCallRequest {
  return create(StreamingOutputCallRequestSchema, {
    responseParameters: sizes.map((size) => ({ size, intervalUs })),
    payload: bytes(payload),
  });
}

function assertZeros(response: { readonly payload?: { readonly body: Uint8Array } | undefined }, size: number): void {
  const body = response.payload?.body ?? new Uint8Array();
  assert.equal(body.length, size);
  assert.ok(body.every((byte) => byte === 0));
}

async function failsWith(running: Promise<unknown>, code: GrpcCode, text?: string): Promise<void> {
  await assert.rejects(running, (error: Error & { code: number; details?: unknown }) => {
    assert.equal(error.code, code, error.message);
    // grpc-js puts the code before the message and keeps the message alone in `details`.
    if (text !== undefined) assert.equal(typeof error.details === 'string' ? error.details : error.message, text);
    return true;
  });
}

async function drain<T>(responses: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const response of responses) all.push(response);
  return all;
}

export type InteropCase = (client: InteropClient) => Promise<void>;

export type CaseName =
  | 'empty_unary'
  | 'large_unary'
  | 'client_streaming'
  | 'server_streaming'
  | 'ping_pong'
  | 'empty_stream'
  | 'timeout_on_sleeping_server'
  | 'cancel_after_begin'
  | 'cancel_after_first_response'
  | 'status_code_and_message'
  | 'special_status_message'
  | 'custom_metadata'
  | 'unimplemented_method'
  | 'unimplemented_service';

export const CASES: Readonly<Record<CaseName, InteropCase>> = {
  empty_unary: async (client) => {
    assert.deepEqual(await unary(client, rpc.emptyCall, create(EmptySchema)).response, create(EmptySchema));
  },
  large_unary: async (client) => {
    assertZeros(await unary(client, rpc.unaryCall, largeRequest()).response, LARGE_RESPONSE);
  },
  client_streaming: async (client) => {
    const call = client.call(rpc.streamingInputCall);
    for (const size of REQUEST_SIZES) call.send(create(StreamingInputCallRequestSchema, { payload: bytes(size) }));
    call.closeSend();
    assert.equal((await one(call)).aggregatedPayloadSize, 74922);
  },
  server_streaming: async (client) => {
    const call = client.call(rpc.streamingOutputCall);
    call.send(outputRequest(RESPONSE_SIZES));
    call.closeSend();
    const responses = await drain(call.responses);
    assert.equal(responses.length, RESPONSE_SIZES.length);
    for (const [i, response] of responses.entries()) assertZeros(response, RESPONSE_SIZES[i] as number);
  },
  ping_pong: async (client) => {
    const call = client.call(rpc.fullDuplexCall);
    const responses = call.responses[Symbol.asyncIterator]() as AsyncIterator<StreamingOutputCallResponse>;
    for (const [i, size] of REQUEST_SIZES.entries()) {
      call.send(outputRequest([RESPONSE_SIZES[i] as number], size));
      const { value, done } = await responses.next();
      assert.equal(done ?? false, false);
      assertZeros(value as StreamingOutputCallResponse, RESPONSE_SIZES[i] as number);
    }
    call.closeSend();
    assert.equal((await responses.next()).done, true);
  },
  empty_stream: async (client) => {
    const call = client.call(rpc.fullDuplexCall);
    call.closeSend();
    assert.deepEqual(await drain(call.responses), []);
  },
  timeout_on_sleeping_server: async (client) => {
    const call = client.call(rpc.fullDuplexCall, { timeoutMs: 1 });
    call.send(outputRequest([1], 27182, 60_000_000));
    await failsWith(drain(call.responses), GrpcCode.DEADLINE_EXCEEDED);
  },
  cancel_after_begin: async (client) => {
    const call = client.call(rpc.streamingInputCall);
    call.cancel();
    await failsWith(drain(call.responses), GrpcCode.CANCELLED);
  },
  cancel_after_first_response: async (client) => {
    const call = client.call(rpc.fullDuplexCall);
    const responses = call.responses[Symbol.asyncIterator]();
    call.send(outputRequest([31415], 27182));
    assertZeros((await responses.next()).value as StreamingOutputCallResponse, 31415);
    call.cancel();
    await failsWith(Promise.resolve(responses.next()), GrpcCode.CANCELLED);
  },
  status_code_and_message: async (client) => {
    const responseStatus = { code: GrpcCode.UNKNOWN, message: STATUS_MESSAGE };
    const request = create(SimpleRequestSchema, { responseStatus });
    await failsWith(unary(client, rpc.unaryCall, request).response, GrpcCode.UNKNOWN, STATUS_MESSAGE);
    const call = client.call(rpc.fullDuplexCall);
    call.send(create(StreamingOutputCallRequestSchema, { responseStatus }));
    call.closeSend();
    await failsWith(drain(call.responses), GrpcCode.UNKNOWN, STATUS_MESSAGE);
  },
  special_status_message: async (client) => {
    const request = create(SimpleRequestSchema, {
      responseStatus: { code: GrpcCode.UNKNOWN, message: SPECIAL_MESSAGE },
    });
    await failsWith(unary(client, rpc.unaryCall, request).response, GrpcCode.UNKNOWN, SPECIAL_MESSAGE);
  },
  custom_metadata: async (client) => {
    const trailing = Uint8Array.of(0xab, 0xab, 0xab);
    const metadata = { [ECHO_INITIAL]: 'test_initial_metadata_value', [ECHO_TRAILING]: trailing };
    const isEchoed = (call: InteropCall<never, never>): void => {
      assert.equal(call.header(ECHO_INITIAL), 'test_initial_metadata_value');
      assert.deepEqual(Uint8Array.from(call.trailer(ECHO_TRAILING) ?? []), trailing);
    };
    const { call, response } = unary(client, rpc.unaryCall, largeRequest(), { metadata });
    assertZeros(await response, LARGE_RESPONSE);
    isEchoed(call as never);
    const duplex = client.call(rpc.fullDuplexCall, { metadata });
    duplex.send(outputRequest([LARGE_RESPONSE], LARGE_REQUEST));
    duplex.closeSend();
    assert.equal((await drain(duplex.responses)).length, 1);
    isEchoed(duplex as never);
  },
  unimplemented_method: async (client) => {
    const { response } = unary(client, rpc.unimplementedCall, create(EmptySchema));
    await failsWith(response, GrpcCode.UNIMPLEMENTED);
  },
  unimplemented_service: async (client) => {
    const { response } = unary(client, methodsOf(UnimplementedService).unimplementedCall, create(EmptySchema));
    await failsWith(response, GrpcCode.UNIMPLEMENTED);
  },
};

export const CASE_NAMES: readonly CaseName[] = Object.keys(CASES) as CaseName[];
/** Those whose messages are worth compressing. */
export const COMPRESSED_CASES: readonly CaseName[] = [
  'large_unary',
  'client_streaming',
  'server_streaming',
  'ping_pong',
];
