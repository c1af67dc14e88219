import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { errorsOf, GrpcCode } from '../../base/error.js';
import { grpcLimits } from '../../base/limits.js';
import { acceptsGzip, inflate } from './compression.js';
import { MessageAssembler, PartialBudget } from './message-assembler.js';
import { MessageQueue } from './message-queue.js';
import { Metadata } from './metadata.js';
import { decodeMessage, encodeMessage } from './percent.js';
import { GrpcStatusError } from './status.js';
import { encodeStatusDetails } from './status-details.js';
import { formatTimeout, parseTimeout } from './timeout.js';
import { toGrpcStatus } from './to-status.js';

function prefixed(message: Uint8Array, flag = 0): Buffer {
  const head = Buffer.alloc(5);
  head[0] = flag;
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

class Collector {
  readonly messages: string[] = [];
  tooLarge = 0;
  noRoom = 0;
  onMessage(buffer: Buffer, start: number, end: number, flag: number): boolean {
    this.messages.push(`${flag}:${buffer.toString('latin1', start, end)}`);
    return true;
  }
  onTooLarge(bytes: number): void {
    this.tooLarge = bytes;
  }
  onNoRoom(): void {
    this.noRoom++;
  }
}

describe('the message assembler', () => {
  it('finds the same messages wherever the bytes are split', () => {
    const message = fc.uint8Array({ maxLength: 50 });
    fc.assert(
      fc.property(fc.array(message, { maxLength: 8 }), fc.array(fc.nat(400)), (messages, cuts) => {
        const bytes = Buffer.concat(messages.map((bytes, i) => prefixed(bytes, i & 1)));
        const budget = new PartialBudget(1 << 20);
        const collector = new Collector();
        const assembler = new MessageAssembler(collector, 1000, budget);
        const points = [0, ...cuts.filter((cut) => cut < bytes.length).sort((a, b) => a - b), bytes.length];
        for (let i = 1; i < points.length; i++) assembler.read(bytes, points[i - 1] as number, points[i] as number);
        assert.deepEqual(
          collector.messages,
          messages.map((m, i) => `${i & 1}:${Buffer.from(m).toString('latin1')}`),
        );
        assert.equal(assembler.incomplete, false);
        assert.equal(budget.bytes, 0);
      }),
    );
  });

  it('finds them one byte at a time', () => {
    const bytes = Buffer.concat([
      prefixed(Buffer.alloc(0)),
      prefixed(Buffer.alloc(20_000, 'x')),
      prefixed(Buffer.from('y')),
    ]);
    const collector = new Collector();
    const budget = new PartialBudget(1 << 20);
    const assembler = new MessageAssembler(collector, 20_000, budget);
    for (let i = 0; i < bytes.length; i++) {
      assembler.read(bytes, i, i + 1);
      assert.ok(budget.bytes <= Math.max(8192, 2 * i + 10), 'holds about what has come, not what was promised');
    }
    assert.equal(collector.messages.length, 3);
    assert.equal(budget.bytes, 0);
  });

  it('stops at a prefix above the limit, split or not', () => {
    for (const cut of [5, 2]) {
      const collector = new Collector();
      const assembler = new MessageAssembler(collector, 10, new PartialBudget(1000));
      const bytes = prefixed(Buffer.alloc(11));
      assembler.read(bytes, 0, cut);
      assembler.read(bytes, cut, bytes.length);
      assert.equal(collector.tooLarge, 11);
      assert.deepEqual(collector.messages, []);
    }
  });

  it('gives up when all calls together hold too much, and returns what it held', () => {
    const budget = new PartialBudget(10_000);
    const bytes = prefixed(Buffer.alloc(100_000));
    const collectors = [new Collector(), new Collector(), new Collector()];
    const assemblers = collectors.map((collector) => new MessageAssembler(collector, 1 << 20, budget));
    for (const assembler of assemblers) assembler.read(bytes, 0, 4000);
    assert.deepEqual(
      collectors.map((collector) => collector.noRoom),
      [0, 0, 1],
    );
    for (const assembler of assemblers) assembler.release();
    assert.equal(budget.bytes, 0);
  });
});

describe('the message queue', () => {
  const limits = { ...grpcLimits, queuedMessagesMax: 3, queuedBytesMax: 100 };
  const make = (): { queue: MessageQueue<number>; log: string[] } => {
    const log: string[] = [];
    const stream = { pause: () => log.push('pause'), resume: () => log.push('resume') };
    return { queue: new MessageQueue<number>(stream, limits, () => log.push('abandoned')), log };
  };

  it('pauses when it is full of messages or bytes and resumes when it is empty', async () => {
    const { queue, log } = make();
    for (let i = 0; i < 5; i++) queue.push(i, 1);
    assert.deepEqual(log, ['pause']);
    queue.end();
    const seen: number[] = [];
    for await (const message of queue) seen.push(message);
    assert.deepEqual(seen, [0, 1, 2, 3, 4]);
    assert.deepEqual(log, ['pause', 'resume']);
    const bytes = make();
    bytes.queue.push(1, 100);
    assert.deepEqual(bytes.log, ['pause']);
  });

  it('hands messages to waiting readers, then the end, then the failure', async () => {
    const { queue } = make();
    const [a, b] = [queue.next(), queue.next()];
    queue.push(1, 1);
    queue.fail(new Error('lost'));
    assert.deepEqual(await a, { value: 1, done: false });
    await assert.rejects(b, /lost/);
    assert.deepEqual(await queue.next(), { value: undefined, done: true });
  });

  it('gives what came before a failure first, and the failure once', async () => {
    const { queue } = make();
    queue.push(1, 1);
    queue.fail(new Error('lost'));
    assert.equal((await queue.next()).value, 1);
    await assert.rejects(queue.next(), /lost/);
    assert.equal((await queue.next()).done, true);
  });

  it('tells when the loop is left early', async () => {
    const { queue, log } = make();
    for (let i = 0; i < 4; i++) queue.push(i, 1);
    for await (const message of queue) if (message === 1) break;
    assert.deepEqual(log, ['pause', 'resume', 'abandoned']);
    queue.push(9, 1);
    assert.equal((await queue.next()).done, true);
  });
});

describe('grpc-timeout', () => {
  it('is read in every unit', () => {
    for (const [value, ms] of [
      ['1H', 3_600_000],
      ['2M', 120_000],
      ['3S', 3000],
      ['4m', 4],
      ['5000u', 5],
      ['6000000n', 6],
      ['99999999S', 99_999_999_000],
      ['0m', 0],
    ] as const) {
      assert.equal(parseTimeout(value), ms, value);
    }
  });

  it('is refused when it breaks the grammar', () => {
    for (const value of ['', 'S', '1', '1s', '-1S', '1.5S', '123456789S', ' 1S', '1 S', 'xS']) {
      assert.equal(parseTimeout(value), undefined, value);
    }
  });

  it('is written so that it is read back as no less, in at most nine characters', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.001, max: 1e13, noNaN: true }), (ms) => {
        const text = formatTimeout(ms);
        assert.ok(text.length <= 9, text);
        const back = parseTimeout(text) as number;
        assert.ok(
          back >= ms * 0.999999 && back <= Math.max(ms * 1.02, ms + 0.001, back === 99_999_999 * 3_600_000 ? back : 0),
          `${ms} → ${text}`,
        );
      }),
    );
    assert.equal(formatTimeout(0), '1n');
    assert.equal(formatTimeout(Number.NaN), '1n');
  });
});

