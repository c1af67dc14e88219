import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  GetBulkStateResponseSchema,
  GetStateRequestSchema,
  SaveStateRequestSchema,
  TopicEventRequestSchema,
} from '../dapr/runtime/v1.js';
import { EverythingCodec } from '../gen/outrigger/testing/v1/everything_codec.js';
import { EverythingSchema } from '../gen/outrigger/testing/v1/everything_pb.js';
import { GetNextIdResponseSchema } from '../layotto/runtime/v1.js';
import { codecOf } from './codec-of.js';
import type { MessageCodec } from './message-codec.js';
import { protobufCodec } from './protobuf-codec.js';
import { nestingMax, WireError } from './wire-error.js';

const getState = codecOf(GetStateRequestSchema);
const everything: MessageCodec<ReturnType<typeof EverythingCodec.decode>> = EverythingCodec;

function decode<T>(codec: MessageCodec<T>, ...bytes: number[]): T {
  return codec.decode(Buffer.from(bytes), 0, bytes.length);
}

function encode<T>(codec: MessageCodec<T>, message: T): Buffer {
  const writer = {
    buffer: Buffer.alloc(0),
    end: 0,
    ensure(bytes: number) {
      if (this.end + bytes > this.buffer.length)
        this.buffer = Buffer.concat([this.buffer, Buffer.alloc(this.end + bytes)]);
    },
  };
  codec.encode(message, writer);
  return writer.buffer.subarray(0, writer.end);
}

function refuses(codec: MessageCodec<unknown>, bytes: number[], why: RegExp): void {
  assert.throws(
    () => decode(codec, ...bytes),
    (error: Error) =>
      error instanceof WireError &&
      error.message.startsWith(`cannot decode ${codec.typeName}: `) &&
      why.test(error.message),
  );
}

