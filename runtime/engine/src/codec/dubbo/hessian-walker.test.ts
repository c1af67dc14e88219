import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { readText } from '../xprotocol/text.js';
import { HessianWalker, hessianStringBytes, writeHessianString } from './hessian-walker.js';

/** CommonJS without types: a client library for Dubbo, here as the writer of what we walk over. */
const hessian = createRequire(import.meta.url)('hessian.js') as { encode(value: unknown, version: '2.0'): Buffer };

const walker = new HessianWalker();

function open(bytes: Buffer): HessianWalker {
  walker.open(bytes, 0, bytes.length);
  return walker;
}

/** Bytes of the first value, or -1. */
function valueBytes(bytes: Buffer): number {
  return open(bytes).skip() ? walker.at : -1;
}

describe('the Hessian walker', () => {
  it('skips every form of the bytecode map in the specification', () => {
    const a = (times: number): string => '61'.repeat(times);
    const forms: Record<string, string[]> = {
      string: ['00', '0568656c6c6f', '01c3b8', `1f${a(31)}`, `3020${a(32)}`, `3104${a(260)}`, '53000568656c6c6f'],
      'string in chunks': ['5200016153000161', '5200026161026161', '520001615200016100'],
      binary: ['20', '23010203', `2f${a(15)}`, `3410${a(16)}`, `3501${a(257)}`, '420003010203'],
      'binary in chunks': ['41000301020342000104', '4100030102032104', '41000101340102'],
      int: ['90', '80', 'bf', 'c800', 'cfff', 'd40000', 'd7ffff', '49ffffffff'],
      long: ['e0', 'd8', 'ef', 'f800', 'ffff', '380000', '3fffff', '5900000000', '4c0000000000000001'],
      double: ['5b', '5c', '5d80', '5e8000', '5f00002fda', '444028800000000000'],
      'null, booleans, dates': ['4e', '54', '46', '4a000000d04b9284b8', '4b00e3838f'],
      'list until Z': ['575a', '5790915a', '5503696e7490915a', '55905a'],
      'list with a length': [
        '58929091',
        '5603696e74929091',
        '5690929091',
        '78',
        '7b909192',
        '7203696e749091',
        '72909091',
      ],
      map: ['485a', '489103666565a003666f6f5a', '4d03436172016101625a', '4d90016101625a'],
      object: ['4301419060', '4301419201780179609091', '43014192017801794f909091', '43014190430142904f91'],
      reference: ['5190', '51c800'],
    };
    for (const [name, examples] of Object.entries(forms)) {
      for (const hex of examples) {
        const bytes = Buffer.from(hex, 'hex');
        assert.equal(bytes.length * 2, hex.length);
        assert.equal(valueBytes(Buffer.concat([bytes, Buffer.from('9191')])), bytes.length, `${name} ${hex}`);
        for (let end = 0; end < bytes.length; end++) {
          assert.equal(valueBytes(bytes.subarray(0, end)), -1, `${name} ${hex} cut at ${end}`);
        }
      }
    }
  });

  it('refuses what the specification reserves, and terminators outside their place', () => {
    for (const hex of ['40', '45', '47', '50', '5a', '']) assert.equal(valueBytes(Buffer.from(hex, 'hex')), -1, hex);
  });

  it('refuses objects whose class is not defined, and negative counts', () => {
    for (const hex of ['60', '4f90', '4301419160', '43014190614e', '43014181', '5881', '56045b696e748190']) {
      assert.equal(valueBytes(Buffer.from(hex, 'hex')), -1, hex);
    }
  });

  it('knows a class that an earlier value defined', () => {
    const two = Buffer.from('43014192017801796091926093944e', 'hex');
    open(two);
    assert.ok(walker.skip() && walker.skip());
    assert.equal(walker.at, two.length - 1);
  });

  it('is not led into deep recursion or endless definitions', () => {
    assert.equal(valueBytes(Buffer.alloc(100_000, 0x57)), -1);
    assert.equal(valueBytes(Buffer.alloc(100_000, 0x79)), -1);
    assert.equal(valueBytes(Buffer.from(`${'43014190'.repeat(5000)}60`, 'hex')), -1);
    assert.equal(valueBytes(Buffer.from('5849' + '7fffffff', 'hex')), -1);
  });

  const scalar: fc.Arbitrary<unknown> = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) }),
    fc.uint8Array({ maxLength: 3000 }).map((bytes) => Buffer.from(bytes)),
    fc.bigInt({ min: -(2n ** 62n), max: 2n ** 62n }).map((value) => ({ $class: 'long', $: value.toString() })),
    fc.constant('long '.repeat(20_000)),
  );
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      scalar,
      fc.array(tie('value'), { maxLength: 20 }),
      fc.dictionary(fc.string({ minLength: 1, maxLength: 6 }), tie('value'), { maxKeys: 6 }),
      fc.record({ $class: fc.constantFrom('a.B', 'a.C'), $: fc.record({ x: tie('value'), y: tie('value') }) }),
      fc.record({
        $class: fc.constantFrom('java.util.ArrayList', '[object'),
        $: fc.array(tie('value'), { maxLength: 12 }),
      }),
    ),
  }));

  it('ends exactly where the value does, whatever a Dubbo client writes', () => {
    fc.assert(
      fc.property(value, fc.nat(), (any, place) => {
        const bytes = hessian.encode(any, '2.0');
        assert.equal(valueBytes(Buffer.concat([bytes, Buffer.from('N')])), bytes.length);
        assert.equal(valueBytes(bytes.subarray(0, place % bytes.length)), -1);
      }),
      { numRuns: 500 },
    );
  });

  it('never leaves the bytes it was given', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (any) => {
        const bytes = Buffer.from(any);
        const end = valueBytes(bytes);
        assert.ok(end <= bytes.length);
        open(bytes).string();
        open(bytes).int();
      }),
      { numRuns: 3000 },
    );
  });
});

