/**
 * The interop cases of gRPC, all but `orca_per_rpc` (a load report of grpc-go's own): our server and our client, each
 * against grpc-go and @grpc/grpc-js, and grpc-go with itself through two sidecars.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { type Actor, runToEnd, startProcess } from '../harness/process.js';
import { goProgram, missing, type Part } from '../harness/provision.js';
import { type Relay, startRelay } from '../harness/relay.js';
import { type Sidecar, scratchDir, startSidecar } from '../harness/sidecar.js';
import { conformanceFile } from './files.js';
import { CASE_NAMES, CASES, COMPRESSED_CASES } from './grpc-interop/cases.js';
import { connectEngine, startEngineServer } from './grpc-interop/engine.js';
import { connectGrpcJs, startGrpcJsServer } from './grpc-interop/grpc-js.js';
import type { InteropClient, InteropServer } from './grpc-interop/peer.js';

/** What a compressed case may put on the wire in each direction: its payloads are tens of thousands of zeros. */
const COMPRESSED_BYTES_MAX = 8 * 1024;

const LIMIT = { timeout: 30_000 };

const goPeer = (): Promise<Part> => goProgram('grpc-interop', conformanceFile('grpc-interop-go'));

async function startGoServer(program: string): Promise<InteropServer & { readonly actor: Actor }> {
  const actor = startProcess(program, ['serve'], { name: 'grpc-go interop server' });
  const [, port] = await actor.line(/^listening on (\d+)$/);
  return { actor, port: Number(port), stop: () => actor.stop() };
}

async function goCase(program: string, port: number, name: string, fields: readonly string[] = []): Promise<void> {
  const output = await runToEnd(program, ['call', `127.0.0.1:${port}`, name, ...fields], { timeoutMs: 30_000 });
  assert.match(output, new RegExp(`^passed ${name}$`, 'm'));
}

interface Pair {
  readonly connect: (port: number, compress: boolean) => InteropClient;
  readonly server: () => InteropServer;
  readonly skip?: (t: TestContext) => boolean;
  /** False: the server answers compressed requests uncompressed. */
  readonly answersCompressed?: boolean;
}

/** Every case by a client of ours or of grpc-js, the compressed ones through a relay that counts. */
function itPassesEveryCase({ connect, server, skip = () => false, answersCompressed = true }: Pair): void {
  for (const name of CASE_NAMES) {
    it(name, LIMIT, async (t: TestContext) => {
      if (skip(t)) return;
      const client = connect(server().port, false);
      try {
        await CASES[name](client);
      } finally {
        await client.close();
      }
    });
  }
  for (const name of COMPRESSED_CASES) {
    it(`${name}, compressed`, LIMIT, async (t: TestContext) => {
      if (skip(t)) return;
      const relay: Relay = await startRelay(server().port);
      const client = connect(relay.port, true);
      try {
        await CASES[name](client);
        assert.ok(relay.up > 0 && relay.up < COMPRESSED_BYTES_MAX, `${relay.up} bytes were sent`);
        const downMax = answersCompressed ? COMPRESSED_BYTES_MAX : Number.POSITIVE_INFINITY;
        assert.ok(relay.down > 0 && relay.down < downMax, `${relay.down} bytes were received`);
      } finally {
        await client.close();
        await relay.close();
      }
    });
  }
}

describe('gRPC interop: grpc-go client, our server', () => {
  let go: Part;
  let server: InteropServer;
  before(async () => {
    go = await goPeer();
    server = await startEngineServer();
  });
  after(() => server.stop());

  for (const name of [...CASE_NAMES, ...COMPRESSED_CASES.map((compressed) => `${compressed}/gzip`)]) {
    it(name, LIMIT, async (t: TestContext) => {
      if (missing(t, go)) return;
      await goCase(go.value, server.port, name);
    });
  }
});

describe('gRPC interop: our client, grpc-go server', () => {
  let go: Part;
  let server: InteropServer;
  before(async () => {
    go = await goPeer();
    if (go.value !== undefined) server = await startGoServer(go.value);
  });
  after(() => server?.stop());
  itPassesEveryCase({ connect: connectEngine, server: () => server, skip: (t) => missing(t, go) });
});

describe('gRPC interop: grpc-js client, our server', () => {
  let server: InteropServer;
  before(async () => {
    server = await startEngineServer();
  });
  after(() => server.stop());
  itPassesEveryCase({ connect: connectGrpcJs, server: () => server });
});

describe('gRPC interop: our client, grpc-js server', () => {
  let server: InteropServer;
  before(async () => {
    server = await startGrpcJsServer();
  });
  after(() => server.stop());
  itPassesEveryCase({ connect: connectEngine, server: () => server, answersCompressed: false });
});

describe('gRPC interop: grpc-go client, two sidecars, grpc-go server', () => {
  let go: Part;
  let server: InteropServer;
  const sidecars: Sidecar[] = [];
  before(async () => {
    go = await goPeer();
    if (go.value === undefined) return;
    server = await startGoServer(go.value);
    const home = scratchDir('home');
    sidecars.push(
      await startSidecar({ home, appId: 'interop-caller' }),
      await startSidecar({ home, appId: 'interop-server', appPort: server.port, appProtocol: 'grpc' }),
    );
  });
  after(async () => {
    await Promise.all(sidecars.map((sidecar) => sidecar.stop()));
    await server?.stop();
  });

  for (const name of [...CASE_NAMES, ...COMPRESSED_CASES.map((compressed) => `${compressed}/gzip`)]) {
    it(name, LIMIT, async (t: TestContext) => {
      if (missing(t, go)) return;
      await goCase(go.value, (sidecars[0] as Sidecar).grpcPort, name, ['dapr-app-id=interop-server']);
    });
  }
});
