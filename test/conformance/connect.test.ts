/**
 * gRPC-Web and Connect on the gRPC port, by connect's own clients, over HTTP/1.1 and HTTP/2, in binary and JSON: unary
 * calls, streams, details of errors, deadlines, cancellation, limits. Hand-made requests are in connect-raw.test.ts.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { type Client, Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import { compressionGzip, createConnectTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { Dapr, type SubscribeTopicEventsRequestAlpha1Schema } from '@outrigger/proto/dapr/runtime/v1';
import { ErrorInfoSchema } from '@outrigger/proto/google/rpc';
import { type Control, startControl } from '../harness/control.js';
import { type Sidecar, startSidecar } from '../harness/sidecar.js';
import { type HangingApp, startHangingApp } from './web/app.js';

const LIMIT = { timeout: 30_000 };

interface Kind {
  readonly name: string;
  transport(baseUrl: string): Transport;
}

const KINDS: readonly Kind[] = (['1.1', '2'] as const).flatMap((httpVersion) =>
  [true, false].flatMap((useBinaryFormat) =>
    (useBinaryFormat ? [undefined, compressionGzip] : [undefined]).flatMap((sendCompression): Kind[] => {
      const compression = sendCompression === undefined ? {} : { sendCompression, compressMinBytes: 1 };
      const options = { httpVersion, useBinaryFormat, ...compression };
      const how = `in ${useBinaryFormat ? 'binary' : 'JSON'}${sendCompression === undefined ? '' : ' with gzip'}`;
      return [
        {
          name: `gRPC-Web ${how} over HTTP/${httpVersion}`,
          transport: (baseUrl) => createGrpcWebTransport({ ...options, baseUrl }),
        },
        {
          name: `Connect ${how} over HTTP/${httpVersion}`,
          transport: (baseUrl) => createConnectTransport({ ...options, baseUrl }),
        },
      ];
    }),
  ),
);

const EVERY_BYTE = Uint8Array.from({ length: 256 }, (_, i) => i);

function hasCode(code: Code, message?: RegExp) {
  return (thrown: unknown): boolean => {
    const error = ConnectError.from(thrown);
    assert.equal(Code[error.code], Code[code], error.message);
    if (message !== undefined) assert.match(error.rawMessage, message);
    return true;
  };
}

/** Requests of a call that sends when the test says so. */
class Requests<T> implements AsyncIterable<T> {
  readonly #waiting: T[] = [];
  #ended = false;
  #wake = (): void => {};

