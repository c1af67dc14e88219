import assert from 'node:assert/strict';
import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { after, afterEach, before, describe, it } from 'node:test';
import tls from 'node:tls';
import { FakeClock } from '../base/fake-clock.js';
import { TestAuthority } from './certificates.test.support.js';
import { ConnectError } from './connect.js';
import { type Listener, listen } from './listener.js';
import { createTlsClient, createTlsServer, type TlsServer } from './tls.js';
import type { TlsKeyPair, TlsServerOptions } from './tls-options.js';
import type { Transport } from './transport.js';

let authority: TestAuthority;
let strangers: TestAuthority;
let server: TlsKeyPair;
let other: TlsKeyPair;
let client: TlsKeyPair;
let stranger: TlsKeyPair;

before(() => {
  authority = new TestAuthority();
  strangers = new TestAuthority();
  server = authority.issue('localhost', 'DNS:localhost', 'IP:127.0.0.1');
  other = authority.issue('b.example', 'DNS:b.example', 'DNS:*.b.example');
  client = authority.issue('a client');
  stranger = strangers.issue('a stranger');
});

after(() => {
  authority.remove();
  strangers.remove();
});

const listeners: Listener[] = [];
const sockets: { destroy(): void }[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const listener of listeners.splice(0)) {
    for (const transport of listener.connections) transport.destroy();
    await listener.close();
  }
});

/** Echoes what it gets, and ends when the peer ends. */
function echo(transport: Transport): void {
  transport.receiver = {
    onBytes: (buffer, start, end) => {
      transport.slab.ensure(end - start);
      buffer.copy(transport.slab.buffer, transport.slab.end, start, end);
      transport.slab.end += end - start;
      transport.markDirty();
      if (!transport.writable) transport.pause('peer');
    },
    onDrain: () => transport.resume('peer'),
    onEnd: () => transport.end(),
    onClose: () => {},
  };
}

interface Started {
  readonly port: number;
  readonly secure: TlsServer;
  readonly listener: Listener;
  readonly accepted: Transport[];
}

async function start(options: Partial<TlsServerOptions> = {}): Promise<Started> {
  const secure = createTlsServer({ ...server, ...options });
  const accepted: Transport[] = [];
  const listener = await listen(
    { host: '127.0.0.1', port: 0 },
    (transport) => {
      accepted.push(transport);
      echo(transport);
    },
    { acceptor: secure.acceptor },
  );
  listeners.push(listener);
  return { port: listener.address.port, secure, listener, accepted };
}

async function connectNode(port: number, options: tls.ConnectionOptions = {}): Promise<tls.TLSSocket> {
  const socket = tls.connect({ host: '127.0.0.1', port, ca: authority.ca, ALPNProtocols: ['h2'], ...options });
  sockets.push(socket);
  await once(socket, 'secureConnect');
  return socket;
}

/** Sends `text` and returns what came back. */
async function exchange(socket: tls.TLSSocket, text: string): Promise<string> {
  socket.end(text);
  let got = '';
  for await (const chunk of socket) got += chunk;
  return got;
}

/** What `transport` receives until the peer ends. */
function collect(transport: Transport): Promise<Buffer> {
  const parts: Buffer[] = [];
  return new Promise((resolve, reject) => {
    transport.receiver = {
      onBytes: (buffer, start, end) => {
        parts.push(Buffer.from(buffer.subarray(start, end)));
      },
      onDrain: () => {},
      onEnd: () => resolve(Buffer.concat(parts)),
      onClose: (error) => (error === null ? resolve(Buffer.concat(parts)) : reject(error)),
    };
  });
}

function send(transport: Transport, bytes: Buffer): void {
  transport.slab.ensure(bytes.length);
  bytes.copy(transport.slab.buffer, transport.slab.end);
  transport.slab.end += bytes.length;
  transport.markDirty();
}

