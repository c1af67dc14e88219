import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ScratchSlab } from '../../network/slab.js';
import type { HeaderBlock } from './header-block.js';
import { BlockMemo } from './header-memo.js';
import { HpackDecoder, HpackProblem } from './hpack-decoder.js';
import {
  encodeAuthority,
  encodeField,
  encodeFields,
  encodeMethod,
  encodePath,
  encodeScheme,
  encodeStatus,
  FieldError,
} from './hpack-encoder.js';
import { huffmanBits, huffmanCodes } from './hpack-tables.js';
import { decodeHuffman } from './huffman.js';
import { encodedBlock, rawBlock } from './raw-peer.test.support.js';

const LIST_MAX = 1 << 20;

function decode(decoder: HpackDecoder, hex: string): HeaderBlock {
  const bytes = Buffer.from(hex.replace(/\s/g, ''), 'hex');
  const block = decoder.decode(bytes, 0, bytes.length, LIST_MAX);
  if (block instanceof HpackProblem) assert.fail(block.message);
  return block;
}

function problem(hex: string, decoder: HpackDecoder = new HpackDecoder()): string {
  const bytes = Buffer.from(hex.replace(/\s/g, ''), 'hex');
  const block = decoder.decode(bytes, 0, bytes.length, LIST_MAX);
  assert.ok(block instanceof HpackProblem, 'decoded although it is invalid');
  return block.message;
}

function huffman(text: string): Buffer {
  let bits = '';
  for (const byte of Buffer.from(text, 'latin1')) {
    bits += (huffmanCodes[byte] as number).toString(2).padStart(huffmanBits[byte] as number, '0');
  }
  bits = bits.padEnd(Math.ceil(bits.length / 8) * 8, '1');
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((octet) => Number.parseInt(octet, 2)));
}

describe('HPACK decoding, the examples of RFC 7541 appendix C', () => {
  it('C.2.1: literal with indexing', () => {
    const decoder = new HpackDecoder();
    assert.deepEqual(decode(decoder, '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572').fields, [
      'custom-key',
      'custom-header',
    ]);
    assert.equal(decoder.tableBytes, 55);
    assert.equal(decoder.entry(1)?.name, 'custom-key');
  });

  it('C.2.2 to C.2.4: literal without indexing, never indexed, indexed', () => {
    const decoder = new HpackDecoder();
    assert.equal(decode(decoder, '040c 2f73 616d 706c 652f 7061 7468').path, '/sample/path');
    assert.deepEqual(decode(decoder, '1008 7061 7373 776f 7264 0673 6563 7265 74').fields, ['password', 'secret']);
    assert.equal(decode(decoder, '82').method, 'GET');
    assert.equal(decoder.tableEntries, 0);
  });

  for (const [name, blocks] of [
    [
      'C.3: requests without Huffman',
      [
        '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
        '8286 84be 5808 6e6f 2d63 6163 6865',
        '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
      ],
    ],
    [
      'C.4: requests with Huffman',
      [
        '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
        '8286 84be 5886 a8eb 1064 9cbf',
        '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
      ],
    ],
  ] as const) {
    it(name, () => {
      const decoder = new HpackDecoder();
      const first = decode(decoder, blocks[0]);
      assert.deepEqual(
        [first.method, first.scheme, first.path, first.authority],
        ['GET', 'http', '/', 'www.example.com'],
      );
      assert.equal(decoder.tableBytes, 57);
      const second = decode(decoder, blocks[1]);
      assert.equal(second.authority, 'www.example.com');
      assert.deepEqual(second.fields, ['cache-control', 'no-cache']);
      assert.equal(decoder.tableBytes, 110);
      const third = decode(decoder, blocks[2]);
      assert.deepEqual([third.scheme, third.path], ['https', '/index.html']);
      assert.deepEqual(third.fields, ['custom-key', 'custom-value']);
      assert.equal(decoder.tableBytes, 164);
      assert.equal(third.repeatable, false);
    });
  }

  for (const [name, blocks] of [
    [
      'C.5: responses without Huffman, table of 256 bytes',
      [
        '4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
        '4803 3330 37c1 c0bf',
        '88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31',
      ],
    ],
    [
      'C.6: responses with Huffman, table of 256 bytes',
      [
        '4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3',
        '4883 640e ffc1 c0bf',
        '88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07',
      ],
    ],
  ] as const) {
    it(name, () => {
      const decoder = new HpackDecoder(256);
      const location = ['location', 'https://www.example.com'];
      const first = decode(decoder, blocks[0]);
      assert.equal(first.status, 302);
      assert.deepEqual(first.fields, [
        'cache-control',
        'private',
        'date',
        'Mon, 21 Oct 2013 20:13:21 GMT',
        ...location,
      ]);
      assert.equal(decoder.tableBytes, 222);
      const second = decode(decoder, blocks[1]);
      assert.equal(second.status, 307);
      assert.deepEqual(second.fields, first.fields);
      assert.equal(decoder.tableBytes, 222);
      const third = decode(decoder, blocks[2]);
      assert.equal(third.status, 200);
      assert.deepEqual(third.fields, [
        'cache-control',
        'private',
        'date',
        'Mon, 21 Oct 2013 20:13:22 GMT',
        ...location,
        'content-encoding',
        'gzip',
        'set-cookie',
        'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
      ]);
      assert.equal(decoder.tableBytes, 215);
      assert.equal(decoder.tableEntries, 3);
    });
  }
});

