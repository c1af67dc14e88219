/** What the tests of every codec do with it: read bytes cut in any way, and throw rubbish at it. */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ByteBudget } from './byte-budget.js';
import { type Frame, FrameKind } from './frame.js';
import { FrameReader } from './frame-reader.js';
import { describeFrameFault, type RpcProtocol } from './protocol.js';

export interface SeenFrame {
  readonly kind: string;
  readonly id: number;
  readonly idHigh: number;
  readonly status: number;
  readonly timeoutMs: number;
  readonly variant: number;
  readonly bytes: Buffer;
  /** Offsets within `bytes`. */
  readonly headerStart: number;
  readonly headerEnd: number;
}

const kindNames = Object.keys(FrameKind);

export function seen(frame: Frame): SeenFrame {
  return {
    kind: kindNames[frame.kind] as string,
    id: frame.id,
    idHigh: frame.idHigh,
    status: frame.status,
    timeoutMs: frame.timeoutMs,
    variant: frame.variant,
    bytes: Buffer.from(frame.buffer.subarray(frame.start, frame.end)),
    headerStart: frame.headerStart - frame.start,
    headerEnd: frame.headerEnd - frame.start,
  };
}

export interface ReadResult {
  readonly frames: SeenFrame[];
  readonly fault: string | null;
  readonly residual: Buffer;
  /** Bytes still taken from the budget. */
  readonly held: number;
}

export interface ReadOptions {
  readonly frameBytesMax?: number;
  readonly partialBytesMax?: number;
  /** Called with the live descriptor. */
  readonly onFrame?: (frame: Frame) => void;
}

/** Feeds the pieces one after another, each from the middle of a larger buffer that is wiped afterwards. */
export function readPieces(protocol: RpcProtocol, pieces: readonly Buffer[], options: ReadOptions = {}): ReadResult {
  const frames: SeenFrame[] = [];
  let fault: string | null = null;
  const budget = new ByteBudget(options.partialBytesMax ?? 1 << 30);
  const reader = new FrameReader(
    protocol,
    {
      onFrame(frame) {
        assert.equal(fault, null, 'a frame after the fault');
        frames.push(seen(frame));
        options.onFrame?.(frame);
      },
      onFault(reason) {
        assert.equal(fault, null, 'two faults');
        fault = describeFrameFault(reason);
      },
    },
    { frameBytesMax: options.frameBytesMax ?? 1 << 24 },
    budget,
  );
  for (const piece of pieces) {
    const offset = 5;
    const buffer = Buffer.alloc(offset + piece.length + 3, 0xdd);
    piece.copy(buffer, offset);
    reader.read(buffer, offset, offset + piece.length);
    buffer.fill(0xdd);
  }
  return { frames, fault, residual: reader.residual(), held: budget.used };
}

export function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  let from = 0;
  for (const place of [...new Set(places.map((p) => p % (bytes.length + 1)))].sort((a, b) => a - b)) {
    pieces.push(bytes.subarray(from, place));
    from = place;
  }
  pieces.push(bytes.subarray(from));
  return pieces;
}

/** Whole, byte by byte, at every single place, and at random places: always the same frames. */
export function assertAnySplit(protocol: RpcProtocol, bytes: Buffer): void {
  const whole = readPieces(protocol, [bytes]);
  const single = Array.from(bytes, (_, i) => bytes.subarray(i, i + 1));
  assert.deepEqual(readPieces(protocol, single), whole, 'byte by byte');
  // Every place of a long stream would take long for little: the places around a frame's ends and heads suffice.
  const step = bytes.length > 2000 ? 7 : 1;
  for (let place = 0; place <= bytes.length; place += step) {
    assert.deepEqual(readPieces(protocol, cut(bytes, [place])), whole, `cut at ${place}`);
  }
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length), { maxLength: 12 }), (places) => {
      assert.deepEqual(readPieces(protocol, cut(bytes, places)), whole);
    }),
    { numRuns: 100 },
  );
}

/** Bytes of good frames with some of them changed, removed, repeated: the shapes of damage. */
export function damaged(good: readonly Buffer[]): fc.Arbitrary<Buffer> {
  const change = fc.record({ at: fc.nat(), byte: fc.nat(255), how: fc.constantFrom('set', 'drop', 'double', 'ff') });
  return fc
    .tuple(fc.array(fc.constantFrom(...good), { minLength: 1, maxLength: 4 }), fc.array(change, { maxLength: 8 }))
    .map(([frames, changes]) => {
      let bytes = Buffer.concat(frames);
      for (const { at, byte, how } of changes) {
        if (bytes.length === 0) break;
        const place = at % bytes.length;
        if (how === 'set') bytes[place] = byte;
        else if (how === 'ff') bytes.fill(0xff, place, Math.min(place + 4, bytes.length));
        else if (how === 'drop') bytes = Buffer.concat([bytes.subarray(0, place), bytes.subarray(place + 1)]);
        else bytes = Buffer.concat([bytes.subarray(0, place), bytes.subarray(place >> 1)]);
      }
      return bytes;
    });
}

/**
 * Whatever comes, the reader ends in frames, a fault or a wait for more; it holds no more than it may; all of a codec's
 * methods take every frame it lets through; and how the bytes were cut makes no difference.
 */
export function assertSurvives(
  protocol: RpcProtocol,
  bytes: Buffer,
  places: readonly number[],
  use: (frame: Frame) => void,
): void {
  const limits = { frameBytesMax: 4096, partialBytesMax: 20_000 };
  const whole = readPieces(protocol, [bytes], { ...limits, onFrame: use });
  const pieces = readPieces(protocol, cut(bytes, places), limits);
  assert.deepEqual(pieces.frames, whole.frames);
  assert.equal(pieces.fault, whole.fault);
  assert.ok(whole.held <= limits.partialBytesMax);
  assert.equal(
    whole.frames.reduce((sum, frame) => sum + frame.bytes.length, 0) + whole.residual.length <= bytes.length,
    true,
  );
  if (whole.fault !== null) assert.equal(whole.held, 0, 'a broken connection holds nothing');
}
