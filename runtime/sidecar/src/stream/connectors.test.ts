import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createServer, respondText, silentLogger, systemClock } from '@outrigger/engine';
import { createExternalConnector, createSidecarConnector } from './connectors.js';
import { request } from './testing/loopback.js';

const deps = { clock: systemClock, log: silentLogger };

function certificate(name: string): { key: string; cert: string } {
  const directory = mkdtempSync(join(tmpdir(), 'connectors-'));
  const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  const names = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`];
  execFileSync('openssl', ['req', '-x509', ...curve, ...names, '-keyout', key, '-out', cert], { stdio: 'ignore' });
  const pair = { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
  rmSync(directory, { recursive: true });
  return pair;
}

describe('connection to an external service', () => {
  it('by TLS goes to the checked address, but asks for and verifies the name', async () => {
    const { key, cert } = certificate('api.example.test');
    const server = https.createServer({ key, cert }, (message, response) => {
      response.end(`${message.headers.host} ${(message.socket as unknown as { servername: string }).servername}`);
    });
    const port = await new Promise<number>((resolve) =>
      server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)),
    );
    const address = `127.0.0.1:${port}`;
    const connect = createExternalConnector(deps, { ca: cert });
    const good = connect({ address, metadata: { scheme: 'https', 'server-name': 'api.example.test' } });
    const answer = await request(good, { path: '/' });
    assert.equal(answer.body.toString(), 'localhost api.example.test');
    good.close();

    const wrongName = connect({ address, metadata: { scheme: 'https', 'server-name': 'other.example.test' } });
    await assert.rejects(
      request(wrongName, { path: '/' }),
      (reset) => (reset as { reason: string }).reason === 'connect',
    );
    wrongName.close();
    const unknownIssuer = createExternalConnector(deps)({
      address,
      metadata: { scheme: 'https', 'server-name': 'api.example.test' },
    });
    await assert.rejects(
      request(unknownIssuer, { path: '/' }),
      (reset) => (reset as { unprocessed: boolean }).unprocessed,
    );
    unknownIssuer.close();
    server.closeAllConnections();
    server.close();
  });
});

describe('connection to another sidecar', () => {
  it('carries many requests on one connection, and drains', async () => {
    let connections = 0;
    const server = createServer({
      http: (stream) => {
        stream.receiver = { onData() {}, onEnd() {}, onReset() {}, onDrain() {} };
        respondText(stream, 200, stream.head.path);
      },
      onConnection: (_transport, open) => {
        if (open) connections++;
      },
    });
    const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
    const channel = createSidecarConnector(deps)({ address: `127.0.0.1:${port}`, metadata: {} });
    const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => request(channel, { path: `/${i}` })));
    assert.deepEqual(
      answers.map(({ body }) => body.toString()),
      Array.from({ length: 50 }, (_, i) => `/${i}`),
    );
    assert.equal(connections, 1);
    channel.drain();
    await assert.rejects(request(channel, { path: '/' }), (reset) => (reset as { unprocessed: boolean }).unprocessed);
    await server.close();
  });

  it('fails at once when nobody listens, as not processed', async () => {
    const probe = net.createServer();
    const port = await new Promise<number>((resolve) =>
      probe.listen(0, '127.0.0.1', () => resolve((probe.address() as AddressInfo).port)),
    );
    await new Promise((resolve) => probe.close(resolve));
    const channel = createSidecarConnector(deps)({ address: `127.0.0.1:${port}`, metadata: {} });
    await assert.rejects(request(channel, { path: '/' }), (reset) => {
      const { reason, unprocessed } = reset as { reason: string; unprocessed: boolean };
      return reason === 'connect' && unprocessed;
    });
    channel.close();
  });
});
