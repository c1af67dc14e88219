import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
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
import { countParameters } from './body.js';
import { DubboProtocol } from './protocol.js';

interface Expect {
  readonly request: boolean;
  readonly twoWay: boolean;
  readonly event: boolean;
  readonly serialization: number;
  readonly id: string;
  readonly bodyBytes: number;
  readonly status?: number;
}

const dubbo = new DubboProtocol();
const captures = readCaptures<Expect>('dubbo.json');
const all = captures.flatMap((capture) => capture.frames.map((frame) => ({ ...frame, capture: capture.name })));
const versions = ['dubbo2-hessian2', 'dubbo3-hessian2', 'dubbo3-fastjson2'];

function bytesOf(name: string, about: string): Buffer {
  const found = all.find((frame) => frame.capture === name && frame.about.startsWith(about));
  assert.ok(found, `${name}: ${about}`);
  return Buffer.from(found.bytes);
}

function parsed(bytes: Buffer): Frame {
  const frame = new Frame();
  assert.equal(dubbo.parse(frame, bytes, 0, bytes.length), bytes.length);
  return frame;
}

function only(bytes: Buffer): SeenFrame {
  const { frames, fault } = readPieces(dubbo, [bytes]);
  assert.deepEqual([fault, frames.length], [null, 1]);
  return frames[0] as SeenFrame;
}

function written(write: (slab: ScratchSlab) => unknown): Buffer {
  const slab = new ScratchSlab(16);
  write(slab);
  return Buffer.from(slab.buffer.subarray(0, slab.end));
}

const header = (bytes: Buffer, name: string): string | undefined => dubbo.header(parsed(bytes), headerKey(name));

/** A frame with any flags, status and body. */
function frameOf(flags: number, status: number, body: Buffer): Buffer {
  const head = Buffer.from(`dabb00000102030405060708${'0'.repeat(8)}`, 'hex');
  head[2] = flags;
  head[3] = status;
  head.writeUInt32BE(body.length, 12);
  return Buffer.concat([head, body]);
}

function changed(bytes: Buffer, set: [string, string][], remove: string[] = []): Buffer | null {
  const slab = new ScratchSlab(16);
  slab.ensure(5);
  slab.end = 5;
  const done = dubbo.writeChanged(parsed(bytes), { set, remove }, slab);
  if (!done) assert.equal(slab.end, 5);
  return done ? Buffer.from(slab.buffer.subarray(5, slab.end)) : null;
}

describe('Dubbo frames of 2.7 and 3.3', () => {
  it('are told as the recorder told them, ids beyond 2^53 included', () => {
    assert.equal(all.length, 32);
    for (const { capture, about, bytes, expect } of all) {
      const frame = only(bytes);
      assert.deepEqual(
        {
          kind: frame.kind,
          id: ((BigInt(frame.idHigh >>> 0) << 32n) | BigInt(frame.id >>> 0)).toString(),
          status: frame.status,
          timeoutMs: frame.timeoutMs,
          serialization: frame.variant & 0x1f,
          body: [frame.headerStart, frame.headerEnd],
        },
        {
          kind: expect.request ? (expect.twoWay ? 'REQUEST' : 'ONEWAY') : 'RESPONSE',
          id: expect.id,
          status: expect.status ?? 0,
          timeoutMs: NO_TIMEOUT,
          serialization: expect.serialization,
          body: [16, 16 + expect.bodyBytes],
        },
        `${capture}: ${about}`,
      );
    }
    assert.ok(all.some(({ expect }) => BigInt(expect.id) > 2n ** 53n));
  });

  it('leave with another id and are otherwise the same bytes', () => {
    for (const { bytes, about } of all) {
      const copy = Buffer.from(bytes);
      const frame = parsed(copy);
      dubbo.patchId(frame, -2, 0x01234567);
      const want = Buffer.from(bytes);
      want.write('01234567fffffffe', 4, 'hex');
      assert.deepEqual(copy, want, about);
      assert.deepEqual([frame.id, frame.idHigh], [-2, 0x01234567]);
    }
  });

  it('are read the same wherever the stream is cut', () => {
    for (const { frames } of captures) {
      const small = frames.filter(({ bytes }) => bytes.length < 400).map(({ bytes }) => bytes);
      assertAnySplit(dubbo, Buffer.concat(small.slice(0, 4)));
    }
    assertAnySplit(dubbo, Buffer.concat(all.slice(0, 6).map(({ bytes }) => bytes)));
  });

  it('match by their first two bytes', () => {
    const bytes = bytesOf('dubbo2-hessian2', 'sayHello');
    assert.equal(dubbo.match(bytes, 0, bytes.length), 'yes');
    assert.equal(dubbo.match(bytes, 0, 1), 'more');
    assert.equal(dubbo.match(bytes, 0, 0), 'more');
    assert.equal(dubbo.match(Buffer.from('dabc', 'hex'), 0, 2), 'no');
    assert.equal(dubbo.match(Buffer.from('01', 'hex'), 0, 1), 'no');
  });
});