describe('HPACK decoding of what is wrong', () => {
  it('names the problem', () => {
    assert.match(problem('80'), /index 0 /);
    assert.match(problem('be'), /index 62 is not in the table/);
    assert.match(problem('7f 00 01 61'), /index 63/);
    assert.match(problem('ff'), /cut off/);
    assert.match(problem('ff ff ff ff ff ff ff 01'), /too long/);
    assert.match(problem('00 05 61'), /cut off/);
    assert.match(problem('00'), /cut off/);
    assert.match(problem('00 01 61'), /cut off/);
    assert.match(problem('82 20'), /follows a field/);
    assert.match(problem('3f e2 1f'), /above our limit of 4096/);
  });

  it('refuses Huffman codes with EOS inside, with long padding, or with padding that is not ones', () => {
    assert.match(problem('00 01 61 84 ff ff ff ff'), /Huffman/);
    assert.match(problem('00 01 61 82 1f ff'), /Huffman/); // 'a' and eleven bits of padding
    assert.match(problem('00 01 61 81 18'), /Huffman/); // 'a' and 000
  });

  it('takes no table after our limit of 0 was acknowledged', () => {
    const decoder = new HpackDecoder();
    decoder.setLimit(0);
    assert.match(problem('21', decoder), /above our limit of 0/);
    assert.equal(decode(decoder, '20 82').method, 'GET');
  });

  it('empties the table for an entry larger than it (RFC 7541 §4.4), and for a size of 0', () => {
    const decoder = new HpackDecoder(64);
    decode(decoder, '4001 6101 62');
    assert.equal(decoder.tableEntries, 1);
    const large = Buffer.concat([Buffer.from([0x40, 1, 0x61, 60]), Buffer.alloc(60, 0x78)]);
    decode(decoder, large.toString('hex'));
    assert.equal(decoder.tableEntries, 0);
    decode(decoder, '4001 6101 62');
    decode(decoder, '20');
    assert.equal(decoder.tableEntries, 0);
  });

  it('drops fields above the list limit, says so, and keeps the table in step', () => {
    const decoder = new HpackDecoder();
    const bytes = Buffer.from('4001610162400163016482', 'hex');
    const block = decoder.decode(bytes, 0, bytes.length, 40);
    assert.ok(!(block instanceof HpackProblem));
    assert.equal(block.tooLarge, true);
    assert.deepEqual(block.fields, ['a', 'b']);
    assert.equal(decoder.tableEntries, 2);
  });

  it('never throws, whatever the bytes', () => {
    const decoder = new HpackDecoder();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        decoder.decode(Buffer.from(bytes), 0, bytes.length, 1000);
        assert.ok(decoder.tableBytes <= 4096);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('Huffman', () => {
  it('decodes what the code table encodes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const text = Buffer.from(bytes).toString('latin1');
        const encoded = huffman(text);
        assert.equal(decodeHuffman(encoded, 0, encoded.length), text);
      }),
    );
  });
});

