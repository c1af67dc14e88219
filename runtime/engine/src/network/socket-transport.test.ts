import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { transportLimits } from '../base/limits.js';
import { type ConnectAddress, ConnectError, connect } from './connect.js';
import { listen } from './listener.js';
import { transportOfSocket } from './socket-transport.js';
import type { Transport, TransportReceiver } from './transport.js';

function send(transport: Transport, bytes: Uint8Array): void {
  transport.slab.ensure(bytes.length);
  transport.slab.buffer.set(bytes, transport.slab.end);
  transport.slab.end += bytes.length;
  transport.markDirty();
}

/** Collects what a transport receives and resolves what tests wait for. */
class Recorder implements TransportReceiver {
  readonly chunks: Buffer[] = [];
  length = 0;
  drains = 0;
  ended = false;
  closes = 0;
  error: Error | null = null;
  readonly closed: Promise<void>;
  #close!: () => void;
  #waits: { ready: () => boolean; resolve: () => void }[] = [];
  onData: ((chunk: Buffer) => void) | undefined;

  constructor(transport: Transport) {
    transport.receiver = this;
    this.closed = new Promise((resolve) => {
      this.#close = resolve;
    });
  }

  until(ready: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      if (ready()) resolve();
      else this.#waits.push({ ready, resolve });
    });
  }

  bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  onBytes(buffer: Buffer, start: number, end: number): void {
    const chunk = Buffer.from(buffer.subarray(start, end));
    this.chunks.push(chunk);
    this.length += chunk.length;
    this.onData?.(chunk);
    this.#check();
  }

  onDrain(): void {
    this.drains++;
    this.#check();
  }

  onEnd(): void {
    this.ended = true;
    this.#check();
  }

  onClose(error: Error | null): void {
    this.closes++;
    this.error = error;
    this.#close();
    this.#check();
  }

  #check(): void {
    for (const wait of this.#waits) if (wait.ready()) wait.resolve();
  }
}

const local = { host: '127.0.0.1', port: 0 };

async function pair(path?: string): Promise<{ client: Transport; server: Transport; close: () => Promise<void> }> {
  let accepted!: (transport: Transport) => void;
  const acceptedOne = new Promise<Transport>((resolve) => {
    accepted = resolve;
  });
  const listener = await listen(path === undefined ? local : { path }, (transport) => accepted(transport));
  const address: ConnectAddress =
    path === undefined ? { host: '127.0.0.1', port: listener.address.port } : { path: listener.address.address };
  const client = await connect(address);
  const server = await acceptedOne;
  return {
    client,
    server,
    close: async () => {
      client.destroy();
      server.destroy();
      await listener.close();
    },
  };
}

