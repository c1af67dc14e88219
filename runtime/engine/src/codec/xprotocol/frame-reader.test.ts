import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ByteBudget } from './byte-budget.js';
import { assertAnySplit, assertSurvives, cut, damaged, readPieces } from './codec.test.support.js';
import { FrameReader } from './frame-reader.js';
import { CARRY_BYTES } from './limits.js';
import { FrameFault, INCOMPLETE, type RpcProtocol } from './protocol.js';
import { toyProtocol, toyRequest, toyResponse } from './toy-protocol.test.support.js';

const heartbeat = Buffer.from('7800000000000100000000', 'hex');

describe('the frame reader', () => {
  it('reads any frames, of any size, cut anywhere', () => {
    assertAnySplit(
      toyProtocol,
      Buffer.concat([
        heartbeat,
        toyRequest(1, 'a b\nhello'),
        toyResponse(-1, 0, ''),
        heartbeat,
        toyRequest(0x7fffffff, `long one\n${'x'.repeat(500)}`),
        toyRequest(2, 'a b\n!'),
      ]),
    );
  });

  it('hands frames on where they lie, without a copy', () => {
    const bytes = Buffer.concat([toyRequest(1, 'a b\n1'), toyRequest(2, 'a b\n2')]);
    const starts: number[] = [];
    const reader = new FrameReader(toyProtocol, {
      onFrame: (frame) => {
        assert.equal(frame.buffer, bytes);
        starts.push(frame.start);
      },
      onFault: () => assert.fail(),
    });
    reader.read(bytes, 0, bytes.length);
    assert.deepEqual(starts, [0, 16]);
  });

  it('begins the next frame right behind one whose head is shorter than the longest head', () => {
    // A heartbeat has 11 bytes, the longest head 13: the reader takes two bytes too many and gives them back.
    const { frames } = readPieces(toyProtocol, [
      heartbeat.subarray(0, 4),
      Buffer.concat([heartbeat.subarray(4), heartbeat]),
    ]);
    assert.deepEqual(
      frames.map((frame) => frame.kind),
      ['HEARTBEAT', 'HEARTBEAT'],
    );
  });

  it('tells at a frame boundary that nothing is left, and between frames what another reader needs to go on', () => {
    const stream = Buffer.concat([
      toyRequest(1, 'a b\nfirst'),
      toyResponse(2, 3, 'second'),
      toyRequest(3, 'a b\nthird'),
    ]);
    const whole = readPieces(toyProtocol, [stream]).frames;
    for (let place = 0; place <= stream.length; place++) {
      const [first, rest] = [stream.subarray(0, place), stream.subarray(place)];
      const before = readPieces(toyProtocol, [first]);
      const after = readPieces(toyProtocol, [before.residual, rest]);
      assert.deepEqual([...before.frames, ...after.frames], whole, `moved after ${place} bytes`);
      const boundary = before.frames.reduce((sum, frame) => sum + frame.bytes.length, 0) === place;
      assert.equal(before.residual.length === 0, boundary);
    }
  });

  it('copies a frame that comes in many reads about once', () => {
    const big = toyRequest(1, `a b\n${'y'.repeat(3_000_000)}`);
    let copied = 0;
    const copy = Buffer.prototype.copy;
    Buffer.prototype.copy = function counted(this: Buffer, ...args: Parameters<typeof copy>) {
      const bytes = copy.apply(this, args);
      copied += bytes;
      return bytes;
    };
    try {
      const frames: number[] = [];
      const reader = new FrameReader(toyProtocol, {
        onFrame: (frame) => frames.push(frame.end - frame.start),
        onFault: () => assert.fail(),
      });
      for (let at = 0; at < big.length; at += 60_000) reader.read(big, at, Math.min(big.length, at + 60_000));
      assert.deepEqual(frames, [big.length]);
    } finally {
      Buffer.prototype.copy = copy;
    }
    assert.ok(copied < 3 * big.length, `${copied} bytes were copied for ${big.length}`);
  });

  it('stops in the middle of a read when it is told to', () => {
    const bytes = Buffer.concat([toyRequest(1, 'a'), toyRequest(2, 'b'), toyRequest(3, 'c')]);
    const ids: number[] = [];
    const reader: FrameReader = new FrameReader(toyProtocol, {
      onFrame: (frame) => {
        ids.push(frame.id);
        if (frame.id === 2) reader.stop();
      },
      onFault: () => assert.fail(),
    });
    reader.read(bytes, 0, bytes.length);
    reader.read(bytes, 0, bytes.length);
    assert.deepEqual(ids, [1, 2]);
  });

  it('refuses a frame that is too long as soon as its length is known, and tells which', () => {
    const long = toyRequest(77, 'x'.repeat(101));
    const faults: [FrameFault, number][] = [];
    const readAll = (pieces: Buffer[]): void => {
      const reader = new FrameReader(
        toyProtocol,
        { onFrame: () => assert.fail(), onFault: (fault, frame) => faults.push([fault, frame.id]) },
        { frameBytesMax: 111 },
      );
      for (const piece of pieces) reader.read(piece, 0, piece.length);
    };
    readAll([long]);
    readAll([long.subarray(0, 11)]);
    readAll(cut(long, [3, 5, 20]));
    assert.deepEqual(faults, [
      [FrameFault.TOO_LONG, 77],
      [FrameFault.TOO_LONG, 77],
      [FrameFault.TOO_LONG, 77],
    ]);
    assert.equal(readPieces(toyProtocol, [toyRequest(1, 'x'.repeat(100))], { frameBytesMax: 111 }).frames.length, 1);
  });

  it('ends the connection whose incomplete frame would exceed what all may hold, and frees what it held', () => {
    const budget = new ByteBudget(4 * CARRY_BYTES);
    const faults: string[] = [];
    const connect = (name: string): FrameReader =>
      new FrameReader(
        toyProtocol,
        { onFrame: () => {}, onFault: (fault) => faults.push(`${name} ${fault}`) },
        undefined,
        budget,
      );
    const big = toyRequest(1, 'z'.repeat(100_000));
    const a = connect('a');
    const b = connect('b');
    a.read(big, 0, 2 * CARRY_BYTES);
    b.read(big, 0, CARRY_BYTES);
    assert.equal(budget.used, 3 * CARRY_BYTES);
    a.read(big, 2 * CARRY_BYTES, 5 * CARRY_BYTES);
    assert.deepEqual(faults, [`a ${FrameFault.PARTIAL_OVERFLOW}`]);
    assert.equal(budget.used, CARRY_BYTES);
    const c = connect('c');
    c.read(big, 0, CARRY_BYTES);
    c.stop();
    b.stop();
    b.stop();
    assert.equal(budget.used, 0);
    assert.equal(faults.length, 1);
  });

  it('gives a whole frame its memory back', () => {
    const { held } = readPieces(toyProtocol, cut(toyRequest(1, 'x'.repeat(50_000)), [3, 100, 9000, 30_000]));
    assert.equal(held, 0);
  });

  it('does not trust a protocol that never says how long its frame is', () => {
    const vague: RpcProtocol = { ...toyProtocol, parse: () => INCOMPLETE };
    assert.equal(
      readPieces(vague, [Buffer.alloc(5), Buffer.alloc(100)]).fault,
      'the length fields contradict one another',
    );
  });

  it('survives every damage', () => {
    const good = [heartbeat, toyRequest(5, 'a b\nc'), toyResponse(6, 0, 'yes'), toyRequest(7, 'x'.repeat(300))];
    fc.assert(
      fc.property(damaged(good), fc.array(fc.nat(3000), { maxLength: 6 }), (bytes, places) =>
        assertSurvives(toyProtocol, bytes, places, (frame) => toyProtocol.patchId(frame, 9, 0)),
      ),
      { numRuns: 1000 },
    );
  });
});