describe('Dubbo headers', () => {
  it('are the leading strings of the body', () => {
    for (const version of versions) {
      const bytes = bytesOf(version, 'echo');
      assert.deepEqual(
        ['dubbo', 'service', 'version', 'method'].map((name) => header(bytes, name)),
        ['2.0.2', 'parts.HelloService', '1.0.0', 'echo'],
        version,
      );
    }
    assert.equal(header(bytesOf('dubbo2-hessian2', '$invoke'), 'method'), '$invoke');
  });

  it('are the attachments behind all arguments: objects, lists, maps, dates, binaries', () => {
    for (const { capture, about, bytes, expect } of all) {
      if (!expect.request) continue;
      assert.equal(header(bytes, 'group'), 'g1', `${capture}: ${about}`);
      assert.equal(header(bytes, 'interface'), 'parts.HelloService');
      assert.equal(header(bytes, 'remote.application'), 'parts-consumer');
      assert.equal(header(bytes, 'absent'), undefined);
    }
    assert.equal(header(bytesOf('dubbo2-hessian2', 'sayHello("att")'), 'ak'), 'av');
    assert.equal(header(bytesOf('dubbo2-hessian2', 'sayHello("oneway")'), 'return'), 'false');
    assert.equal(header(bytesOf('dubbo3-hessian2', 'sayHello("abc")'), 'timeout'), '1500');
    assert.equal(header(bytesOf('dubbo3-fastjson2', 'sayHello("abc")'), 'timeout'), '15000');
  });

  it('are the attachments of a response as well', () => {
    for (const version of versions) {
      for (const call of ['sayHello("abc")', 'echo']) {
        const bytes = bytesOf(version, `answer to ${call}`);
        assert.equal(header(bytes, 'dubbo'), '2.0.2', version);
        assert.equal(header(bytes, 'service'), undefined);
      }
    }
    assert.equal(header(bytesOf('dubbo3-hessian2', 'answer to fail'), 'dubbo'), '2.0.2');
  });

  const request = (body: string): Buffer => frameOf(0xc2, 0, Buffer.from(body, 'latin1'));

  it('may be null, other scalars, or objects of a class that an argument defined', () => {
    const leading = '\x03dub\x03svcN\x01m';
    assert.equal(header(request(`${leading}\x00HZ`), 'version'), '');
    const map = 'H\x01a\x91\x01bT\x01cN\x01d\xe3\x01e\x02xyZ';
    for (const [name, value] of Object.entries({ a: '1', b: 'true', c: undefined, d: undefined, e: 'xy' })) {
      assert.equal(header(request(`${leading}\x00${map}`), name), value, name);
    }
    // One argument of class A (two fields); the attachment `o` is another A, `e` comes behind it.
    const object = request(`${leading}\x03LA;C\x01A\x92\x01x\x01y\x60\x91\x92H\x01o\x60\x93\x94\x01e\x02xyZ`);
    assert.equal(header(object, 'e'), 'xy');
    assert.equal(header(object, 'o'), undefined);
    // A map of a named type.
    assert.equal(header(request(`${leading}\x00M\x01T\x01e\x02xyZ`), 'e'), 'xy');
  });

  it('are absent when the body is malformed or its serialization is not known', () => {
    const good = bytesOf('dubbo3-hessian2', 'echo');
    for (let end = 16; end < good.length - 1; end++) {
      const bytes = frameOf(0xc2, 0, good.subarray(16, end));
      assert.equal(header(bytes, 'absent'), undefined);
      // `group` is the last attachment: nothing that was cut has it.
      assert.equal(header(bytes, 'group'), undefined, `cut at ${end}`);
    }
    for (const serialization of [0, 3, 4, 6, 7, 8, 9, 11, 12, 16, 18, 21, 22, 27, 28, 31]) {
      const bytes = frameOf(0xc0 | serialization, 0, good.subarray(16));
      assert.equal(header(bytes, 'service'), undefined);
      assert.equal(header(bytes, 'group'), undefined);
      assert.equal(only(bytes).kind, 'REQUEST');
    }
  });

  it('are not taken from what stands where the attachments would, in a fastjson2 body that is too short', () => {
    const value = (hex: string): string => `000000${(hex.length / 2).toString(16).padStart(2, '0')}${hex}`;
    const five = [...Array.from({ length: 4 }, () => value('4a61')), value('a64b67724b6731a5')].join('');
    assert.equal(header(frameOf(0xd7, 0, Buffer.from(five, 'hex')), 'gr'), undefined);
    assert.equal(header(frameOf(0xd7, 0, Buffer.from(value('4a61') + five, 'hex')), 'gr'), 'g1');
  });

  it('are not looked for in events and in errors', () => {
    const text = Buffer.from('\x03svc\x03svc\x03svc\x03svc\x03svc', 'latin1');
    assert.equal(header(frameOf(0xe2, 0, text), 'service'), undefined);
    assert.equal(header(frameOf(0x02, 40, text), 'service'), undefined);
  });

  it('are changed in place: set, replaced, removed; arguments stay as they are', () => {
    for (const { capture, about, bytes, expect } of all) {
      if (!expect.request) continue;
      const after = changed(
        bytes,
        [
          ['tag', 'blau 中😀'],
          ['group', 'g2'],
        ],
        ['remote.application', 'absent'],
      );
      assert.ok(after, `${capture}: ${about}`);
      assert.equal(header(after, 'tag'), 'blau 中😀');
      assert.equal(header(after, 'group'), 'g2');
      assert.equal(header(after, 'remote.application'), undefined);
      assert.equal(header(after, 'interface'), 'parts.HelloService');
      assert.equal(header(after, 'service'), 'parts.HelloService');
      assert.equal(only(after).id, parsed(bytes).id);
      // And back to the same size, with everything found again.
      const back = changed(
        after,
        [
          ['group', 'g1'],
          ['remote.application', 'parts-consumer'],
        ],
        ['tag'],
      );
      assert.equal(back?.length, bytes.length);
    }
    const response = changed(bytesOf('dubbo3-hessian2', 'answer to echo'), [['tag', 'x']]);
    assert.ok(response && header(response, 'tag') === 'x' && dubbo.succeeded(parsed(response)));
  });

  it('are left alone where that would break what refers to them', () => {
    const body = (map: string): Buffer => request(`\x03dub\x03svcN\x01m\x00${map}`);
    assert.equal(changed(body('H\x01oC\x01A\x90\x60\x01e\x02xyZ'), [], ['o']), null);
    assert.ok(changed(body('H\x01oC\x01A\x90\x60\x01e\x02xyZ'), [], ['e']));
    assert.equal(changed(body('H\x01e'), [['a', 'b']]), null);
    assert.equal(changed(body('N'), [['a', 'b']]), null);
    assert.equal(changed(body('HZ'), [['a', 'b'.repeat(70_000)]]), null);
    assert.equal(changed(frameOf(0xc8, 0, Buffer.alloc(4)), [['a', 'b']]), null);
    assert.equal(changed(frameOf(0x02, 80, Buffer.from('\x02no')), [['a', 'b']]), null);
  });

  it('count parameters by the JVM descriptor', () => {
    const count = (text: string): number => countParameters(Buffer.from(text), 0, text.length);
    assert.deepEqual(
      [
        '',
        'I',
        'Ljava/lang/String;',
        '[I[[Ljava/lang/Object;J',
        'Lparts/Person;ILjava/util/List;',
        '[',
        'Lopen',
        'I[',
      ].map(count),
      [0, 1, 1, 3, 3, -1, -1, -1],
    );
  });
});

