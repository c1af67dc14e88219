import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GrpcCode, HeaderList } from '@outrigger/engine';
import { methodsOf } from '@outrigger/proto';
import {
  type InvokeResponse,
  type InvokeServiceRequest,
  Runtime,
  HTTPExtension_Verb as Verb,
} from '@outrigger/proto/layotto/runtime/v1';
import type { InvokeCall, InvokeMessage, InvokeReply } from '../../block/invoke/message.js';
import { callUnary, statusOf } from '../testing/grpc-call.js';
import { createInvokeMethods, INVOKE_TIMEOUT_DEFAULT_MS } from './invoke.js';

const answer: InvokeReply = {
  httpStatus: 200,
  error: undefined,
  contentType: 'text/plain',
  dataType: '',
  data: Buffer.from('pong'),
  headers: new HeaderList(),
  trailers: new HeaderList(),
};

function setUp(reply: Partial<InvokeReply> = {}) {
  const seen: { message: InvokeMessage; call: InvokeCall }[] = [];
  const methods = createInvokeMethods(
    {
      message: async (message, call) => {
        seen.push({ message, call });
        return { ...answer, ...reply };
      },
    },
    () => 0,
  );
  const invoke = (
    message: Partial<NonNullable<InvokeServiceRequest['message']>>,
    metadata: Record<string, string> = {},
  ): Promise<InvokeResponse> =>
    Promise.resolve(
      callUnary(
        methods,
        methodsOf(Runtime).invokeService,
        { id: 'b', message: message as NonNullable<InvokeServiceRequest['message']> },
        { metadata },
      ),
    );
  return { seen, invoke };
}

describe("Layotto's InvokeService", () => {
  it('takes verb and query from the HTTP extension', async () => {
    const { seen, invoke } = setUp();
    const response = await invoke({ method: '/echo', httpExtension: { verb: Verb.PUT, querystring: 'a=1' } as never });
    assert.deepEqual(seen[0]?.message.http, { verb: 'PUT', query: 'a=1' });
    assert.deepEqual(
      [response.contentType, Buffer.from(response.data?.value ?? []).toString()],
      ['text/plain', 'pong'],
    );
  });

  it('takes them from the metadata where a client has no extension, and keeps both from the app', async () => {
    const { seen, invoke } = setUp();
    await invoke({ method: '/echo' }, { verb: 'POST', query_string: 'a=1', 'x-tenant': 'blue' });
    assert.deepEqual(seen[0]?.message.http, { verb: 'POST', query: 'a=1' });
    assert.deepEqual(seen[0]?.call.metadata.flat, ['x-tenant', 'blue']);
  });

  it('takes the query from the method where nothing else has one', async () => {
    const { seen, invoke } = setUp();
    await invoke({ method: '/echo?a=1?2' });
    await invoke({ method: '/echo?a=1', httpExtension: { verb: Verb.GET, querystring: 'b=2' } as never });
    assert.deepEqual(
      seen.map(({ message }) => [message.method, message.http?.query]),
      [
        ['/echo', 'a=1?2'],
        ['/echo', 'b=2'],
      ],
    );
  });

  it('is a GET when nothing says a verb', async () => {
    const { seen, invoke } = setUp();
    await invoke({ method: '/echo' });
    assert.deepEqual(seen[0]?.message.http, { verb: 'GET', query: '' });
  });

  it('waits as long as rpc_request_timeout says, else 3 s', async () => {
    const { seen, invoke } = setUp();
    await invoke({});
    await invoke({}, { rpc_request_timeout: '50' });
    await invoke({}, { rpc_request_timeout: 'soon' });
    assert.deepEqual(
      seen.map(({ call }) => call.timeoutMs),
      [INVOKE_TIMEOUT_DEFAULT_MS, 50, INVOKE_TIMEOUT_DEFAULT_MS],
    );
  });

  it('fails as unavailable with status and body when an HTTP app does not answer 2xx', async () => {
    const { invoke } = setUp({ httpStatus: 404, data: Buffer.from('nothing here') });
    const status = await statusOf(() => invoke({}));
    assert.equal(status.code, GrpcCode.UNAVAILABLE);
    assert.equal(status.message, 'http response code 404, body: nothing here');
  });

  it('quotes a bounded part of the body', async () => {
    const { invoke } = setUp({ httpStatus: 500, data: Buffer.alloc(1 << 20, 'x') });
    assert.ok((await statusOf(() => invoke({}))).message.length < 2_000);
  });

  it("hands on a gRPC app's error", async () => {
    const error = { code: GrpcCode.ALREADY_EXISTS, message: 'taken', details: undefined };
    const { invoke } = setUp({ httpStatus: undefined, error });
    const status = await statusOf(() => invoke({}));
    assert.deepEqual([status.code, status.message], [GrpcCode.ALREADY_EXISTS, 'taken']);
  });
});
