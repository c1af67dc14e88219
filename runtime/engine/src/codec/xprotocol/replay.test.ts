import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { crc32Table } from '../bolt/crc32.js';
import { BoltProtocol } from '../bolt/protocol.js';
import { DubboProtocol } from '../dubbo/protocol.js';
import { ForwarderBench, onlyOne } from './rpc-peer.test.support.js';
import { readCaptures } from './vectors.test.support.js';

interface Expect {
  readonly id: number | string;
  /** Bolt; 0 is a heartbeat. */
  readonly command?: number;
}

interface Wire {
  readonly file: 'bolt.json' | 'dubbo.json';
  readonly protocol: BoltProtocol | DubboProtocol;
  readonly idBytes: number;
  idAt(bytes: Buffer): number;
  hasChecksum(bytes: Buffer): boolean;
}

const wires: readonly Wire[] = [
  {
    file: 'bolt.json',
    protocol: new BoltProtocol(),
    idBytes: 4,
    idAt: (bytes) => (bytes[0] === 1 ? 5 : 6),
    hasChecksum: (bytes) => bytes[0] === 2 && bytes[1] === 2 && bytes[11] === 1,
  },
  { file: 'dubbo.json', protocol: new DubboProtocol(), idBytes: 8, idAt: () => 4, hasChecksum: () => false },
];

const idOf = (wire: Wire, bytes: Buffer): Buffer => bytes.subarray(wire.idAt(bytes), wire.idAt(bytes) + wire.idBytes);

/** The frame with another id, and a fresh full sum where it has one. */
function withId(wire: Wire, bytes: Buffer, id: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  id.copy(copy, wire.idAt(bytes));
  if (wire.hasChecksum(bytes)) copy.writeInt32BE(crc32Table(copy, 0, copy.length - 4), copy.length - 4);
  return copy;
}

describe('captured calls through the forwarder', () => {
  for (const wire of wires) {
    for (const capture of readCaptures<Expect>(wire.file)) {
      it(`${capture.name} arrives as it was sent but for the id, and so do its answers`, async () => {
        const anyId = Buffer.alloc(wire.idBytes);
        const hex = (bytes: Buffer): string => withId(wire, bytes, anyId).toString('hex');
        const bench = new ForwarderBench(wire.protocol, { connections: 1 }, { pieceBytes: 333 });
        const caller = bench.connect();
        const calls = capture.frames.filter(({ from, expect }) => from === 'client' && expect.command !== 0);
        const answers = capture.frames.filter(({ from, expect }) => from === 'server' && expect.command !== 0);

        caller.send(...calls.map(({ bytes }) => bytes));
        await bench.run();
        const server = onlyOne(bench.servers);
        const forwarded = server.take();
        assert.equal(server.fault, null, 'checksums are right');
        assert.deepEqual(
          forwarded.map(({ bytes }) => hex(bytes)),
          calls.map(({ bytes }) => hex(bytes)),
        );
        assert.equal(new Set(forwarded.map(({ bytes }) => idOf(wire, bytes).toString('hex'))).size, calls.length);

        // The server answers what the real one answered, to the ids it was asked under.
        for (const { bytes, expect } of answers) {
          const asked = forwarded[calls.findIndex((call) => call.expect.id === expect.id)];
          assert.ok(asked);
          server.send(withId(wire, bytes, idOf(wire, asked.bytes)));
        }
        await bench.run();
        assert.deepEqual(
          caller.take().map(({ bytes }) => bytes.toString('hex')),
          answers.map(({ bytes }) => bytes.toString('hex')),
        );
        assert.equal(caller.fault, null);
      });
    }
  }
});