describe('Dubbo responses', () => {
  it('succeed by meaning: status 20 without an exception in the body', () => {
    for (const { about, bytes, expect } of all) {
      if (expect.request) continue;
      assert.equal(dubbo.succeeded(parsed(bytes)), !about.includes('exception'), about);
    }
    const verdict = (flags: number, status: number, hex: string): boolean =>
      dubbo.succeeded(parsed(frameOf(flags, status, Buffer.from(hex, 'hex'))));
    assert.equal(verdict(2, 20, '90'), false);
    assert.equal(verdict(2, 20, '92'), true);
    assert.equal(verdict(2, 20, '4900000003'), false);
    assert.equal(verdict(23, 20, '00000002bd03'), false);
    assert.equal(verdict(23, 20, '0000000100'), false);
    assert.equal(verdict(23, 20, '0000000105'), true);
    assert.equal(verdict(8, 20, '90'), true);
    for (const status of [25, 30, 31, 35, 40, 50, 60, 70, 80, 90, 100]) assert.equal(verdict(2, status, '0131'), false);
  });

  it('tell each failure with a status and a text that a Dubbo client reads', () => {
    const statuses: Record<RpcFailure, number> = {
      noRoute: 60,
      noHost: 60,
      connect: 35,
      closed: 35,
      overload: 100,
      timeout: 31,
      denied: 80,
      codec: 40,
      tooLong: 40,
      unsupported: 60,
    };
    for (const [failure, status] of Object.entries(statuses)) {
      const frame = only(written((slab) => dubbo.writeFailure(slab, 7, -1, 0xc2, failure as RpcFailure, 'no route')));
      assert.deepEqual([frame.kind, frame.id, frame.idHigh, frame.status], ['RESPONSE', 7, -1, status]);
      assert.equal(frame.bytes.toString('latin1', 16), '\x08no route');
    }
    const bytesFor = (flags: number, text: string): string =>
      written((slab) => dubbo.writeFailure(slab, 1, 0, flags, 'noRoute', text)).toString('hex');
    assert.equal(bytesFor(0xd7, 'no'), 'dabb173c000000000000000100000007000000034b6e6f');
    // A serialization we do not write: hessian2, which every Dubbo reads.
    assert.equal(bytesFor(0xc8, 'no'), 'dabb023c000000000000000100000003026e6f');
    assert.ok(bytesFor(0xc2, 'x'.repeat(100_000)).length < 2200);
  });
});

