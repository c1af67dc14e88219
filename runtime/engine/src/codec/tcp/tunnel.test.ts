import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { FakeClock } from '../../base/fake-clock.js';
import { connect } from '../../network/connect.js';
import { listen } from '../../network/listener.js';
import { createMemoryPair, type MemoryPair, type MemoryPairOptions } from '../../network/memory-transport.js';
import type { Transport } from '../../network/transport.js';
import { Tunnel, type TunnelOptions, tunnelTo } from './tunnel.js';

class Peer {
  readonly transport: Transport;
  readonly chunks: Buffer[] = [];
  ended = false;
  closed: Error | null | undefined = undefined;

  constructor(transport: Transport) {
    this.transport = transport;
    transport.receiver = {
      onBytes: (buffer, start, end) => this.chunks.push(Buffer.from(buffer.subarray(start, end))),
      onDrain: () => {},
      onEnd: () => {
        this.ended = true;
      },
      onClose: (error) => {
        this.closed = error;
      },
    };
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString('latin1');
  }

  send(text: string): void {
    const bytes = Buffer.from(text, 'latin1');
    this.transport.slab.ensure(bytes.length);
    bytes.copy(this.transport.slab.buffer, this.transport.slab.end);
    this.transport.slab.end += bytes.length;
    this.transport.markDirty();
  }
}

function bench(options: TunnelOptions = {}, pairOptions: MemoryPairOptions = {}) {
  const down = createMemoryPair({ manual: true, ...pairOptions });
  const up = createMemoryPair({ manual: true, ...pairOptions });
  const closed: (string | null)[] = [];
  const tunnel = new Tunnel(down.server, { onClosed: (_, error) => closed.push(error?.message ?? null), ...options });
  const pump = (...pairs: MemoryPair[]): void => {
    for (let i = 0; i < 30; i++) for (const pair of pairs.length > 0 ? pairs : [down, up]) pair.pump();
  };
  return { down, up, closed, tunnel, pump, client: new Peer(down.client), server: new Peer(up.server) };
}

