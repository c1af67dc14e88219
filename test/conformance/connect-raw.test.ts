/** gRPC-Web and Connect by hand-made requests: what a page in a browser sends, and what nobody should. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  GetStateRequestSchema,
  GetStateResponseSchema,
  InvokeServiceRequestSchema,
  SaveStateRequestSchema,
} from '@outrigger/proto/dapr/runtime/v1';
import { type Sidecar, startSidecar } from '../harness/sidecar.js';
import { type HangingApp, startHangingApp } from './web/app.js';
import { envelope, envelopes, type RawAnswer, type RawRequest, send, trailerFields } from './web/request.js';

const LIMIT = { timeout: 30_000 };
const GRPC_WEB = { 'content-type': 'application/grpc-web+proto', 'x-grpc-web': '1' };
const CONNECT_JSON = { 'content-type': 'application/json', 'connect-protocol-version': '1' };
const CONNECT_PROTO = { 'content-type': 'application/proto', 'connect-protocol-version': '1' };
const GET_STATE = '/dapr.proto.runtime.v1.Dapr/GetState';
const SAVE_STATE = '/dapr.proto.runtime.v1.Dapr/SaveState';
const INVOKE = '/dapr.proto.runtime.v1.Dapr/InvokeService';
const SUBSCRIBE = '/dapr.proto.runtime.v1.Dapr/SubscribeConfiguration';
const PAGE = 'http://shop.example';
const TRAILER_FLAG = 0x80;
const GZIP_FLAG = 1;

const getState = (key: string): Uint8Array =>
  toBinary(GetStateRequestSchema, create(GetStateRequestSchema, { storeName: 'statestore', key }));
const saveState = (key: string, value: string): Uint8Array =>
  toBinary(
    SaveStateRequestSchema,
    create(SaveStateRequestSchema, { storeName: 'statestore', states: [{ key, value: Buffer.from(value) }] }),
  );

describe('hand-made gRPC-Web and Connect requests', () => {
  let app: HangingApp;
  let sidecar: Sidecar;
  before(async () => {
    app = await startHangingApp();
    sidecar = await startSidecar({ appId: 'raw', appPort: app.port, args: ['--allowed-origins', PAGE] });
    const saved = await post('1.1', SAVE_STATE, CONNECT_PROTO, saveState('seen', 'v'.repeat(3000)));
    assert.equal(saved.status, 200);
  });
  after(async () => {
    await sidecar?.stop();
    await app?.close();
  });

  const post = (
    http: '1.1' | '2',
    path: string,
    headers: Record<string, string>,
    body: Uint8Array | string,
    more: Partial<RawRequest> = {},
  ): Promise<RawAnswer> => send({ port: sidecar.grpcPort, http, path, headers, body, ...more });

  /** The value of a key, asked for in a way that no test here disturbs. */
  const savedValue = async (key: string): Promise<string> => {
    const { body } = await post('1.1', GET_STATE, CONNECT_PROTO, getState(key));
    return Buffer.from(fromBinary(GetStateResponseSchema, body).data).toString();
  };

  for (const http of ['1.1', '2'] as const) {
    describe(`over HTTP/${http}`, () => {
      it('a page of an allowed origin gets its message and its status', LIMIT, async () => {
        const asked = await send({
          port: sidecar.grpcPort,
          http,
          method: 'OPTIONS',
          path: GET_STATE,
          headers: {
            origin: PAGE,
            'access-control-request-method': 'POST',
            'access-control-request-headers': 'content-type,x-grpc-web',
          },
        });
        assert.equal(asked.status, 200);
        assert.equal(asked.headers['access-control-allow-origin'], PAGE);
        assert.equal(asked.headers['access-control-allow-methods'], 'POST');
        assert.equal(asked.headers['access-control-allow-headers'], 'content-type,x-grpc-web');

        const headers = { ...GRPC_WEB, origin: PAGE, 'sec-fetch-site': 'cross-site' };
        const answer = await post(http, GET_STATE, headers, envelope(getState('seen')));
        assert.equal(answer.status, 200);
        assert.equal(answer.headers['access-control-allow-origin'], PAGE);
        assert.match(String(answer.headers['access-control-expose-headers']), /grpc-status/);
        assert.equal(answer.headers['content-type'], 'application/grpc-web+proto');
        const [message, trailer, ...rest] = envelopes(answer.body);
        assert.deepEqual([message?.flags, trailer?.flags, rest.length], [0, TRAILER_FLAG, 0]);
        const { data } = fromBinary(GetStateResponseSchema, message?.message as Buffer);
        assert.equal(Buffer.from(data).toString(), 'v'.repeat(3000));
        assert.equal(trailerFields(trailer?.message as Buffer)['grpc-status'], '0');
      });

      it('a page of another origin gets nothing, and nothing is done', LIMIT, async () => {
        const foreign: readonly Record<string, string>[] = [
          { origin: 'http://evil.example' },
          { origin: 'null' },
          { origin: `${PAGE}.evil.example` },
          { 'sec-fetch-site': 'cross-site' },
          { 'sec-fetch-site': 'same-site' },
          { host: 'rebound.evil.example' },
        ];
        const key = `foreign-${http}`;
        for (const fields of foreign) {
          for (const type of [GRPC_WEB, CONNECT_PROTO]) {
            const message = saveState(key, 'written');
            const body = type === GRPC_WEB ? envelope(message) : message;
            const answer = await post(http, SAVE_STATE, { ...type, ...fields }, body);
            assert.equal(answer.status, 403, `${JSON.stringify(fields)}: ${answer.body}`);
            assert.equal(answer.headers['access-control-allow-origin'], undefined);
          }
          // What a form could send without asking first.
          const form = await post(http, SAVE_STATE, { ...fields, 'content-type': 'text/plain' }, saveState(key, 'w'));
          assert.equal(form.status, 403);
        }
        assert.equal(await savedValue(key), '');
      });

      it('Connect in JSON is plain JSON both ways', LIMIT, async () => {
        const key = `json-${http}`;
        const value = Buffer.from('from JSON').toString('base64');
        const body = JSON.stringify({ storeName: 'statestore', states: [{ key, value }] });
        const saved = await post(http, SAVE_STATE, CONNECT_JSON, body);
        assert.deepEqual([saved.status, saved.body.toString()], [200, '{}']);
        const got = await post(http, GET_STATE, CONNECT_JSON, JSON.stringify({ store_name: 'statestore', key }));
        assert.equal(got.headers['content-type'], 'application/json');
        assert.equal(JSON.parse(got.body.toString()).data, value);
      });

      it('an error of Connect has its HTTP status, code, sentence and details', LIMIT, async () => {
        const { status, headers, body } = await post(
          http,
          GET_STATE,
          CONNECT_JSON,
          '{"storeName":"nostore","key":"k"}',
        );
        assert.deepEqual([status, headers['content-type']], [400, 'application/json']);
        const error = JSON.parse(body.toString());
        assert.deepEqual([error.code, error.message], ['invalid_argument', 'state store nostore is not found']);
        const [detail] = error.details;
        assert.equal(detail.type, 'google.rpc.ErrorInfo');
        assert.match(Buffer.from(detail.value, 'base64').toString(), /DAPR_STATE_NOT_FOUND/);
      });

      it('an error of gRPC-Web has its status and details in the header or the trailer', LIMIT, async () => {
        const request = create(GetStateRequestSchema, { storeName: 'nostore', key: 'k' });
        const answer = await post(http, GET_STATE, GRPC_WEB, envelope(toBinary(GetStateRequestSchema, request)));
        assert.equal(answer.status, 200);
        const trailer = envelopes(answer.body).at(-1);
        const fields = trailer === undefined ? answer.headers : trailerFields(trailer.message);
        assert.equal(fields['grpc-status'], '3');
        assert.equal(decodeURIComponent(String(fields['grpc-message'])), 'state store nostore is not found');
        assert.match(
          Buffer.from(String(fields['grpc-status-details-bin']), 'base64').toString(),
          /DAPR_STATE_NOT_FOUND/,
        );
      });

      it('a stream in Connect JSON is one envelope per message, and the end names the error', LIMIT, async () => {
        const headers = { 'content-type': 'application/connect+json', 'connect-timeout-ms': '300' };
        const request = JSON.stringify({ storeName: 'configstore', keys: ['raw'] });
        const answer = await post(http, SUBSCRIBE, headers, envelope(Buffer.from(request)));
        assert.deepEqual([answer.status, answer.headers['content-type']], [200, 'application/connect+json']);
        const [first, end] = envelopes(answer.body);
        assert.equal(typeof JSON.parse(String(first?.message)).id, 'string');
        assert.equal(end?.flags, 2);
        assert.equal(JSON.parse(String(end?.message)).error.code, 'deadline_exceeded');
      });

      it('the server itself ends a call at its deadline', LIMIT, async () => {
        const hang = (token: string): Uint8Array =>
          toBinary(
            InvokeServiceRequestSchema,
            create(InvokeServiceRequestSchema, {
              id: 'raw',
              message: { method: 'hang', httpExtension: { verb: 3, querystring: `token=${token}` } },
            }),
          );
        const connect = post(http, INVOKE, { ...CONNECT_PROTO, 'connect-timeout-ms': '200' }, hang(`connect-${http}`));
        const web = post(http, INVOKE, { ...GRPC_WEB, 'grpc-timeout': '200m' }, envelope(hang(`web-${http}`)));
        const calls = await Promise.all([app.hanging(`connect-${http}`), app.hanging(`web-${http}`)]);
        const { status, body } = await connect;
        assert.deepEqual([status, JSON.parse(body.toString()).code], [504, 'deadline_exceeded']);
        const answer = await web;
        const trailer = envelopes(answer.body).at(-1);
        assert.equal((trailer === undefined ? answer.headers : trailerFields(trailer.message))['grpc-status'], '4');
        await Promise.all(calls.map(({ left }) => left));
      });

      it('gzip is understood and given back when asked for', LIMIT, async () => {
        const unary = await post(
          http,
          GET_STATE,
          { ...CONNECT_PROTO, 'content-encoding': 'gzip', 'accept-encoding': 'gzip' },
          gzipSync(getState('seen')),
        );
        assert.equal(unary.headers['content-encoding'], 'gzip');
        assert.equal(fromBinary(GetStateResponseSchema, gunzipSync(unary.body)).data.length, 3000);
        const web = await post(
          http,
          GET_STATE,
          { ...GRPC_WEB, 'grpc-encoding': 'gzip', 'grpc-accept-encoding': 'gzip' },
          envelope(gzipSync(getState('seen')), GZIP_FLAG),
        );
        const [message] = envelopes(web.body);
        assert.equal(message?.flags, GZIP_FLAG);
        assert.equal(fromBinary(GetStateResponseSchema, gunzipSync(message?.message as Buffer)).data.length, 3000);
      });

      it('a bomb is not unpacked', LIMIT, async () => {
        const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));
        const { status, body } = await post(http, GET_STATE, { ...CONNECT_PROTO, 'content-encoding': 'gzip' }, bomb);
        assert.equal(status, 429);
        const { code, message } = JSON.parse(body.toString());
        assert.equal(code, 'resource_exhausted');
        assert.match(message, /decompressed, exceeds/);
      });

      it('GET is refused: no method is declared to be without side effects', LIMIT, async () => {
        const query = `?connect=v1&encoding=json&message=${encodeURIComponent('{"storeName":"statestore","key":"seen"}')}`;
        const { status, headers } = await post(http, GET_STATE + query, {}, '', { method: 'GET' });
        assert.deepEqual([status, headers['allow']], [405, 'POST']);
      });

      it('a content type that is neither is refused', LIMIT, async () => {
        for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/grpc-web-text', '', 'x']) {
          const { status, body } = await post(http, GET_STATE, { 'content-type': type }, getState('seen'));
          assert.equal(status, 415, type);
          assert.match(body.toString(), /content-type/);
        }
      });

      const malformed: readonly [
        what: string,
        headers: Record<string, string>,
        body: string | Uint8Array,
        code: string,
        sentence: RegExp,
      ][] = [
        ['what is no JSON', CONNECT_JSON, '{"storeName":', 'invalid_argument', /JSON/],
        ['JSON of another type', CONNECT_JSON, '[1,2]', 'invalid_argument', /GetStateRequest/],
        ['a field of another type', CONNECT_JSON, '{"storeName":7,"key":"k"}', 'invalid_argument', /store_name/],
        ['a field nobody knows', CONNECT_JSON, '{"storeName":"nostore","kez":"k"}', 'invalid_argument', /nostore/],
        ['a missing field', CONNECT_JSON, '{"key":"k"}', 'invalid_argument', /state store {2}is not found/],
        ['what is no protobuf', CONNECT_PROTO, Buffer.from([0xff, 0xff, 0xff]), 'internal', /parse binary/],
        ['a cut field', CONNECT_PROTO, Buffer.from([0x0a, 0x7f, 0x61]), 'internal', /parse binary/],
        ['a name that is not UTF-8', CONNECT_PROTO, Buffer.from([0x0a, 2, 0xc3, 0x28]), 'internal', /utf-8/],
        ['an encoding nobody knows', { ...CONNECT_PROTO, 'content-encoding': 'br' }, '', 'unimplemented', /br/],
        ['what is no gzip', { ...CONNECT_PROTO, 'content-encoding': 'gzip' }, 'abc', 'invalid_argument', /gzip/],
        [
          'a timeout that is none',
          { ...CONNECT_PROTO, 'connect-timeout-ms': 'soon' },
          '',
          'invalid_argument',
          /timeout/i,
        ],
      ];
      for (const [what, headers, body, code, sentence] of malformed) {
        it(`Connect is told of ${what}`, LIMIT, async () => {
          const answer = await post(http, GET_STATE, headers, body);
          const error = JSON.parse(answer.body.toString());
          assert.equal(error.code, code, answer.body.toString());
          assert.match(error.message, sentence);
        });
      }

      const misframed: readonly [what: string, headers: Record<string, string>, body: Buffer, status: string][] = [
        ['nothing', GRPC_WEB, Buffer.alloc(0), '12'],
        ['a cut prefix', GRPC_WEB, Buffer.from([0, 0, 0]), '3'],
        ['less than its prefix says', GRPC_WEB, Buffer.from([0, 0, 0, 0, 9, 1]), '3'],
        ['two messages', GRPC_WEB, Buffer.concat([envelope(getState('a')), envelope(getState('b'))]), '12'],
        ['a message flagged as compressed', GRPC_WEB, envelope(getState('a'), GZIP_FLAG), '13'],
        ['what is no protobuf', GRPC_WEB, envelope(Buffer.from([0xff, 0xff])), '13'],
        ['more than the limit', GRPC_WEB, Buffer.from([0, 0x7f, 0xff, 0xff, 0xff]), '8'],
      ];
      for (const [what, headers, body, expected] of misframed) {
        it(`gRPC-Web is told of ${what}`, LIMIT, async () => {
          const answer = await post(http, GET_STATE, headers, body);
          const trailer = envelopes(answer.body).at(-1);
          const fields = trailer === undefined ? answer.headers : trailerFields(trailer.message);
          assert.equal(fields['grpc-status'], expected, String(fields['grpc-message']));
          assert.notEqual(String(fields['grpc-message'] ?? ''), '');
        });
      }

      it('serves on after all that', LIMIT, async () => {
        assert.equal(await savedValue('seen'), 'v'.repeat(3000));
      });
    });
  }

  it('daprd lets every page in, as Dapr does', LIMIT, async () => {
    const daprd = await startSidecar({ entry: 'daprd', appId: 'open' });
    try {
      const headers = { ...CONNECT_JSON, origin: 'http://any.example', 'sec-fetch-site': 'cross-site' };
      const answer = await send({
        port: daprd.grpcPort,
        http: '1.1',
        path: '/dapr.proto.runtime.v1.Dapr/GetMetadata',
        headers,
        body: '{}',
      });
      assert.deepEqual([answer.status, answer.headers['access-control-allow-origin']], [200, '*']);
    } finally {
      await daprd.stop();
    }
  });
});