  send(request: T): void {
    this.#waiting.push(request);
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      yield* this.#waiting.splice(0);
      if (this.#ended) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

describe('gRPC-Web and Connect', () => {
  let app: HangingApp;
  let sidecar: Sidecar;
  let control: Control;
  before(async () => {
    app = await startHangingApp();
    sidecar = await startSidecar({ appId: 'web', appPort: app.port });
    control = await startControl(sidecar);
  });
  after(async () => {
    await control?.close();
    await sidecar?.stop();
    await app?.close();
  });

  for (const [index, { name, transport }] of KINDS.entries()) {
    describe(name, () => {
      const dapr = (): Client<typeof Dapr> => createClient(Dapr, transport(`http://127.0.0.1:${sidecar.grpcPort}`));
      const hang = (token: string, options: { signal?: AbortSignal; timeoutMs?: number }): Promise<unknown> =>
        dapr().invokeService(
          {
            id: 'web',
            message: { method: 'hang', httpExtension: { verb: 3, querystring: `token=${token}` } },
          },
          options,
        );

      it('carries bytes of every value both ways', LIMIT, async () => {
        const key = `bytes-${index}`;
        const value = Buffer.concat(Array.from({ length: 64 }, () => EVERY_BYTE));
        await dapr().saveState({ storeName: 'statestore', states: [{ key, value }] });
        const { data } = await dapr().getState({ storeName: 'statestore', key });
        assert.deepEqual(Buffer.from(data), value);
      });

      it('carries code, sentence and details of an error', LIMIT, async () => {
        await assert.rejects(dapr().getState({ storeName: 'nostore', key: 'k' }), (thrown) => {
          const error = ConnectError.from(thrown);
          assert.deepEqual([error.code, error.rawMessage], [Code.InvalidArgument, 'state store nostore is not found']);
          const [info] = error.findDetails(ErrorInfoSchema);
          assert.deepEqual([info?.reason, info?.domain], ['DAPR_STATE_NOT_FOUND', 'dapr.io']);
          return true;
        });
      });

      it('streams answers as they come', LIMIT, async () => {
        const key = `watched-${index}`;
        const values: (string | undefined)[] = [];
        const write = (value: string): Promise<unknown> =>
          fetch(`${control.url}/configuration/${key}`, { method: 'POST', body: value });
        for await (const { items } of dapr().subscribeConfiguration({ storeName: 'configstore', keys: [key] })) {
          values.push(items[key]?.value);
          if (values.length === 3) break;
          // The first answer says that the subscription is in place.
          await write(`value ${values.length}`);
        }
        assert.deepEqual(values, [undefined, 'value 1', 'value 2']);
      });

      it('tells the app that a caller has gone', LIMIT, async () => {
        const token = `gone-${index}`;
        const leave = new AbortController();
        const running = assert.rejects(hang(token, { signal: leave.signal }), hasCode(Code.Canceled));
        const { left } = await app.hanging(token);
        leave.abort();
        await running;
        await left;
      });

      it('ends at the deadline, for the app too', LIMIT, async () => {
        const token = `late-${index}`;
        const running = assert.rejects(hang(token, { timeoutMs: 250 }), hasCode(Code.DeadlineExceeded));
        const { left } = await app.hanging(token);
        await running;
        await left;
      });

      it('refuses messages that are too large either way, naming size, limit and setting', LIMIT, async () => {
        // Noise: neither gzip nor the ratio that bombs are known by gets in the way.
        const value = Buffer.alloc(1.2 * 1024 * 1024);
        for (let at = 0; at + 4 <= value.length; at += 4)
          value.writeUInt32LE(Math.imul(at + 1, 2_654_435_761) >>> 0, at);
        const states = (...keys: string[]) => keys.map((key) => ({ key, value }));
        const tooLarge = (what: string): RegExp =>
          new RegExp(
            `^${what} message of (more than )?\\d{7,} bytes exceeds the limit of 4194304 bytes \\(max-body-size\\)$`,
          );
        await assert.rejects(
          dapr().saveState({ storeName: 'statestore', states: states('a', 'b', 'c', 'd') }),
          hasCode(Code.ResourceExhausted, tooLarge('received')),
        );
        await dapr().saveState({ storeName: 'statestore', states: states('a', 'b') });
        await dapr().saveState({ storeName: 'statestore', states: states('c', 'd') });
        const { data } = await dapr().getState({ storeName: 'statestore', key: 'a' });
        assert.deepEqual(Buffer.from(data), value);
        await assert.rejects(
          dapr().getBulkState({ storeName: 'statestore', keys: ['a', 'b', 'c', 'd'] }),
          hasCode(Code.ResourceExhausted, tooLarge('response')),
        );
      });
    });
  }

  describe('Connect over HTTP/2', () => {
    it('talks both ways: a streaming subscription', LIMIT, async () => {
      const dapr = createClient(
        Dapr,
        createConnectTransport({ baseUrl: `http://127.0.0.1:${sidecar.grpcPort}`, httpVersion: '2' }),
      );
      const requests = new Requests<MessageInitShape<typeof SubscribeTopicEventsRequestAlpha1Schema>>();
      requests.send({
        subscribeTopicEventsRequestType: {
          case: 'initialRequest',
          value: { pubsubName: 'pubsub', topic: 'both-ways' },
        },
      });
      const received: string[] = [];
      for await (const { subscribeTopicEventsResponseType: response } of dapr.subscribeTopicEventsAlpha1(requests)) {
        if (response.case === 'initialResponse') {
          for (const text of ['one', 'two']) {
            await dapr.publishEvent({ pubsubName: 'pubsub', topic: 'both-ways', data: Buffer.from(text) });
          }
        } else if (response.case === 'eventMessage') {
          const { id, data } = response.value;
          received.push(Buffer.from(data).toString());
          requests.send({
            subscribeTopicEventsRequestType: { case: 'eventProcessed', value: { id, status: { status: 0 } } },
          });
          if (received.length === 2) requests.end();
        }
      }
      assert.deepEqual(received.sort(), ['one', 'two']);
    });
  });
});