describe('grpc-message', () => {
  it('encodes what is not printable ASCII', () => {
    assert.equal(encodeMessage('plain text'), 'plain text');
    assert.equal(encodeMessage('100% \n☺'), '100%25 %0A%E2%98%BA');
    assert.equal(decodeMessage('100%25 %0A%E2%98%BA'), '100% \n☺');
  });

  it('comes back the same', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const wellFormed = Buffer.from(text).toString();
        const encoded = encodeMessage(wellFormed);
        assert.match(encoded, /^[ -~]*$/);
        assert.equal(decodeMessage(encoded), wellFormed);
      }),
    );
  });

  it('leaves what is not validly encoded', () => {
    assert.equal(decodeMessage('100% %zz %4'), '100% %zz %4');
  });
});

describe('gzip', () => {
  it('inflates up to the size and the ratio', () => {
    const small = gzipSync(Buffer.from('hello'));
    assert.deepEqual(inflate(small, 100), { bytes: Buffer.from('hello') });
    assert.deepEqual(inflate(small, 4), { tooLarge: true, limit: 4 });
    const bomb = gzipSync(Buffer.alloc(3 * 1024 * 1024));
    const result = inflate(bomb, 4 * 1024 * 1024);
    assert.ok(result !== null && 'tooLarge' in result);
    assert.equal(result.limit, 1024 * 1024);
    assert.equal(inflate(Buffer.from('no gzip'), 100), null);
    assert.equal(inflate(Buffer.alloc(0), 100), null);
  });

  it('reads grpc-accept-encoding', () => {
    assert.equal(acceptsGzip('identity, deflate ,gzip'), true);
    assert.equal(acceptsGzip('gzipped'), false);
    assert.equal(acceptsGzip(''), false);
  });
});

