import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { crc32 as zlibCrc32 } from 'node:zlib';
import fc from 'fast-check';
import { ScratchSlab } from '../../network/slab.js';
import {
  assertAnySplit,
  assertSurvives,
  damaged,
  readPieces,
  type SeenFrame,
} from '../xprotocol/codec.test.support.js';
import { Frame, NO_TIMEOUT } from '../xprotocol/frame.js';
import { headerKey } from '../xprotocol/header-key.js';
import type { RpcFailure } from '../xprotocol/protocol.js';
import { readCaptures } from '../xprotocol/vectors.test.support.js';
import { BoltProtocol } from './protocol.js';

interface Expect {
  readonly proto: number;
  readonly type: number;
  readonly command: number;
  readonly id: number;
  readonly timeoutMs?: number;
  readonly status?: number;
  readonly ver1?: number;
  readonly class: string;
  readonly contentBytes: number;
  readonly crc?: string;
}

const bolt = new BoltProtocol();
const captures = readCaptures<Expect>('bolt.json');
const all = captures.flatMap((capture) => capture.frames.map((frame) => ({ ...frame, capture: capture.name })));
const bytesOf = (name: string, about: string): Buffer => {
  const found = all.find((frame) => frame.capture === name && frame.about === about);
  assert.ok(found, `${name}: ${about}`);
  return Buffer.from(found.bytes);
};

function parsed(bytes: Buffer): Frame {
  const frame = new Frame();
  assert.equal(bolt.parse(frame, bytes, 0, bytes.length), bytes.length);
  return frame;
}

function only(bytes: Buffer): SeenFrame {
  const { frames, fault, residual } = readPieces(bolt, [bytes]);
  assert.deepEqual(
    { fault, residual: residual.length, frames: frames.length },
    { fault: null, residual: 0, frames: 1 },
  );
  return frames[0] as SeenFrame;
}

function written(write: (slab: ScratchSlab) => unknown): Buffer {
  const slab = new ScratchSlab(16);
  write(slab);
  return Buffer.from(slab.buffer.subarray(0, slab.end));
}

const kindOf = ({ type, command }: Expect): string => {
  if (command === 0) return type === 0 ? 'HEARTBEAT_REPLY' : 'HEARTBEAT';
  return ['RESPONSE', 'REQUEST', 'ONEWAY'][type] as string;
};

const header = (frame: Frame, name: string): string | undefined => bolt.header(frame, headerKey(name));

describe('Bolt frames of SOFARPC and sofa-bolt', () => {
  it('are told as the recorder told them', () => {
    assert.equal(all.length, 80);
    for (const { capture, about, bytes, expect } of all) {
      const frame = only(bytes);
      assert.deepEqual(
        {
          kind: frame.kind,
          id: frame.id,
          idHigh: frame.idHigh,
          status: frame.status,
          timeoutMs: frame.timeoutMs,
          version: frame.variant & 0xff,
          ver1: frame.variant >> 8,
          class: bytes.toString('latin1', frame.headerStart - expect.class.length, frame.headerStart),
          contentBytes: bytes.length - frame.headerEnd - (expect.crc === undefined ? 0 : 4),
        },
        {
          kind: kindOf(expect),
          id: expect.id,
          idHigh: 0,
          status: expect.status ?? 0,
          timeoutMs: expect.timeoutMs ?? NO_TIMEOUT,
          version: expect.proto,
          ver1: expect.ver1 ?? 0,
          class: expect.class,
          contentBytes: expect.contentBytes,
        },
        `${capture}: ${about}`,
      );
    }
  });

  it('leave with another id and are otherwise the same bytes', () => {
    for (const { capture, about, bytes, expect } of all) {
      const copy = Buffer.from(bytes);
      const frame = parsed(copy);
      const id = 0x8badf00d | 0;
      bolt.patchId(frame, id, 0);
      const want = Buffer.from(bytes);
      want.writeInt32BE(id, expect.proto === 1 ? 5 : 6);
      // The checksum, where there is one, is what a full sum gives.
      if (expect.crc !== undefined) want.writeUInt32BE(zlibCrc32(want.subarray(0, -4)), want.length - 4);
      assert.deepEqual(copy, want, `${capture}: ${about}`);
      assert.equal(parsed(copy).id, id);
      bolt.patchId(frame, expect.id, 0);
      assert.deepEqual(copy, bytes, `${capture}: ${about}, and back`);
    }
  });

  it('are read the same wherever the stream is cut, versions mixed on one connection', () => {
    assertAnySplit(
      bolt,
      Buffer.concat(captures.find(({ name }) => name === 'bolt-v2-crc')?.frames.map((f) => f.bytes) ?? []),
    );
    const mixed = ['sofarpc-hessian2', 'bolt-v2', 'bolt-v1', 'bolt-v2-crc', 'sofarpc-json'].map(
      (name) => captures.find((capture) => capture.name === name)?.frames[0]?.bytes as Buffer,
    );
    assertAnySplit(bolt, Buffer.concat([...mixed, ...mixed]));
    const { frames } = readPieces(bolt, [Buffer.concat(mixed)]);
    assert.deepEqual(
      frames.map((frame) => frame.variant),
      [0x001, 0x102, 0x001, 0x202, 0x001],
    );
  });

  it('match by their first bytes', () => {
    for (const { bytes } of all) {
      assert.equal(bolt.match(bytes, 0, bytes.length), 'yes');
      assert.equal(bolt.match(bytes, 0, 1), 'more');
    }
    assert.equal(bolt.match(Buffer.alloc(0), 0, 0), 'more');
    for (const other of [
      'GET / HTTP/1.1\r\n',
      'PRI * HTTP/2.0\r\n',
      '\x16\x03\x01',
      '\xda\xbb\xc2',
      '\x01\x07',
      '\x02\x03\x00',
    ]) {
      const bytes = Buffer.from(other, 'latin1');
      assert.equal(bolt.match(bytes, 0, bytes.length), 'no', JSON.stringify(other));
    }
  });
});

