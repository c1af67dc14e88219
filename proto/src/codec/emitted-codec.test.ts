import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type DescMessage, fromBinary, type Message, toBinary } from '@bufbuild/protobuf';
import { AnySchema, DurationSchema, EmptySchema, TimestampSchema } from '@bufbuild/protobuf/wkt';
import fc from 'fast-check';
import * as daprCommon from '../dapr/common/v1.js';
import * as daprRuntime from '../dapr/runtime/v1.js';
import { emittedCodecs } from '../gen/codecs.js';
import { EverythingCodec, InnerCodec } from '../gen/outrigger/testing/v1/everything_codec.js';
import { EverythingSchema, InnerSchema } from '../gen/outrigger/testing/v1/everything_pb.js';
import * as googleRpc from '../google/rpc.js';
import * as health from '../grpc/health/v1.js';
import * as reflection from '../grpc/reflection/v1.js';
import * as reflectionAlpha from '../grpc/reflection/v1alpha.js';
import * as cryption from '../layotto/extension/v1/cryption.js';
import * as delayQueue from '../layotto/extension/v1/delay-queue.js';
import * as email from '../layotto/extension/v1/email.js';
import * as phone from '../layotto/extension/v1/phone.js';
import * as s3 from '../layotto/extension/v1/s3.js';
import * as sms from '../layotto/extension/v1/sms.js';
import * as layotto from '../layotto/runtime/v1.js';
import { anyFields, damaged, messages } from '../testing/message-arbitrary.js';
import { referenceDecode } from '../testing/reference-decoder.js';
import type { MessageCodec, MessageWriter } from './message-codec.js';

const dapr = [daprCommon, daprRuntime];
const extensions = [cryption, delayQueue, email, phone, s3, sms];
const standard = [googleRpc, health, reflection, reflectionAlpha];
const wellKnown = { AnySchema, DurationSchema, EmptySchema, TimestampSchema };
const schemas = new Map<string, DescMessage>();
for (const module of [...dapr, layotto, ...extensions, ...standard, wellKnown])
  for (const desc of Object.values(module))
    if (typeof desc === 'object' && 'kind' in desc && desc.kind === 'message') schemas.set(desc.typeName, desc);

const runs = Number(process.env['FUZZ_RUNS'] ?? 20);
const listed = [...emittedCodecs].map(([name, codec]) => [schemas.get(name)!, codec] as const);
const all = [...listed, [EverythingSchema, EverythingCodec], [InnerSchema, InnerCodec]] as [
  DescMessage,
  MessageCodec<Message>,
][];

/** Grows only as far as it is asked to, so that a codec which writes without asking is found out. */
class StrictWriter implements MessageWriter {
  buffer: Buffer = Buffer.alloc(3);
  end = 3;

  ensure(bytes: number): void {
    if (this.end + bytes <= this.buffer.length) return;
    const larger = Buffer.alloc(this.end + bytes);
    this.buffer.copy(larger);
    this.buffer = larger;
  }
}

function encode(codec: MessageCodec<Message>, message: Message): Uint8Array {
  const writer = new StrictWriter();
  codec.encode(message, writer);
  assert.ok(writer.end <= writer.buffer.length, 'wrote past what it had asked for');
  return new Uint8Array(writer.buffer.subarray(3, writer.end));
}

/** Decodes from the middle of a buffer that holds other bytes around, as a read buffer does. */
function decode(codec: MessageCodec<Message>, bytes: Uint8Array): { message: Message } | { error: Error } {
  const buffer = Buffer.alloc(bytes.length + 24, 0x0a);
  buffer.set(bytes, 7);
  try {
    const message = codec.decode(buffer, 7, 7 + bytes.length);
    buffer.fill(0x55);
    return { message };
  } catch (error) {
    return { error: error as Error };
  }
}

/** The three decoders side by side: ours equals the reference always, protobuf-es wherever it is not lenient. */
function compare(schema: DescMessage, codec: MessageCodec<Message>, bytes: Uint8Array): void {
  const ours = decode(codec, bytes);
  const reference = referenceDecode(schema, bytes);
  if ('error' in reference) {
    assert.ok('error' in ours, `accepted what is malformed: ${reference.error}`);
    assert.match(ours.error.message, new RegExp(`^cannot decode ${schema.typeName.replaceAll('.', '\\.')}: .+`));
  } else {
    assert.ok(!('error' in ours), `refused what is valid: ${'error' in ours ? ours.error.message : ''}`);
    assert.deepEqual(ours.message, reference.message);
  }
  if (reference.leniency.size > 0) return;
  let theirs: Message;
  try {
    theirs = fromBinary(schema, bytes);
  } catch (error) {
    assert.ok('error' in ours, `protobuf-es refuses: ${error}`);
    return;
  }
  assert.ok(!('error' in ours), `protobuf-es accepts: ${'error' in ours ? ours.error.message : ''}`);
  assert.deepEqual(ours.message, theirs);
  assert.deepEqual(encode(codec, ours.message), toBinary(schema, theirs));
}

describe('emitted codecs', () => {
  it('exist for every message', () => {
    assert.deepEqual([...emittedCodecs.keys()].sort(), [...schemas.keys()].sort());
    for (const [schema, codec] of all) assert.equal(codec.typeName, schema.typeName);
  });

  for (const [schema, codec] of all) {
    const depth = schema === EverythingSchema ? 2 : 3;

    describe(schema.typeName, () => {
      it('writes the bytes of protobuf-es and reads them back', () => {
        fc.assert(
          fc.property(messages(schema, depth), (message) => {
            const bytes = toBinary(schema, message);
            assert.deepEqual(encode(codec, message), bytes);
            const result = decode(codec, bytes);
            assert.ok('message' in result);
            assert.deepEqual(result.message, fromBinary(schema, bytes));
          }),
          { numRuns: runs },
        );
      });

      it('reads damaged input as the reference does', () => {
        fc.assert(
          fc.property(damaged(schema, depth), (bytes) => compare(schema, codec, bytes)),
          { numRuns: 2 * runs },
        );
      });

      it('reads fields of any wire type as the reference does', () => {
        fc.assert(
          fc.property(anyFields(schema), (bytes) => compare(schema, codec, bytes)),
          { numRuns: runs },
        );
      });

      it('refuses or reads every cut of a message as the reference does', () => {
        const [message] = fc.sample(messages(schema, depth), { numRuns: 1, seed: 7 });
        const bytes = toBinary(schema, message!);
        for (let length = 0; length < Math.min(bytes.length, 300); length++)
          compare(schema, codec, bytes.subarray(0, length));
      });
    });
  }
});
