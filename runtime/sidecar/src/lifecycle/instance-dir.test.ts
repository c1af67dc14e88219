import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { silentLogger, systemClock } from '@outrigger/engine';
import { adminCall, adminSocketPath, openAdminSocket } from './admin-socket.js';
import {
  type AcquireInput,
  acquireInstanceDir,
  discard,
  type InstanceRecord,
  instancesDir,
  listInstances,
} from './instance-dir.js';
import { startTicks } from './process-info.js';

let home: string;
let children: ChildProcess[];
let alive: NodeJS.Timeout;
beforeEach(() => {
  home = mkdtempSync(path.join(os.tmpdir(), 'outrigger-home-'));
  children = [];
  alive = setInterval(() => {}, 60_000);
});
afterEach(() => {
  clearInterval(alive);
  for (const child of children) child.kill('SIGKILL');
  rmSync(home, { recursive: true, force: true });
});

const input = (more: Partial<AcquireInput> = {}): AcquireInput => ({
  homeDir: home,
  stateDir: undefined,
  appId: 'shop',
  personality: 'outrigger',
  version: '0.1.0',
  clock: systemClock,
  ...more,
});

/** A process that lives until it is killed. */
function sleeper(): ChildProcess {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], { stdio: 'ignore' });
  children.push(child);
  return child;
}

/** An instance whose sidecar was killed. */
async function deadInstance(fields: Partial<InstanceRecord> = {}): Promise<string> {
  const child = sleeper();
  const pid = child.pid as number;
  const ticks = startTicks(pid);
  child.kill('SIGKILL');
  await once(child, 'exit');
  const instance = await acquireInstanceDir(input());
  writeFileSync(
    path.join(instance.path, 'instance.json'),
    JSON.stringify({ ...instance.record, pid, startTicks: ticks, instanceId: 'dead', ...fields }),
  );
  return instance.path;
}

describe('the folder of an instance', () => {
  it('is private, numbered, and gone afterwards', async () => {
    const first = await acquireInstanceDir(input());
    const second = await acquireInstanceDir(input());
    assert.equal(first.path, path.join(home, 'instances', 'shop-0'));
    assert.equal(second.path, path.join(home, 'instances', 'shop-1'));
    assert.equal(statSync(first.path).mode & 0o777, 0o700);
    assert.equal(statSync(path.join(first.path, 'instance.json')).mode & 0o777, 0o600);
    assert.notEqual(first.record.instanceId, second.record.instanceId);
    first.remove();
    first.remove();
    assert.deepEqual(readdirSync(instancesDir(home)), ['shop-1']);
    second.remove();
    assert.deepEqual(readdirSync(instancesDir(home)), []);
  });

  it('is listed with what it is', async () => {
    const instance = await acquireInstanceDir(input());
    const [found] = await listInstances(home, systemClock);
    assert.equal(found?.record.appId, 'shop');
    assert.equal(found?.record.pid, process.pid);
    assert.equal(found?.state, 'running');
    instance.remove();
    assert.deepEqual(await listInstances(home, systemClock), []);
  });

  it('of a process that was killed is cleaned by the next one', async () => {
    const folder = await deadInstance();
    assert.equal((await listInstances(home, systemClock))[0]?.state, 'dead');
    const next = await acquireInstanceDir(input());
    assert.equal(next.path, folder);
    assert.notEqual(next.record.instanceId, 'dead');
  });

  it('is not taken for dead because its pid is young again', async () => {
    const folder = await deadInstance({ pid: process.pid, startTicks: '1' });
    assert.equal((await listInstances(home, systemClock))[0]?.state, 'dead');
    assert.equal((await acquireInstanceDir(input())).path, folder);
  });

  it('stays when the app that it started still lives, so that `stop` can end it', async () => {
    const app = sleeper();
    const pid = app.pid as number;
    await deadInstance({ app: { pid, startTicks: startTicks(pid), command: ['node'] } });
    assert.equal((await listInstances(home, systemClock))[0]?.state, 'orphan');
    assert.equal(path.basename((await acquireInstanceDir(input())).path), 'shop-1');
  });

  it('of another pid namespace is alive when its socket answers', async () => {
    const folder = await deadInstance({ pidNamespace: 'elsewhere' });
    const socket = await openAdminSocket(
      path.join(folder, 'admin.sock'),
      { 'GET /status': () => ({}) },
      { clock: systemClock, log: silentLogger },
    );
    assert.equal((await listInstances(home, systemClock))[0]?.state, 'running');
    await socket.close();
    assert.equal((await listInstances(home, systemClock))[0]?.state, 'dead');
  });

  it('is not removed when another has taken its place', async () => {
    const instance = await acquireInstanceDir(input());
    discard(instance.path, 'somebody else');
    assert.ok(existsSync(path.join(instance.path, 'instance.json')));
  });

  it('may be named, and is then not shared', async () => {
    const stateDir = path.join(home, 'state');
    const instance = await acquireInstanceDir(input({ stateDir }));
    assert.equal(instance.path, stateDir);
    await assert.rejects(
      acquireInstanceDir(input({ stateDir })),
      /is in use by pid \d+; taking over is not served yet/,
    );
    instance.remove();
    assert.ok(existsSync(stateDir));
    await acquireInstanceDir(input({ stateDir }));
  });

  it('is refused where a link or a file stands in its way', async () => {
    writeFileSync(path.join(home, 'instances'), '');
    await assert.rejects(acquireInstanceDir(input()), /cannot be made/);
  });

  it('makes a folder that others may enter private', async () => {
    mkdirSync(path.join(home, 'instances'), { mode: 0o755 });
    chmodSync(home, 0o755);
    await acquireInstanceDir(input());
    assert.equal(statSync(path.join(home, 'instances')).mode & 0o777, 0o700);
  });

  it('ignores links that lead elsewhere when listing', async () => {
    const elsewhere = mkdtempSync(path.join(os.tmpdir(), 'outrigger-elsewhere-'));
    await acquireInstanceDir(input());
    symlinkSync(elsewhere, path.join(instancesDir(home), 'evil-0'));
    assert.equal((await listInstances(home, systemClock)).length, 1);
    rmSync(elsewhere, { recursive: true });
  });
});