describe('Bolt headers', () => {
  const call = bytesOf('sofarpc-hessian2', 'sayHello("abc")');

  it('are found in place', () => {
    const frame = parsed(call);
    assert.equal(header(frame, 'service'), 'parts.HelloService:1.0');
    assert.equal(header(frame, 'sofa_head_method_name'), 'sayHello');
    assert.equal(header(frame, 'rpc_trace_context.sofaPenAttrs'), '');
    assert.equal(header(frame, 'rpc_trace_context.sofaTraceId'), 'c00002021795238126552100121150');
    assert.equal(header(frame, 'absent'), undefined);
    assert.equal(header(frame, 'servic'), undefined);
    assert.equal(bolt.header(frame, bolt.attributes.service), 'parts.HelloService:1.0');
    assert.equal(bolt.header(frame, bolt.attributes.callerApp ?? headerKey('')), 'parts-client');
  });

  it('are absent where there is no header map', () => {
    assert.equal(header(parsed(bytesOf('bolt-v1', 'Req(n=1)')), 'service'), undefined);
  });

  const withHeaders = (block: Buffer): Frame => {
    const head = Buffer.from('0101000101000000010100001388000000000000000000000000', 'hex').subarray(0, 22);
    head.writeUInt16BE(block.length, 16);
    return parsed(Buffer.concat([head, block]));
  };
  const string = (text: string | null): Buffer => {
    const bytes = Buffer.from(text ?? '');
    const length = Buffer.alloc(4);
    length.writeInt32BE(text === null ? -1 : bytes.length);
    return Buffer.concat([length, bytes]);
  };
  const block = (...texts: (string | null)[]): Buffer => Buffer.concat(texts.map(string));

  it('may be null, in UTF-8, twice', () => {
    const frame = withHeaders(block('a', null, null, 'x', 'service', 'größe 中😀', 'service', 'second', '', 'empty'));
    assert.equal(header(frame, 'a'), undefined);
    assert.equal(header(frame, 'service'), 'größe 中😀');
    assert.equal(header(frame, ''), 'empty');
  });

  it('end where a length leaves the block', () => {
    const good = block('k', 'v', 'service', 's');
    for (let end = 0; end < good.length; end++) {
      const frame = withHeaders(good.subarray(0, end));
      assert.equal(header(frame, 'service'), undefined);
      assert.equal(header(frame, 'k'), end >= 10 ? 'v' : undefined);
    }
    for (const lie of [0x7fffffff, -2, 100, 0x80000000 | 0]) {
      for (const at of [0, 5]) {
        const bytes = Buffer.from(good);
        bytes.writeInt32BE(lie, at);
        assert.equal(header(withHeaders(bytes), 'service'), undefined);
      }
    }
  });

  const changed = (bytes: Buffer, set: [string, string][], remove: string[] = []): Buffer => {
    const slab = new ScratchSlab(16);
    slab.ensure(3);
    slab.end = 3;
    assert.equal(bolt.writeChanged(parsed(bytes), { set, remove }, slab), true);
    return Buffer.from(slab.buffer.subarray(3, slab.end));
  };

  it('are set and removed; class and content stay as they are', () => {
    const bytes = changed(
      call,
      [
        ['x-tag', 'blau 中'],
        ['app', 'other'],
      ],
      ['protocol', 'absent'],
    );
    const before = parsed(call);
    const after = parsed(bytes);
    assert.equal(header(after, 'x-tag'), 'blau 中');
    assert.equal(header(after, 'app'), 'other');
    assert.equal(header(after, 'protocol'), undefined);
    assert.equal(header(after, 'service'), 'parts.HelloService:1.0');
    assert.deepEqual(bytes.subarray(after.headerEnd), call.subarray(before.headerEnd));
    assert.deepEqual(bytes.subarray(22, after.headerStart), call.subarray(22, before.headerStart));
    // Back again: only the order of the pairs differs.
    const back = changed(
      bytes,
      [
        ['app', 'parts-client'],
        ['protocol', 'bolt'],
      ],
      ['x-tag'],
    );
    assert.equal(back.length, call.length);
  });

  it('are changed in all versions, with a new checksum where there was one', () => {
    for (const { bytes, expect, about } of all) {
      if (expect.command === 0) continue;
      const after = only(changed(bytes, [['service', 'elsewhere']]));
      assert.equal(header(parsed(after.bytes), 'service'), 'elsewhere', about);
      assert.equal(after.kind, kindOf(expect));
      assert.equal(after.variant >> 8, expect.ver1 ?? 0);
    }
  });

  it('are left alone when they would exceed what a Java peer can read, or are malformed', () => {
    const slab = new ScratchSlab(16);
    slab.end = 7;
    assert.equal(bolt.writeChanged(parsed(call), { set: [['k', 'v'.repeat(33_000)]], remove: [] }, slab), false);
    assert.equal(slab.end, 7);
    for (const block of ['0000000161000000036262', '00000001610000ffff', '00000001610000', '0000ffff', '00']) {
      const broken = withHeaders(Buffer.from(block, 'hex'));
      assert.equal(bolt.writeChanged(broken, { set: [['k', 'v']], remove: [] }, slab), false, block);
      assert.equal(slab.end, 7);
    }
  });
});