describe('HPACK encoding', () => {
  const block = (write: (slab: ScratchSlab) => void): Buffer => {
    const slab = new ScratchSlab(1);
    write(slab);
    return slab.buffer.subarray(0, slab.end);
  };

  it('uses static entries for what is common', () => {
    const bytes = block((slab) => {
      encodeMethod(slab, 'POST');
      encodeScheme(slab, 'http');
      encodePath(slab, '/');
      encodeStatus(slab, 200);
    });
    assert.equal(bytes.toString('hex'), '83868488');
  });

  it('never indexes: literals without indexing, secrets as never indexed', () => {
    assert.equal(encodedBlock(['content-type', 'a']).toString('hex'), '0f100161');
    assert.equal(encodedBlock(['x', 'y']).toString('hex'), '0001780179');
    assert.equal(encodedBlock(['authorization', 'y']).toString('hex'), '1f080179');
    assert.equal(block((slab) => encodeStatus(slab, 201)).toString('hex'), '0803323031');
    assert.equal(block((slab) => encodeMethod(slab, 'PUT')).toString('hex'), '0203505554');
  });

  it('drops the fields of an HTTP/1.1 connection and te other than trailers', () => {
    const fields = [
      'connection',
      'close',
      'keep-alive',
      '1',
      'transfer-encoding',
      'chunked',
      'upgrade',
      'h2c',
      'host',
      'h',
    ];
    assert.equal(encodedBlock([...fields, 'te', 'gzip']).length, 0);
    assert.equal(encodedBlock(['te', 'trailers']).length, 13);
  });

  it('refuses names and values that would break out of their field', () => {
    for (const [name, value] of [
      ['A', 'b'],
      ['', 'b'],
      ['a b', 'c'],
      [':path', '/'],
      ['a', 'b\r\nc: d'],
      ['a', 'b\0'],
      ['a', '\u010a'],
      ['a', `${'x'.repeat(100)}\n`],
      ['a', `${'x'.repeat(100)}\u010d`],
    ] as const) {
      assert.throws(() => encodedBlock([name, value]), FieldError, `${JSON.stringify(name)}: ${JSON.stringify(value)}`);
    }
    assert.throws(() => encodeStatus(new ScratchSlab(), 99), FieldError);
    assert.throws(() => encodePath(new ScratchSlab(), '/a\nb'), FieldError);
  });

  it('trims white space around values, which may not be sent', () => {
    assert.deepEqual(encodedBlock(['a', ' \tb c ']), encodedBlock(['a', 'b c']));
  });

  it('comes back the same through the decoder', () => {
    const name = fc.stringMatching(/^[a-z0-9-]{1,80}$/).map((text) => `x-${text}`);
    const value = fc.stringMatching(/^([!-~\x80-\xff]([ -~\x80-\xff]{0,300}[!-~\x80-\xff])?)?$/);
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value), { maxLength: 10 }), (pairs) => {
        const flat = pairs.flat();
        const slab = new ScratchSlab(16);
        encodeMethod(slab, 'DELETE');
        encodeScheme(slab, 'https');
        encodeAuthority(slab, 'example.org:8080');
        encodePath(slab, '/x?y');
        encodeFields(slab, flat);
        const decoded = new HpackDecoder().decode(slab.buffer, 0, slab.end, LIST_MAX);
        assert.ok(!(decoded instanceof HpackProblem));
        decoded.finishRequest();
        assert.equal(decoded.problem, null);
        assert.deepEqual(
          [decoded.method, decoded.scheme, decoded.authority, decoded.path],
          ['DELETE', 'https', 'example.org:8080', '/x?y'],
        );
        assert.deepEqual(decoded.fields, flat);
        assert.equal(decoded.repeatable, true);
      }),
    );
  });

  it('writes each field alike, first time and later', () => {
    const once = block((slab) => encodeField(slab, 'x-fresh-name', 'v'));
    assert.deepEqual(
      block((slab) => encodeField(slab, 'x-fresh-name', 'v')),
      once,
    );
  });
});

describe('the memo of header blocks', () => {
  it('gives what decoding gives, for equal bytes only', () => {
    const memo = new BlockMemo();
    const pool = Array.from({ length: 40 }, (_, i) => rawBlock([['x', `${i % 7}${'y'.repeat(i)}`]]));
    const decoder = new HpackDecoder();
    fc.assert(
      fc.property(fc.array(fc.nat(pool.length - 1), { maxLength: 100 }), (picks) => {
        for (const pick of picks) {
          const bytes = pool[pick] as Buffer;
          const shifted = Buffer.concat([Buffer.alloc(3), bytes, Buffer.alloc(2)]);
          const fresh = decoder.decode(shifted, 3, 3 + bytes.length, LIST_MAX);
          assert.ok(!(fresh instanceof HpackProblem));
          const known = memo.get(shifted, 3, 3 + bytes.length);
          if (known !== undefined) assert.deepEqual(known.fields, fresh.fields);
          else memo.put(shifted, 3, 3 + bytes.length, fresh);
          assert.deepEqual(memo.get(shifted, 3, 3 + bytes.length)?.fields, fresh.fields);
        }
      }),
    );
  });

  it('does not keep blocks that carry what changes on every request', () => {
    const decoder = new HpackDecoder();
    const bytes = rawBlock([['grpc-timeout', '1S']]);
    const block = decoder.decode(bytes, 0, bytes.length, LIST_MAX);
    assert.ok(!(block instanceof HpackProblem));
    assert.equal(block.repeatable, false);
  });
});