describe('Hessian strings', () => {
  it('are written as Dubbo reads them: UTF-16 units counted, surrogates apart', () => {
    const bytes = Buffer.alloc(100);
    assert.equal(bytes.toString('hex', 0, writeHessianString(bytes, 0, 'n中😀')), '046ee4b8adeda0bdedb880');
  });

  it('come back as they went, of every length', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.constantFrom(0, 31, 32, 1023, 1024, 65_535).map((n) => 'é'.repeat(n)),
        ),
        (text) => {
          const bytes = Buffer.alloc(hessianStringBytes(text));
          const end = writeHessianString(bytes, 0, text);
          walker.open(bytes, 0, end);
          assert.ok(walker.string());
          assert.equal(walker.at, end);
          assert.equal(readText(bytes, walker.textStart, walker.textEnd), text);
        },
      ),
    );
  });

  it('of a client that writes plain UTF-8 end where they end', () => {
    assert.equal(valueBytes(Buffer.concat([Buffer.from([3]), Buffer.from('x😀'), Buffer.from('N')])), 6);
  });

  it('are null as well, and nothing else', () => {
    assert.ok(open(Buffer.from('N')).string());
    assert.equal(walker.textStart, walker.textEnd);
    for (const hex of ['90', '5200016153000161', '0161'.slice(0, 2), '', '20', '48']) {
      assert.equal(open(Buffer.from(hex, 'hex')).string(), false, hex);
    }
  });

  it('ints have four widths', () => {
    for (const value of [0, -16, 47, 48, -17, -2048, 2047, 2048, -262144, 262143, 262144, 2147483647, -2147483648]) {
      const bytes = hessian.encode(value, '2.0');
      assert.equal(open(bytes).int(), value);
      assert.equal(walker.at, bytes.length);
      assert.equal(open(bytes.subarray(0, -1)).int(), undefined);
    }
    assert.equal(open(Buffer.from('e0', 'hex')).int(), undefined);
  });
});