describe('the admin socket', () => {
  const open = (handlers: Record<string, () => unknown>, at = path.join(home, 'admin.sock')) =>
    openAdminSocket(at, handlers, { clock: systemClock, log: silentLogger });

  it('answers one request a connection', async () => {
    const socket = await open({ 'GET /status': () => ({ appId: 'shop' }), 'POST /stop': () => undefined });
    assert.equal(statSync(socket.path).mode & 0o777, 0o600);
    assert.deepEqual(await adminCall(socket.path, 'GET /status', systemClock, 1_000), {
      status: 200,
      body: { appId: 'shop' },
    });
    assert.deepEqual(await adminCall(socket.path, 'POST /stop', systemClock, 1_000), { status: 200, body: {} });
    await socket.close();
    assert.equal(existsSync(socket.path), false);
  });

  it('refuses what it does not know, what throws, and lines without end', async () => {
    const socket = await open({
      'GET /status': () => {
        throw new Error('broken');
      },
    });
    assert.equal((await adminCall(socket.path, 'GET /status', systemClock, 1_000)).status, 500);
    assert.equal((await adminCall(socket.path, 'toString', systemClock, 1_000)).status, 404);
    await assert.rejects(adminCall(socket.path, 'x'.repeat(10_000), systemClock, 5_000));
    await socket.close();
  });

  it('takes the place of a socket that nobody listens on', async () => {
    writeFileSync(path.join(home, 'admin.sock'), '');
    const socket = await open({ 'GET /status': () => ({ ok: true }) });
    assert.equal((await adminCall(socket.path, 'GET /status', systemClock, 1_000)).status, 200);
    await socket.close();
  });

  it("has a short path when the folder's is too long for one", async () => {
    const deep = path.join(home, 'x'.repeat(100));
    const at = adminSocketPath(deep, 'a'.repeat(32));
    assert.ok(Buffer.byteLength(at) <= 103);
    const socket = await open({ 'GET /status': () => ({}) }, at);
    assert.equal((await adminCall(at, 'GET /status', systemClock, 1_000)).status, 200);
    await socket.close();
  });
});