describe('Bolt responses', () => {
  it('succeed by meaning: status 0 without sofa_head_response_error', () => {
    const verdicts = all
      .filter(({ expect }) => expect.type === 0 && expect.command === 2)
      .map(({ capture, about, bytes }) => [`${capture}: ${about}`, bolt.succeeded(parsed(bytes))] as const);
    const failed = verdicts.filter(([, good]) => !good).map(([name]) => name);
    assert.deepEqual([...new Set(failed)].sort(), [
      ...['bolt-v1', 'bolt-v2-crc', 'bolt-v2'].flatMap((name) => [
        `${name}: answer to Req(n=99), which throws`,
        `${name}: answer to a String, which nobody handles`,
      ]),
      'sofarpc-hessian2: answer to fail("boom"), a business exception',
      'sofarpc-unknown-service: answer to sayHello on parts.HelloService:1.0:zz',
    ]);
    assert.ok(verdicts.length - failed.length >= 12);
  });

  it('tell each failure with the status MOSN and sofa-bolt have for it', () => {
    const statuses: Record<RpcFailure, number> = {
      noRoute: 6,
      noHost: 6,
      connect: 5,
      closed: 16,
      overload: 4,
      timeout: 7,
      denied: 2,
      codec: 9,
      tooLong: 9,
      unsupported: 3,
    };
    for (const [failure, status] of Object.entries(statuses)) {
      for (const variant of [0x001, 0x102, 0x202]) {
        const frame = only(written((slab) => bolt.writeFailure(slab, -7, 0, variant, failure as RpcFailure, 'no')));
        assert.deepEqual(
          { kind: frame.kind, id: frame.id, status: frame.status, variant: frame.variant },
          { kind: 'RESPONSE', id: -7, status, variant },
        );
      }
    }
    // Byte by byte: codec 1 whatever the request had, no class, no header, no content, switch off.
    assert.equal(
      written((slab) => bolt.writeFailure(slab, 5, 0, 1, 'timeout', '')).toString('hex'),
      '0100000201000000050100070000000000000000',
    );
    assert.equal(
      written((slab) => bolt.writeFailure(slab, 5, 0, 0x202, 'noRoute', '')).toString('hex'),
      '02020000020100000005010000060000000000000000',
    );
  });
});