describe('Dubbo events', () => {
  it('are heartbeats, answered with the same body', () => {
    // As Dubbo writes them: hessian2's null, fastjson2's null, some other serialization's null.
    for (const [flags, body] of [
      [0xe2, '4e'],
      [0xf7, '00000001af'],
      [0xe8, '00'],
      [0xe7, 'aced000570'],
    ] as const) {
      const bytes = frameOf(flags, 0, Buffer.from(body, 'hex'));
      assert.equal(only(bytes).kind, 'HEARTBEAT');
      const reply = written((slab) => dubbo.writeHeartbeatReply(slab, parsed(bytes)));
      assert.deepEqual(reply, frameOf(0x20 | (flags & 0x1f), 20, Buffer.from(body, 'hex')));
      assert.equal(only(reply).kind, 'HEARTBEAT_REPLY');
    }
  });

  it('are not answered when they ask for nothing, nor echoed when they are large', () => {
    assert.equal(
      written((slab) => dubbo.writeHeartbeatReply(slab, parsed(frameOf(0xa2, 0, Buffer.from('N'))))).length,
      0,
    );
    const large = frameOf(0xe2, 0, Buffer.alloc(100_000, 0x4e));
    assert.equal(written((slab) => dubbo.writeHeartbeatReply(slab, parsed(large))).toString('latin1', 16), 'N');
  });

  it('are sent as Dubbo sends them', () => {
    const heartbeat = written((slab) => dubbo.writeHeartbeat(slab, 5, 0, dubbo.defaultVariant));
    assert.equal(heartbeat.toString('hex'), 'dabbe2000000000000000005000000014e');
    assert.equal(only(heartbeat).kind, 'HEARTBEAT');
    const fastjson2 = written((slab) => dubbo.writeHeartbeat(slab, 5, 0, 0xd7));
    assert.equal(fastjson2.toString('hex'), 'dabbf70000000000000000050000000500000001af');
  });

  it('say goaway by "R", the read-only event', () => {
    for (const [variant, hex] of [
      [0x02, '0152'],
      [0xd7, '000000024a52'],
    ] as const) {
      const bytes = written((slab) => dubbo.writeGoaway(slab, 9, 0, variant));
      assert.equal(bytes.subarray(16).toString('hex'), hex);
      assert.equal(only(bytes).kind, 'GOAWAY');
      assert.equal(bytes[2], 0xa0 | (variant & 0x1f));
    }
    assert.equal(only(frameOf(0xa2, 0, Buffer.from('\x01W'))).kind, 'HEARTBEAT');
  });
});

