import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BoltProtocol } from '../bolt/protocol.js';
import { readPieces } from './codec.test.support.js';
import { describeFrameFault, detectProtocol, FrameFault, type RpcProtocol } from './protocol.js';
import { toyProtocol, toyRequest } from './toy-protocol.test.support.js';

describe('one more protocol', () => {
  // The whole of what it takes: the module toy-protocol.test.support.ts, and its row here.
  const protocols: readonly RpcProtocol[] = [new BoltProtocol(), toyProtocol];

  it('is detected beside the others', () => {
    const name = (bytes: Buffer): string => {
      const found = detectProtocol(protocols, bytes, 0, bytes.length);
      return typeof found === 'string' ? found : found.name;
    };
    assert.equal(name(toyRequest(1, 'a b')), 'toy');
    assert.equal(name(Buffer.from('0101000101', 'hex')), 'bolt');
    assert.equal(name(Buffer.from('0201', 'hex')), 'more');
    assert.equal(name(Buffer.alloc(0)), 'more');
    assert.equal(name(Buffer.from('GET /')), 'no');
  });

  it('is read, routed on, patched', () => {
    const bytes = toyRequest(1, 'com.test.Echo say\nhello');
    let route = '';
    readPieces(toyProtocol, [bytes], {
      onFrame: (frame) => {
        const { service, method } = toyProtocol.attributes;
        route = `${toyProtocol.header(frame, service)} ${method && toyProtocol.header(frame, method)}`;
        toyProtocol.patchId(frame, 0x01020304, 0);
        assert.deepEqual(
          frame.buffer.subarray(frame.start, frame.end),
          toyRequest(0x01020304, 'com.test.Echo say\nhello'),
        );
      },
    });
    assert.equal(route, 'com.test.Echo say');
  });
});

it('every fault has a sentence', () => {
  for (const fault of Object.values(FrameFault)) assert.match(describeFrameFault(fault), /^[a-z].{10,}/);
});