describe('a tunnel', () => {
  it('carries bytes both ways, as they are', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.boolean(), fc.string({ unit: 'binary-ascii', maxLength: 3000 })), { maxLength: 20 }),
        fc.constantFrom(1, 100, 65_536),
        (sends, pieceBytes) => {
          const { client, server, pump, tunnel, up } = bench(
            {},
            { pieceBytes, highWaterBytes: 2000, lowWaterBytes: 500 },
          );
          tunnel.join(up.client);
          const sent = { client: '', server: '' };
          for (const [fromClient, text] of sends) {
            (fromClient ? client : server).send(text);
            sent[fromClient ? 'client' : 'server'] += text;
            pump();
          }
          pump();
          assert.equal(server.text, sent.client);
          assert.equal(client.text, sent.server);
          assert.equal(tunnel.bytesFromDownstream, sent.client.length);
          assert.equal(tunnel.bytesFromUpstream, sent.server.length);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('holds the client until there is an upstream, and loses nothing of what had come', () => {
    const { client, server, pump, tunnel, up, down } = bench();
    // A detector read this before the tunnel was made.
    down.server.receiver.onBytes(Buffer.from('xx early'), 3, 8);
    client.send(' and late');
    client.transport.end();
    pump();
    assert.equal(tunnel.bytesFromDownstream, 5);
    tunnel.join(up.client);
    pump();
    assert.equal(server.text, 'early and late');
    assert.equal(server.ended, true);
  });

  it('passes one side’s end on while the other goes on', () => {
    const { client, server, pump, tunnel, up, closed } = bench();
    tunnel.join(up.client);
    client.send('question');
    client.transport.end();
    pump();
    assert.deepEqual([server.text, server.ended, client.ended], ['question', true, false]);
    server.send('answer');
    server.transport.end();
    pump();
    assert.deepEqual([client.text, client.ended], ['answer', true]);
    assert.deepEqual(closed, [null]);
  });

  it('does not read one side faster than the other takes', () => {
    const { client, server, pump, tunnel, up, down } = bench(
      {},
      { highWaterBytes: 3000, lowWaterBytes: 1000, pieceBytes: 500 },
    );
    tunnel.join(up.client);
    server.transport.pause('app');
    for (let i = 0; i < 50; i++) {
      client.send('y'.repeat(1000));
      pump();
    }
    assert.ok(up.client.bufferedBytes <= 4000, `${up.client.bufferedBytes} bytes wait`);
    assert.ok(down.server.paused);
    server.transport.resume('app');
    pump();
    for (let i = 0; i < 60; i++) pump();
    assert.equal(server.text.length, 50_000);
    assert.ok(!down.server.paused);
  });

  it('breaks the other side when one breaks', () => {
    for (const broken of ['down', 'up'] as const) {
      const all = bench();
      all.tunnel.join(all.up.client);
      all.client.send('x');
      all.pump();
      all[broken].client.cut();
      all.pump();
      assert.ok(all.down.server.closed && all.up.client.closed, broken);
      assert.deepEqual(all.closed, ['read ECONNRESET']);
    }
  });

  it('ends the client when the upstream cannot be opened', async () => {
    const down = createMemoryPair({ manual: true });
    const client = new Peer(down.client);
    const closed: (Error | null)[] = [];
    tunnelTo(down.server, () => Promise.reject(new Error('ECONNREFUSED')), {
      onClosed: (_, error) => closed.push(error),
    });
    await new Promise(setImmediate);
    down.pump();
    assert.equal(client.ended, true);
    assert.deepEqual(
      closed.map((error) => error?.message),
      ['ECONNREFUSED'],
    );
  });

  it('closes an upstream that opens when the client has gone', async () => {
    const down = createMemoryPair({ manual: true });
    const up = createMemoryPair({ manual: true });
    let open = (_: Transport): void => {};
    tunnelTo(down.server, () => new Promise((resolve) => (open = resolve)));
    down.client.cut();
    down.pump();
    open(up.client);
    await new Promise(setImmediate);
    assert.equal(up.client.closed, true);
  });

  it('closes when no byte moves for as long as it may be idle, and not before', () => {
    const clock = new FakeClock();
    const { client, pump, tunnel, up, closed } = bench({ clock, idleTimeoutMs: 1000 });
    tunnel.join(up.client);
    for (let i = 0; i < 5; i++) {
      clock.advance(900);
      client.send('x');
      pump();
    }
    assert.deepEqual(closed, []);
    clock.advance(999);
    pump();
    assert.deepEqual(closed, []);
    clock.advance(1);
    pump();
    assert.deepEqual(closed, ['no byte moved for 1000 ms']);
    assert.equal(clock.pending, 0);
  });

  it('carries a large transfer over real sockets, its end included', { timeout: 10_000 }, async (test) => {
    const bytes = Buffer.alloc(8 * 1024 * 1024);
    for (let i = 0; i < bytes.length; i += 4) bytes.writeUInt32LE(Math.imul(i, 2654435761) >>> 0, i);
    const echo = net.createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
    echo.listen(0, '127.0.0.1');
    await once(echo, 'listening');
    const { port } = echo.address() as net.AddressInfo;
    const front = await listen({ host: '127.0.0.1', port: 0 }, (transport) => {
      tunnelTo(transport, () => connect({ host: '127.0.0.1', port }));
    });
    test.after(async () => {
      echo.close();
      await front.close();
    });
    const client = net.connect({ port: front.address.port, host: '127.0.0.1' });
    const chunks: Buffer[] = [];
    client.on('data', (chunk) => chunks.push(chunk));
    client.end(bytes);
    await once(client, 'close');
    assert.ok(Buffer.concat(chunks).equals(bytes));
  });
});