describe('a transport', () => {
  for (const kind of ['TCP', 'Unix'] as const) {
    it(`carries bytes both ways, half-closes and closes in order over ${kind}`, async () => {
      const folder = mkdtempSync(join(tmpdir(), 'transport-'));
      const { client, server, close } = await pair(kind === 'Unix' ? join(folder, 's') : undefined);
      const c = new Recorder(client);
      const s = new Recorder(server);
      send(client, Buffer.from('ask'));
      await s.until(() => s.length === 3);
      client.end();
      await s.until(() => s.ended);
      send(server, Buffer.from('answer after the other side ended'));
      server.end();
      await Promise.all([c.closed, s.closed]);
      assert.equal(s.bytes().toString(), 'ask');
      assert.equal(c.bytes().toString(), 'answer after the other side ended');
      assert.deepEqual([c.closes, s.closes, c.error, s.error], [1, 1, null, null]);
      assert.equal(server.remote.kind, kind === 'Unix' ? 'unix' : 'tcp');
      await close();
      rmSync(folder, { recursive: true });
    });
  }

  it('keeps every byte of a large transfer in order while the reader pauses, and signals high and low water', async () => {
    const { client, server, close } = await pair();
    const c = new Recorder(client);
    const s = new Recorder(server);
    server.pause('app');
    const block = Buffer.alloc(32 * 1024);
    const total = 400;
    let sent = 0;
    let blocked = 0;
    for (;;) {
      while (sent < total && client.writable) send(client, block.fill(sent++ & 0xff));
      if (sent === total) break;
      blocked++;
      assert.ok(client.bufferedBytes <= transportLimits.highWaterBytes + block.length);
      if (blocked === 1) server.resume('app');
      const { drains } = c;
      await c.until(() => c.drains > drains);
      assert.ok(client.bufferedBytes <= transportLimits.lowWaterBytes);
    }
    await s.until(() => s.length === total * block.length);
    assert.ok(blocked > 0, 'the writer was never held back');
    const bytes = s.bytes();
    for (let i = 0; i < total; i++) {
      assert.equal(bytes[i * block.length], i & 0xff);
      assert.equal(bytes[(i + 1) * block.length - 1], i & 0xff);
    }
    await close();
  });

  it('reads only when every pause was resumed', async () => {
    const { client, server, close } = await pair();
    new Recorder(client);
    const s = new Recorder(server);
    server.pause('app');
    server.pause('app');
    server.pause('limit');
    send(client, Buffer.from('x'));
    server.resume('app');
    server.resume('limit');
    server.resume('limit'); // one too many does not undo the other pause
    const quiet = await connect({ host: '127.0.0.1', port: server.local.port });
    assert.equal(s.length, 0);
    server.resume('app');
    await s.until(() => s.length === 1);
    quiet.destroy();
    await close();
  });

  it('stops inside a read, and goes on later', async () => {
    const { client, server, close } = await pair();
    new Recorder(client);
    const s = new Recorder(server);
    s.onData = () => server.pause('stream');
    send(client, Buffer.from('one'));
    await s.until(() => s.length === 3);
    send(client, Buffer.from('two'));
    client.flush();
    const other = await connect({ host: '127.0.0.1', port: server.local.port });
    assert.equal(s.length, 3);
    s.onData = undefined;
    server.resume('stream');
    await s.until(() => s.length === 6);
    other.destroy();
    await close();
  });

  it('destroys a connection whose writer ignores back-pressure, naming the limit', async () => {
    const { client, server, close } = await pair();
    const c = new Recorder(client);
    new Recorder(server);
    server.pause('app');
    const block = Buffer.alloc(1024 * 1024);
    for (let i = 0; i < 64; i++) send(client, block);
    await c.closed;
    assert.match(String(c.error), /bufferedBytesMax/);
    await close();
  });

  it('ends the connection, not the process, when its receiver throws', async () => {
    const { client, server, close } = await pair();
    new Recorder(client);
    const s = new Recorder(server);
    s.onData = () => {
      throw new Error('codec bug');
    };
    send(client, Buffer.from('x'));
    await s.closed;
    assert.match(String(s.error), /codec bug/);
    await close();
  });

  it('reports a reset by the peer as the error of onClose', async () => {
    const listener = await listen(local, (transport) => {
      const s = new Recorder(transport);
      s.onData = () => (raw as net.Socket).resetAndDestroy();
      recorded(s);
    });
    let recorded!: (s: Recorder) => void;
    const server = new Promise<Recorder>((resolve) => {
      recorded = resolve;
    });
    const raw = net.connect(listener.address.port, '127.0.0.1', () => raw.write('x'));
    raw.on('error', () => {});
    const s = await server;
    await s.closed;
    assert.equal((s.error as NodeJS.ErrnoException).code, 'ECONNRESET');
    await listener.close();
  });

  it('works over a plain socket that somebody else opened', async () => {
    const { server, close } = await pair();
    const raw = net.connect({ port: server.local.port, host: '127.0.0.1', allowHalfOpen: true });
    await new Promise((resolve) => raw.once('connect', resolve));
    const transport = transportOfSocket(raw);
    const r = new Recorder(transport);
    transport.destroy();
    await r.closed;
    assert.equal(r.error, null);
    await close();
  });
});

describe('a listener', () => {
  it('refuses connections above its limit and forgets closed ones', async () => {
    const open: Recorder[] = [];
    let arrived!: () => void;
    const first = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    const listener = await listen(
      local,
      (transport) => {
        open.push(new Recorder(transport));
        arrived();
      },
      { connectionsMax: 1 },
    );
    const a = await connect({ host: '127.0.0.1', port: listener.address.port });
    const ra = new Recorder(a);
    await first;
    const b = await connect({ host: '127.0.0.1', port: listener.address.port });
    const rb = new Recorder(b);
    await Promise.race([rb.closed, rb.until(() => rb.ended)]);
    assert.equal(listener.refused, 1);
    assert.equal(listener.connections.size, 1);
    a.destroy();
    b.destroy();
    await open[0]?.until(() => open[0]?.ended === true);
    [...listener.connections][0]?.destroy();
    await open[0]?.closed;
    await ra.closed;
    assert.equal(listener.connections.size, 0);
    await listener.close();
  });

  it('rejects an address that is taken, and replaces a socket file nobody listens on', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'listener-'));
    const path = join(folder, 's');
    const one = await listen({ path }, () => {});
    await assert.rejects(
      listen({ path }, () => {}),
      { code: 'EADDRINUSE' },
    );
    await one.close();
    // A process that was killed leaves its file behind: bind one and unlink nothing.
    const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    const { spawnSync } = await import('node:child_process');
    assert.equal(spawnSync(process.execPath, ['-e', script]).signal, 'SIGKILL');
    const two = await listen({ path }, () => {});
    await two.close();
    rmSync(folder, { recursive: true });
  });
});

describe('connect', () => {
  it('names the address and the code when nobody listens', async () => {
    const listener = await listen(local, () => {});
    const { port } = listener.address;
    await listener.close();
    await assert.rejects(connect({ host: '127.0.0.1', port }), (error: unknown) => {
      assert.ok(error instanceof ConnectError);
      assert.equal(error.code, 'ECONNREFUSED');
      assert.equal(error.message, `cannot connect to 127.0.0.1:${port}: ECONNREFUSED`);
      return true;
    });
    await assert.rejects(connect({ path: '/nonexistent/socket' }), { code: 'ENOENT' });
  });

  it('gives up when its signal aborts', async () => {
    const controller = new AbortController();
    controller.abort(new Error('changed my mind'));
    await assert.rejects(connect(local, { signal: controller.signal }), /changed my mind/);
  });
});