describe('a TLS listener', () => {
  it('delivers transports that know protocol, server name and addresses', async () => {
    const { port, accepted } = await start();
    const socket = await connectNode(port, { servername: 'localhost', ALPNProtocols: ['http/1.1', 'h2'] });
    assert.equal(socket.alpnProtocol, 'h2');
    assert.equal(await exchange(socket, 'hello'), 'hello');
    const [transport] = accepted as [Transport];
    assert.deepEqual(transport.tls, { alpn: 'h2', serverName: 'localhost', peerCertificate: null });
    assert.equal(transport.local.port, port);
    assert.equal(transport.remote.kind, 'tcp');
    assert.equal(transport.remote.address, '127.0.0.1');
  });

  it('leaves the protocol open for clients without ALPN, and ends the handshake of those that share none', async () => {
    const { port, accepted, secure } = await start();
    const plain = await connectNode(port, { ALPNProtocols: [] });
    assert.equal(await exchange(plain, 'x'), 'x');
    assert.equal(accepted[0]?.tls?.alpn, null);
    await assert.rejects(connectNode(port, { ALPNProtocols: ['spdy/3'] }));
    assert.equal(secure.failures, 1);
  });

  it('chooses the certificate by server name', async () => {
    const { port } = await start({ hosts: { 'b.example': other, '*.b.example': other } });
    for (const [servername, subject] of [
      ['localhost', 'localhost'],
      ['B.example', 'b.example'],
      ['x.b.example', 'b.example'],
    ] as const) {
      const socket = await connectNode(port, { servername });
      assert.equal(socket.getPeerCertificate().subject.CN, subject);
      socket.destroy();
    }
  });

  it('takes new certificates for new connections, while the old ones go on', async () => {
    const { port, secure } = await start();
    const before = await connectNode(port);
    assert.equal(before.getPeerCertificate().subject.CN, 'localhost');
    const renewed = authority.issue('renewed', 'IP:127.0.0.1');
    assert.throws(() => secure.update({ cert: 'no certificate', key: server.key }));
    secure.update(renewed);
    const now = await connectNode(port);
    assert.equal(now.getPeerCertificate().subject.CN, 'renewed');
    assert.equal(await exchange(before, 'still here'), 'still here');
    assert.equal(await exchange(now, 'new'), 'new');
  });

  it('refuses versions below TLS 1.2', async () => {
    const { port, accepted } = await start();
    await assert.rejects(
      connectNode(port, { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' }),
    );
    assert.equal(accepted.length, 0);
    const socket = await connectNode(port, { maxVersion: 'TLSv1.2' });
    assert.equal(await exchange(socket, 'x'), 'x');
  });

  describe('that wants client certificates', () => {
    const outcome = async (port: number, keyPair: TlsKeyPair | null): Promise<string> => {
      try {
        const socket = await connectNode(port, keyPair === null ? {} : { cert: keyPair.cert, key: keyPair.key });
        return await exchange(socket, 'x');
      } catch {
        return 'refused';
      }
    };

    it('requires one that verifies', async () => {
      const { port, accepted } = await start({ ca: authority.ca });
      assert.equal(await outcome(port, client), 'x');
      assert.match(accepted[0]?.tls?.peerCertificate?.toString('latin1') ?? '', /a client/);
      assert.notEqual(await outcome(port, null), 'x');
      assert.notEqual(await outcome(port, stranger), 'x');
      assert.equal(accepted.length, 1);
    });

    it('or takes none, but never a bad one', async () => {
      const { port, accepted } = await start({ ca: authority.ca, clientCertificate: 'optional' });
      assert.equal(await outcome(port, client), 'x');
      assert.equal(await outcome(port, null), 'x');
      assert.equal(accepted[1]?.tls?.peerCertificate, null);
      assert.notEqual(await outcome(port, stranger), 'x');
      assert.equal(accepted.length, 2);
    });
  });

  it('closes a peer that does not speak TLS, or not at all', async () => {
    const { port, secure, listener } = await start({ handshakeTimeoutMs: 50 });
    for (const words of ['GET / HTTP/1.1\r\nHost: x\r\n\r\n', '']) {
      const socket = net.connect({ host: '127.0.0.1', port });
      socket.on('error', () => {});
      if (words !== '') socket.write(words);
      await once(socket, 'close');
    }
    assert.equal(secure.failures, 2);
    assert.equal(listener.connections.size, 0);
  });

  it('moves megabytes both ways with back-pressure', async () => {
    const { port } = await start();
    const bytes = Buffer.alloc(8 * 1024 * 1024, 'outrigger');
    const transport = await createTlsClient({ ca: authority.ca }).connect({ host: '127.0.0.1', port });
    sockets.push(transport);
    const received = collect(transport);
    send(transport, bytes);
    transport.end();
    assert.equal((await received).equals(bytes), true);
  });
});

describe('a TLS client', () => {
  const nodeServer = async (options: tls.TlsOptions = {}): Promise<number> => {
    const listening = tls.createServer({ cert: server.cert, key: server.key, ...options }, (socket) => {
      socket.on('error', () => {});
      socket.pipe(socket);
    });
    listening.listen(0, '127.0.0.1');
    await once(listening, 'listening');
    sockets.push({ destroy: () => listening.close() });
    return (listening.address() as AddressInfo).port;
  };

  it('checks the certificate against name and authority', async () => {
    const port = await nodeServer();
    const address = { host: '127.0.0.1', port };
    const good = await createTlsClient({ ca: authority.ca }).connect(address);
    good.destroy();
    const fails = (options: Parameters<typeof createTlsClient>[0], code: string): Promise<void> =>
      assert.rejects(createTlsClient(options).connect(address), (error: ConnectError) => {
        assert.ok(error instanceof ConnectError);
        assert.equal(error.code, code);
        return true;
      });
    await fails({ ca: authority.ca, serverName: 'b.example' }, 'ERR_TLS_CERT_ALTNAME_INVALID');
    await fails({ ca: strangers.ca }, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE');
    await fails({}, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE');
    const careless = await createTlsClient({ skipVerification: true }).connect(address);
    careless.destroy();
  });

  it('says what was agreed on, and presents its certificate', async () => {
    const port = await nodeServer({ ca: authority.ca, requestCert: true, ALPNProtocols: ['http/1.1'] });
    const options = { ca: authority.ca, keyPair: client, serverName: 'localhost' };
    const transport = await createTlsClient(options).connect({ host: '127.0.0.1', port });
    sockets.push(transport);
    assert.equal(transport.tls?.alpn, 'http/1.1');
    assert.match(transport.tls?.peerCertificate?.toString('latin1') ?? '', /localhost/);
    const received = collect(transport);
    send(transport, Buffer.from('hello'));
    transport.end();
    assert.equal(String(await received), 'hello');
  });

  it('uses new authorities for new connections', async () => {
    const port = await nodeServer();
    const connector = createTlsClient({ ca: strangers.ca });
    await assert.rejects(connector.connect({ host: '127.0.0.1', port }), ConnectError);
    assert.throws(() => connector.update({ keyPair: { cert: 'x', key: 'y' } }));
    connector.update({ ca: authority.ca });
    (await connector.connect({ host: '127.0.0.1', port })).destroy();
  });

  it('gives up on a server that does not answer the handshake, or hangs up', async () => {
    const clock = new FakeClock();
    const silent = net.createServer((socket) => {
      socket.on('error', () => {});
      sockets.push(socket);
      clock.advance(10_000);
    });
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    sockets.push({ destroy: () => silent.close() });
    const { port } = silent.address() as AddressInfo;
    const connecting = createTlsClient().connect({ host: '127.0.0.1', port }, { clock });
    await assert.rejects(connecting, (error: ConnectError) => error.code === 'ETIMEDOUT');
    const rude = net.createServer((socket) => socket.destroy());
    rude.listen(0, '127.0.0.1');
    await once(rude, 'listening');
    sockets.push({ destroy: () => rude.close() });
    await assert.rejects(
      createTlsClient().connect({ host: '127.0.0.1', port: (rude.address() as AddressInfo).port }),
      (error: ConnectError) => error.code === 'ECONNRESET',
    );
  });

  it('stops when its signal says so', async () => {
    const controller = new AbortController();
    const silent = net.createServer((socket) => {
      socket.on('error', () => {});
      sockets.push(socket);
      controller.abort(new Error('enough'));
    });
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    sockets.push({ destroy: () => silent.close() });
    const address = { host: '127.0.0.1', port: (silent.address() as AddressInfo).port };
    await assert.rejects(createTlsClient().connect(address, { signal: controller.signal }), /enough/);
  });
});
