import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { crc32, crc32ByTable } from '../log/crc32.js';
import { operationNames, operations, pushes, pushNames, type StateChange } from '../operation.js';
import { type Entry, entry } from '../record.js';
import { FrameReader, FrameSender } from './frame.js';
import { Reader, WireError } from './reader.js';
import { list, number, pairs, payloadOf, type Shape, text } from './shape.js';
import { Writer } from './writer.js';

/** Records compare with what a decoder makes only when they have a prototype. */
const plain = { noNullPrototype: true } as const;

function encoded<T>(shape: Shape<T>, value: T): Buffer {
  const writer = new Writer(1);
  shape.write(writer, value);
  return Buffer.from(writer.buffer.subarray(0, writer.position));
}

function decoded<T>(shape: Shape<T>, buffer: Buffer): T {
  const reader = new Reader(buffer);
  const value = shape.read(reader);
  reader.mustEnd();
  return value;
}

describe('shapes', () => {
  it('read what they wrote', () => {
    const change = fc.oneof(
      fc.record(
        {
          operation: fc.constant('upsert' as const),
          key: fc.string({ unit: 'grapheme' }),
          value: fc.uint8Array({ maxLength: 300 }),
          etag: fc.option(fc.string(), { nil: undefined }),
          concurrency: fc.constantFrom('unspecified' as const, 'first-write' as const, 'last-write' as const),
          expiresAtMs: fc.option(fc.maxSafeNat(), { nil: undefined }),
          contentType: fc.option(fc.string(), { nil: undefined }),
        },
        plain,
      ),
      fc.record(
        {
          operation: fc.constant('delete' as const),
          key: fc.string({ unit: 'grapheme' }),
          etag: fc.option(fc.string(), { nil: undefined }),
          concurrency: fc.constant('last-write' as const),
        },
        plain,
      ),
    );
    const { request } = operations['state.change'];
    fc.assert(
      fc.property(fc.string(), fc.array(change), (store, changes: StateChange[]) => {
        assert.deepEqual(decoded(request, encoded(request, { store, changes })), { store, changes });
      }),
    );
    fc.assert(fc.property(fc.maxSafeNat(), (value) => assert.equal(decoded(number, encoded(number, value)), value)));
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.string()), (value) => {
        assert.deepEqual({ ...decoded(pairs, encoded(pairs, value)) }, { ...value });
      }),
    );
  });

  it('keep the format of the log: these bytes are on disks', () => {
    const set: Entry = {
      origin: { participant: '0123456789abcdef', request: 300, floor: 299, result: 0 },
      record: {
        kind: 'state-set',
        store: 's',
        key: 'clé',
        revision: 128,
        expiresAtMs: 1_700_000_000_000,
        contentType: undefined,
        value: payloadOf(Buffer.from('value')),
      },
    };
    assert.equal(
      encoded(entry, set).toString('hex'),
      '0110303132333435363738396162636465' +
        '66ac02ab0200' +
        '00' +
        '0173' +
        '04636cc3a9' +
        '8001' +
        '0180d095ffbc31' +
        '00' +
        '053458771d76616c7565',
    );
    const ack: Entry = { origin: undefined, record: { kind: 'ack', bus: 'b', topic: 't', consumerId: 'c', offset: 7 } };
    assert.equal(encoded(entry, ack).toString('hex'), '0007' + '0162' + '0174' + '0163' + '07');
  });

  it('answer hostile bytes with an error, in bounded time and memory', () => {
    const shapes: Shape<unknown>[] = [
      ...operationNames.flatMap((name) => [
        operations[name].request as Shape<unknown>,
        operations[name].reply as Shape<unknown>,
      ]),
      ...pushNames.map((name) => pushes[name] as Shape<unknown>),
      entry as Shape<unknown>,
    ];
    const allowed = (error: unknown): boolean => error instanceof WireError || error instanceof SyntaxError;
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(shapes.length - 1), (bytes, at) => {
        try {
          decoded(shapes[at]!, Buffer.from(bytes));
        } catch (error) {
          assert.ok(allowed(error), String(error));
        }
      }),
      { numRuns: 3000 },
    );
    const lie = Buffer.from('ffffffffffffff0f', 'hex');
    assert.throws(() => decoded(list(text), lie), WireError);
    assert.throws(() => decoded(text, lie), WireError);
    assert.throws(() => decoded(number, Buffer.from('ffffffffffffffff01', 'hex')), WireError);
  });
});

describe('crc32', () => {
  it('is that of zip, natively and by table', () => {
    assert.equal(crc32ByTable(Buffer.from('123456789')), 0xcbf43926);
    fc.assert(fc.property(fc.uint8Array(), (bytes) => assert.equal(crc32(bytes), crc32ByTable(bytes))));
  });
});

describe('frames', () => {
  function frame(type: number, body: string): Buffer {
    const buffer = Buffer.alloc(5 + body.length);
    buffer.writeUInt32LE(1 + body.length, 0);
    buffer[4] = type;
    buffer.write(body, 5, 'latin1');
    return buffer;
  }

  it('come out whole, wherever the stream is cut', () => {
    const piece = fc.record(
      {
        type: fc.integer({ min: 1, max: 7 }),
        body: fc.string({ maxLength: 40 }).map((value) => value.replace(/[^\x20-\x7e]/g, '?')),
      },
      plain,
    );
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 6 }), fc.array(fc.nat(60)), (pieces, cuts) => {
        const stream = Buffer.concat(pieces.map(({ type, body }) => frame(type, body)));
        for (const sizes of [cuts, Array.from(stream, () => 1)]) {
          const got: { type: number; body: string }[] = [];
          const reader = new FrameReader();
          let at = 0;
          for (const size of [...sizes, stream.length]) {
            const chunk = stream.subarray(at, at + size);
            at += chunk.length;
            reader.read(chunk, (type, body) => {
              got.push({ type, body: body.buffer.toString('latin1', body.position, body.end) });
            });
          }
          assert.deepEqual(got, pieces);
        }
      }),
    );
  });

  it('of impossible length are refused at once', () => {
    for (const length of [0, 0xffffffff, 41 * 1024 * 1024]) {
      const head = Buffer.alloc(4);
      head.writeUInt32LE(length);
      assert.throws(() => new FrameReader().read(head, () => {}), WireError);
      const split = new FrameReader();
      split.read(head.subarray(0, 2), () => {});
      assert.throws(() => split.read(head.subarray(2), () => {}), WireError);
    }
  });

  it('of one turn go out in one write, and a peer that does not read is cut off', async () => {
    const writes: Buffer[] = [];
    const socket = Object.assign(new EventEmitter(), {
      destroyed: false,
      writableLength: 0,
      paused: false,
      write: (chunk: Buffer) => writes.push(chunk),
      pause: () => void (socket.paused = true),
      resume: () => void (socket.paused = false),
      isPaused: () => socket.paused,
      destroy: () => void (socket.destroyed = true),
    });
    const sender = new FrameSender(socket as unknown as Socket);
    for (const body of ['a', 'b']) sender.send(5, (writer) => writer.text(body));
    await Promise.resolve();
    assert.equal(writes.length, 1);
    socket.writableLength = 17 * 1024 * 1024;
    sender.send(5, () => {});
    await Promise.resolve();
    assert.equal(socket.paused, true, 'not read while it does not read');
    socket.writableLength = 0;
    socket.emit('drain');
    assert.equal(socket.paused, false);
    socket.writableLength = 300 * 1024 * 1024;
    sender.send(5, () => {});
    await Promise.resolve();
    assert.equal(socket.destroyed, true);
  });
});