describe('Bolt heartbeats and goaway', () => {
  it('are the bytes that sofa-bolt writes', () => {
    for (const { bytes, expect } of all.filter(({ expect }) => expect.command === 0)) {
      const frame = parsed(bytes);
      if (expect.type === 1) {
        assert.deepEqual(
          written((slab) => bolt.writeHeartbeat(slab, frame.id, 0, frame.variant)),
          bytes,
        );
        const reply = all.find(
          (other) =>
            other.expect.command === 0 &&
            other.expect.type === 0 &&
            other.expect.id === expect.id &&
            other.expect.proto === expect.proto &&
            other.expect.ver1 === expect.ver1,
        );
        assert.deepEqual(
          written((slab) => bolt.writeHeartbeatReply(slab, frame)),
          reply?.bytes,
        );
      }
    }
  });

  it('say goaway with command 100', () => {
    const bytes = written((slab) => bolt.writeGoaway(slab, 9, 0, bolt.defaultVariant));
    assert.equal(bytes.toString('hex'), '01010064010000000901000000000000000000000000');
    assert.equal(only(bytes).kind, 'GOAWAY');
  });
});

describe('bad Bolt', () => {
  const call = bytesOf('bolt-v1', 'Req(n=1)');
  const summed = bytesOf('bolt-v2-crc', 'Req(n=1)');

  it('ends at a wrong magic number, also between frames', () => {
    const result = readPieces(bolt, [Buffer.concat([call, Buffer.from('GET /'), call])]);
    assert.deepEqual([result.frames.length, result.fault], [1, 'the magic number is missing']);
    assert.equal(result.held, 0);
  });

  it('ends at an unknown version or type', () => {
    const version = Buffer.from(summed);
    version[1] = 3;
    assert.equal(readPieces(bolt, [version]).fault, 'the protocol version is unknown');
    assert.equal(readPieces(bolt, [version.subarray(0, 2)]).fault, 'the protocol version is unknown');
    const type = Buffer.from(call);
    type[1] = 3;
    assert.equal(readPieces(bolt, [type]).fault, 'the frame type is unknown');
  });

  it('ends at a wrong checksum, wherever the damage is', () => {
    for (let at = 12; at < summed.length; at++) {
      // Damage to a length is found as a checksum too when the frame it describes is there.
      if (at >= 16 && at < 24) continue;
      const bytes = Buffer.from(summed);
      bytes[at] = (bytes[at] as number) ^ 0x10;
      assert.equal(readPieces(bolt, [bytes]).fault, 'the checksum is wrong', `byte ${at}`);
    }
  });

  it('keeps damage visible to the receiver when checksums are not verified', () => {
    const lenient = new BoltProtocol({ verifyChecksums: false });
    const bytes = Buffer.from(summed);
    bytes[40] = (bytes[40] as number) ^ 1;
    const { frames, fault } = readPieces(lenient, [bytes], { onFrame: (frame) => lenient.patchId(frame, 77, 0) });
    assert.equal(fault, null);
    assert.equal(frames.length, 1);
    const patched = Buffer.from(bytes);
    const frame = new Frame();
    lenient.parse(frame, patched, 0, patched.length);
    lenient.patchId(frame, 77, 0);
    assert.equal(readPieces(bolt, [patched]).fault, 'the checksum is wrong');
  });

  it('is refused by its length alone, id told, before its bytes are there', () => {
    const lie = Buffer.from(call);
    lie.writeUInt32BE(0xffffffff, 18);
    const { fault, held } = readPieces(bolt, [lie.subarray(0, 22)]);
    assert.deepEqual([fault, held], ['the frame is longer than frameBytesMax', 0]);
  });

  it('holds memory for bytes that came, not for bytes that were promised', () => {
    const lie = Buffer.from(call);
    lie.writeUInt32BE(1 << 23, 18);
    const { fault, residual, held } = readPieces(bolt, [lie]);
    assert.equal(fault, null);
    assert.equal(residual.length, lie.length);
    assert.ok(held <= 8192, `${held} bytes`);
  });

  it('never does harm, however it is damaged', () => {
    const good = all.map(({ bytes }) => bytes).filter((bytes) => bytes.length < 1300);
    const keys = ['service', 'sofa_head_response_error', ''].map(headerKey);
    const slab = new ScratchSlab(64);
    const use = (frame: Frame): void => {
      for (const key of keys) bolt.header(frame, key);
      bolt.succeeded(frame);
      slab.end = 0;
      bolt.writeChanged(frame, { set: [['a', 'b']], remove: ['service'] }, slab);
      const { end, start } = frame;
      bolt.patchId(frame, 1, 0);
      assert.deepEqual([frame.start, frame.end, frame.id], [start, end, 1]);
      bolt.writeHeartbeatReply(slab, frame);
    };
    fc.assert(
      fc.property(
        fc.oneof(
          damaged(good),
          fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
        ),
        fc.array(fc.nat(5000), { maxLength: 6 }),
        (bytes, places) => assertSurvives(bolt, bytes, places, use),
      ),
      { numRuns: 1500 },
    );
  });
});
