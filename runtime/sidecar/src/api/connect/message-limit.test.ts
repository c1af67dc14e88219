import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Code, ConnectError } from '@connectrpc/connect';
import { createMessageLimit } from './message-limit.js';

const limit = createMessageLimit(10, 'max-body-size');

function envelope(size: number): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(size, 1);
  return Buffer.concat([prefix, Buffer.alloc(size, 'x')]);
}

async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function read(bytes: Buffer, size: number, fields: Record<string, string>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of limit.requests(pieces(bytes, size), new Headers(fields))) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const refused = (message: string) => ({ code: Code.ResourceExhausted, rawMessage: message });

describe('the limit on messages', () => {
  for (const type of ['application/connect+proto', 'application/grpc-web+proto', 'application/grpc-web']) {
    it(`holds for each message of ${type}, however it is cut`, async () => {
      const fields = { 'content-type': type };
      const fitting = Buffer.concat([envelope(10), envelope(0), envelope(3), envelope(10)]);
      const larger = Buffer.concat([fitting, envelope(11)]);
      for (let size = 1; size <= larger.length; size++) {
        assert.deepEqual(await read(fitting, size, fields), fitting);
        const expected = refused('received message of 11 bytes exceeds the limit of 10 bytes (max-body-size)');
        await assert.rejects(read(larger, size, fields), expected);
      }
    });
  }

  it('is told by the prefix, before the message comes', async () => {
    const prefix = Buffer.from([0, 0xff, 0xff, 0xff, 0xff]);
    const expected = refused('received message of 4294967295 bytes exceeds the limit of 10 bytes (max-body-size)');
    await assert.rejects(read(prefix, 5, { 'content-type': 'application/connect+json' }), expected);
  });

  it('holds for the body of a unary call of Connect, declared or not', async () => {
    const json = { 'content-type': 'application/json' };
    assert.equal((await read(Buffer.alloc(10), 3, json)).length, 10);
    await assert.rejects(
      read(Buffer.alloc(11), 3, json),
      refused('received message of more than 10 bytes exceeds the limit of 10 bytes (max-body-size)'),
    );
    await assert.rejects(
      read(Buffer.alloc(0), 3, { ...json, 'content-length': '12' }),
      refused('received message of 12 bytes exceeds the limit of 10 bytes (max-body-size)'),
    );
  });

  it('holds for responses', () => {
    const codec = {
      typeName: 't.T',
      decode: (): number => 0,
      encode: (size: number, writer: { end: number; ensure(bytes: number): void }) => {
        writer.ensure(size);
        writer.end += size;
      },
    };
    limit.checkResponse(codec, 10);
    assert.throws(
      () => limit.checkResponse(codec, 11),
      (error) =>
        error instanceof ConnectError &&
        error.rawMessage === 'response message of 11 bytes exceeds the limit of 10 bytes (max-body-size)',
    );
  });
});