describe('an emitted codec', () => {
  it('is what codecOf gives for a hot message, and protobuf-es for any other', () => {
    assert.notEqual(codecOf(GetStateRequestSchema), protobufCodec(GetStateRequestSchema));
    assert.equal(codecOf(EverythingSchema), protobufCodec(EverythingSchema));
  });

  it('refuses what ends inside a tag, a varint, a length, a fixed number', () => {
    refuses(getState, [0x8a], /past the end/);
    refuses(getState, [24, 0x80], /past the end/);
    refuses(getState, [10, 0x80], /past the end/);
    refuses(getState, [10, 5, 97], /past the end/);
    refuses(getState, [10], /past the end/);
    refuses(everything, [9, 1, 2, 3, 4, 5, 6, 7], /past the end/);
    refuses(everything, [21, 1, 2, 3], /past the end/);
  });

  it('refuses a field that reaches past its inner message, though the input goes on', () => {
    refuses(everything, [0xf2, 1, 2, 0x72, 3, 97, 98, 99], /past the end/);
    refuses(everything, [0xf2, 1, 1, 0x18, 1], /past the end/);
    // A packed list and a map entry are bounded in the same way.
    refuses(everything, [0xc2, 2, 1, 0x80, 1], /past the end/);
    refuses(everything, [0xe2, 3, 3, 10, 2, 97, 98], /past the end/);
  });

  it('does not read what lies behind the end it is given', () => {
    const bytes = Buffer.from([10, 1, 97, 18, 1, 98]);
    assert.equal(getState.decode(bytes, 0, 3).storeName, 'a');
    assert.equal(getState.decode(bytes, 0, 3).key, '');
    assert.throws(() => getState.decode(bytes, 0, 2), WireError);
    assert.throws(() => getState.decode(bytes, 0, 4), WireError);
  });

  it('refuses lengths and varints that do not fit', () => {
    refuses(getState, [10, 0xff, 0xff, 0xff, 0xff, 0x0f], /past the end/);
    refuses(getState, [10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], /past the end/);
    refuses(getState, [24, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2], /64 bits/);
    refuses(getState, [24, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1], /64 bits/);
    refuses(getState, [0xff, 0xff, 0xff, 0xff, 0x1f, 0], /32 bits/);
    refuses(getState, [0x80, 0x80, 0x80, 0x80, 0x80, 1, 0], /32 bits/);
  });

  it('refuses field number 0, wire types 6 and 7, and an end of no group', () => {
    refuses(getState, [0, 0], /field number 0/);
    refuses(getState, [14, 0], /wire type 6/);
    refuses(getState, [15, 0], /wire type 7/);
    refuses(getState, [12], /wire type 4/);
    refuses(getState, [43, 52], /group of field 5 is ended as field 6/);
    refuses(getState, [43, 8, 1], /past the end/);
  });

  it('refuses text that is not UTF-8: short, long, in a map, overlong, a surrogate', () => {
    for (const bad of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xe2, 0x82]]) {
      for (const head of [[], [...Buffer.from('statestore-')]]) {
        const text = [...head, ...bad];
        refuses(getState, [10, text.length, ...text], /UTF-8/);
        refuses(getState, [34, text.length + 2, 10, text.length, ...text], /UTF-8/);
        refuses(getState, [34, text.length + 2, 18, text.length, ...text], /UTF-8/);
      }
    }
  });

  it('keeps U+FFFD, a byte order mark and every other character', () => {
    for (const text of [
      '\uFFFD',
      'a\uFFFDb and more of it',
      '\uFEFFmark',
      '\0',
      'é',
      '漢字かな交じり文',
      '👩‍👩‍👧',
      'x'.repeat(5000),
      'ü'.repeat(5000),
    ]) {
      const bytes = encode(getState, create(GetStateRequestSchema, { key: text }));
      assert.deepEqual(
        bytes,
        Buffer.from(toBinary(GetStateRequestSchema, create(GetStateRequestSchema, { key: text }))),
      );
      assert.equal(decode(getState, ...bytes).key, text);
    }
  });

  it('never takes one name for another', () => {
    const check = (text: string) => {
      const bytes = [...Buffer.from(text)];
      assert.equal(decode(getState, 10, bytes.length, ...bytes).storeName, text);
      assert.deepEqual(Object.keys(decode(getState, 34, bytes.length + 2, 10, bytes.length, ...bytes).metadata), [
        text,
      ]);
    };
    // Names that share their length, ends and middle, and so their slot.
    for (let round = 0; round < 3; round++)
      for (const text of ['aXbYc', 'aZbWc', 'aXbWc', 'aZbYc', '\uFEFFname', 'name']) check(text);
    // The bytes of the second are the UTF-16 units of the first. Among so many, some pairs share a slot.
    for (const one of 'abcdefghijklmnopqrstuvwxyz')
      for (const other of 'abcdefghijklmnopqrstuvwxyz') {
        check(`Ã©xx${one}${other}yyyy`);
        check(`éxx${one}${other}yyyy`);
      }
  });

  it('keeps unknown fields, groups and fields of another wire type, and writes them back', () => {
    const unknown = [0xa0, 6, 0x96, 1, 0xa3, 6, 8, 1, 0xa4, 6, 8, 5, 0xaa, 6, 2, 1, 2, 0x19, 1, 2, 3, 4, 5, 6, 7, 8];
    const message = decode(getState, 10, 1, 97, ...unknown);
    assert.deepEqual(
      message.$unknown?.map(({ no, wireType }) => [no, wireType]),
      [
        [100, 0],
        [100, 3],
        [1, 0],
        [101, 2],
        [3, 1],
      ],
    );
    assert.deepEqual([...encode(getState, message)], [10, 1, 97, ...unknown]);
  });

  it('merges an inner message that comes twice', () => {
    const message = decode(everything, 0xf2, 1, 4, 0x72, 2, 97, 98, 0xf2, 1, 2, 0x18, 5);
    assert.equal(message.self?.stringField, 'ab');
    assert.equal(message.self?.int32Field, 5);
  });

  it('takes packed and unpacked lists, mixed', () => {
    const message = decode(everything, 0xc0, 2, 1, 0xc2, 2, 3, 2, 0xac, 2, 0xc0, 2, 3);
    assert.deepEqual(message.packedInt32, [1, 2, 300, 3]);
  });

  it('keeps a map entry named __proto__ without touching prototypes', () => {
    const message = decode(getState, 34, 14, 10, 9, ...Buffer.from('__proto__'), 18, 1, 120);
    assert.deepEqual(Object.entries(message.metadata), [['__proto__', 'x']]);
    assert.equal(Object.getPrototypeOf(message.metadata), Object.prototype);
    assert.deepEqual([...encode(getState, message)], [34, 14, 10, 9, ...Buffer.from('__proto__'), 18, 1, 120]);

    // TopicEventRequest.extensions, a Struct: {"__proto__": {"a": true}}
    const inner = [10, 7, 10, 1, 97, 18, 2, 32, 1];
    const value = [42, inner.length, ...inner];
    const entry = [10, 9, ...Buffer.from('__proto__'), 18, value.length, ...value];
    const event = decode(codecOf(TopicEventRequestSchema), 82, entry.length + 2, 10, entry.length, ...entry);
    assert.equal(Object.getPrototypeOf(event.extensions), Object.prototype);
    assert.equal(JSON.stringify(event.extensions), '{"__proto__":{"a":true}}');
  });

  it(`nests to ${nestingMax} messages and not one more`, () => {
    const nested = (levels: number) => {
      let bytes: number[] = [];
      for (let i = 1; i < levels; i++) {
        const length = bytes.length < 128 ? [bytes.length] : [(bytes.length & 127) | 128, bytes.length >> 7];
        bytes = [0xf2, 1, ...length, ...bytes];
      }
      return bytes;
    };
    decode(everything, ...nested(nestingMax));
    refuses(everything, nested(nestingMax + 1), /nest deeper than 100/);
    const groups = (levels: number) => [...Array<number>(levels).fill(43), ...Array<number>(levels).fill(44)];
    decode(getState, ...groups(nestingMax - 1));
    refuses(getState, groups(nestingMax), /nest deeper than 100/);
  });

  it('owns its bytes', () => {
    const save = codecOf(SaveStateRequestSchema);
    for (const size of [1, 20, 100, 5000]) {
      const value = new Uint8Array(size).fill(7);
      const input = encode(save, create(SaveStateRequestSchema, { storeName: 's', states: [{ key: 'k', value }] }));
      const message = save.decode(input, 0, input.length);
      input.fill(0);
      assert.deepEqual(message.states[0]?.value, value);
      assert.equal(message.states[0]?.value.buffer.byteLength, size);
    }
  });

  it('writes inner messages of every length', () => {
    const bulk = codecOf(GetBulkStateResponseSchema);
    for (const size of [0, 100, 120, 127, 128, 200, 16_370, 16_384, 20_000, 2_097_100, 2_097_152, 3_000_000]) {
      const message = create(GetBulkStateResponseSchema, {
        items: [{ key: 'k', data: new Uint8Array(size).fill(1) }, { key: 'after' }],
      });
      const bytes = encode(bulk, message);
      assert.ok(bytes.equals(toBinary(GetBulkStateResponseSchema, message)), `${size}`);
      assert.equal(bulk.decode(bytes, 0, bytes.length).items[1]?.key, 'after');
    }
  });

  it('shows 64-bit numbers as bigint, or as string where the field says so', () => {
    for (const value of [0n, 1n, -1n, 300n, 2n ** 53n, 2n ** 63n - 1n, -(2n ** 63n)]) {
      const nextId = codecOf(GetNextIdResponseSchema);
      const bytes = encode(nextId, create(GetNextIdResponseSchema, { nextId: String(value) }));
      assert.deepEqual(
        bytes,
        Buffer.from(toBinary(GetNextIdResponseSchema, create(GetNextIdResponseSchema, { nextId: String(value) }))),
      );
      assert.equal(nextId.decode(bytes, 0, bytes.length).nextId, String(value));
      const wide = encode(everything, create(EverythingSchema, { int64Field: value, sint64Field: value }));
      assert.equal(decode(everything, ...wide).int64Field, value);
      assert.equal(decode(everything, ...wide).sint64Field, value);
    }
  });

  it('refuses to write a number that its field cannot hold', () => {
    for (const [field, value] of [
      ['int32Field', 2 ** 31],
      ['int32Field', 1.5],
      ['uint32Field', -1],
      ['sint32Field', Number.NaN],
      ['fixed32Field', 2 ** 32],
      ['int64Field', 2n ** 63n],
      ['uint64Field', -1n],
      ['floatField', 1e300],
    ] as const)
      assert.throws(() => encode(everything, create(EverythingSchema, { [field]: value })), WireError, field);
  });
});

describe('the codec of protobuf-es', () => {
  const codec = protobufCodec(EverythingSchema);

  it('reads and writes at the place it is given', () => {
    const message = create(EverythingSchema, { stringField: 'text', bytesField: new Uint8Array([1, 2, 3]) });
    const bytes = encode(codec, message);
    const input = Buffer.concat([Buffer.from([1, 2]), bytes, Buffer.from([3])]);
    const read = codec.decode(input, 2, input.length - 1);
    input.fill(0);
    assert.deepEqual(read, fromBinary(EverythingSchema, toBinary(EverythingSchema, message)));
    assert.deepEqual(read.bytesField, new Uint8Array([1, 2, 3]));
  });

  it('refuses invalid UTF-8 and truncated input', () => {
    assert.throws(() => decode(codec, 0x72, 1, 0xff));
    assert.throws(() => decode(codec, 0x72, 2, 97));
  });
});