describe('bad Dubbo', () => {
  const call = bytesOf('dubbo3-hessian2', 'sayHello("abc")');

  it('ends at a wrong magic number, at its first byte, also between frames', () => {
    const result = readPieces(dubbo, [Buffer.concat([call, Buffer.from('dabc', 'hex')])]);
    assert.deepEqual([result.frames.length, result.fault, result.held], [1, 'the magic number is missing', 0]);
    assert.equal(readPieces(dubbo, [Buffer.from('db', 'hex')]).fault, 'the magic number is missing');
  });

  it('is refused by its length alone', () => {
    const lie = Buffer.from(call.subarray(0, 16));
    lie.writeUInt32BE(0x80000000, 12);
    assert.equal(readPieces(dubbo, [lie]).fault, 'the frame is longer than frameBytesMax');
  });

  it('never does harm, however it is damaged', () => {
    const good = all.map(({ bytes }) => bytes).filter((bytes) => bytes.length < 400);
    const keys = ['service', 'group', 'timeout', ''].map(headerKey);
    const slab = new ScratchSlab(64);
    const use = (frame: Frame): void => {
      for (const key of keys) dubbo.header(frame, key);
      dubbo.succeeded(frame);
      slab.end = 0;
      if (dubbo.writeChanged(frame, { set: [['a', 'b']], remove: ['group'] }, slab)) {
        const bytes = Buffer.from(slab.buffer.subarray(0, slab.end));
        assert.equal(header(bytes, 'a'), 'b');
        assert.equal(header(bytes, 'group'), undefined);
      } else assert.equal(slab.end, 0);
      dubbo.writeHeartbeatReply(slab, frame);
      dubbo.patchId(frame, 1, 2);
    };
    fc.assert(
      fc.property(
        fc.oneof(
          damaged(good),
          fc.uint8Array({ maxLength: 120 }).map((body) => frameOf(0xc2, 0, Buffer.from(body))),
        ),
        fc.array(fc.nat(3000), { maxLength: 6 }),
        (bytes, places) => assertSurvives(dubbo, bytes, places, use),
      ),
      { numRuns: 1500 },
    );
  });
});