describe('metadata', () => {
  it('carries bytes without padding, and reads them with or without, the first of several', () => {
    const metadata = new Metadata();
    metadata.setBinary('k-bin', Buffer.from([0xab, 0xab, 0xab, 0xab]));
    assert.equal(metadata.get('k-bin'), 'q6urqw');
    assert.equal(metadata.getBinary('k-bin')?.toString('hex'), 'abababab');
    assert.equal(Metadata.of({ 'k-bin': 'q6urqw==' }).getBinary('k-bin')?.toString('hex'), 'abababab');
    assert.equal(Metadata.of({ 'k-bin': 'q6urqw,AA' }).getBinary('k-bin')?.toString('hex'), 'abababab');
  });
});

describe('status details', () => {
  it('encodes google.rpc.Status with ErrorInfo, ResourceInfo, BadRequest and Help, golden bytes', () => {
    const bytes = encodeStatusDetails(GrpcCode.NOT_FOUND, 'gone', [
      { type: 'ErrorInfo', reason: 'R', domain: 'd.io', metadata: { k: 'v' } },
      { type: 'ResourceInfo', resourceType: 'state', resourceName: 's', owner: '', description: 'x' },
      { type: 'BadRequest', fieldViolations: [{ field: 'f', description: 'd' }] },
      { type: 'Help', links: [{ url: 'http://u', description: 'd' }] },
    ]);
    const text = (number: number, value: string): string =>
      Buffer.concat([Buffer.from([(number << 3) | 2, value.length]), Buffer.from(value, 'latin1')]).toString('latin1');
    const any = (type: string, value: string): string =>
      text(3, text(1, `type.googleapis.com/google.rpc.${type}`) + text(2, value));
    const expected =
      '\x08\x05' +
      text(2, 'gone') +
      any('ErrorInfo', text(1, 'R') + text(2, 'd.io') + text(3, text(1, 'k') + text(2, 'v'))) +
      any('ResourceInfo', text(1, 'state') + text(2, 's') + text(4, 'x')) +
      any('BadRequest', text(1, text(1, 'f') + text(2, 'd'))) +
      any('Help', text(1, text(1, 'd') + text(2, 'http://u')));
    assert.equal(bytes.toString('latin1'), expected);
  });

  it('writes lengths above 127 as varints', () => {
    const bytes = encodeStatusDetails(GrpcCode.UNKNOWN, 'm'.repeat(300), []);
    assert.equal(bytes.subarray(0, 5).toString('hex'), '080212ac02');
  });
});

describe('toGrpcStatus', () => {
  const fail = errorsOf({
    GONE: {
      grpc: 'NOT_FOUND',
      http: 404,
      text: '{what} is gone',
      dapr: { code: 'ERR_GONE', grpcApi: { grpc: 'FAILED_PRECONDITION', text: 'ERR_GONE: {what}' } },
      layotto: { grpc: 'INVALID_ARGUMENT' },
    },
  });

  it('takes code and text of the row, or what the dialect overrides', () => {
    const error = fail('GONE', { what: 'it' });
    assert.deepEqual(toGrpcStatus(error), { code: 5, message: 'it is gone', details: undefined, trailers: undefined });
    assert.equal(toGrpcStatus(error, 'dapr').code, GrpcCode.FAILED_PRECONDITION);
    assert.equal(toGrpcStatus(error, 'dapr').message, 'ERR_GONE: it');
    assert.equal(toGrpcStatus(error, 'layotto').code, GrpcCode.INVALID_ARGUMENT);
    assert.equal(toGrpcStatus(error, 'layotto').message, 'it is gone');
  });

  it('attaches details, and passes a GrpcStatusError as it is', () => {
    const detail = { type: 'ErrorInfo', reason: 'R', domain: 'd', metadata: {} } as const;
    assert.ok(toGrpcStatus(fail('GONE', { what: 'it' }, { details: [detail] })).details);
    const status = new GrpcStatusError(GrpcCode.ABORTED, 'no', { trailers: Metadata.of({ a: 'b' }) });
    assert.equal(toGrpcStatus(status).code, GrpcCode.ABORTED);
    assert.equal(toGrpcStatus(status).trailers?.get('a'), 'b');
  });

  it('makes anything else UNKNOWN with its message and never its stack', () => {
    assert.deepEqual(toGrpcStatus(new TypeError('oops')), {
      code: 2,
      message: 'oops',
      details: undefined,
      trailers: undefined,
    });
    assert.equal(toGrpcStatus('text').message, 'text');
    assert.equal(toGrpcStatus({ secret: 1 }).message, 'unknown error');
    assert.equal(toGrpcStatus(undefined).message, 'unknown error');
  });
});
