/** Components that cannot open: Dapr's rule under daprd, patience under outrigger. */
import assert from 'node:assert/strict';
import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ANY_PORTS, component, folderOf, runCommand } from '../harness/command.js';
import { type Sidecar, scratchDir, startSidecar } from '../harness/sidecar.js';

/** A home in whose way of local data a file stands, until `clear`. */
function blockedHome(): { readonly home: string; clear(): void } {
  const home = scratchDir('home');
  const obstacle = join(home, 'local');
  writeFileSync(obstacle, '');
  return { home, clear: () => rmSync(obstacle) };
}

const disk = (spec: string): string => component('disk', 'state.local', spec);
const stateOf = async (sidecar: Sidecar, store: string): Promise<{ status: number; text: string }> => {
  const answer = await fetch(`${sidecar.http}/v1.0/state/${store}/k`);
  return { status: answer.status, text: await answer.text() };
};

describe('a component that cannot open, under daprd', () => {
  it('ends it when initTimeout is over, with code 1 and Dapr’s words as the last line', async () => {
    const resources = folderOf({ 'disk.yaml': disk('initTimeout: 1200ms\n') });
    const began = performance.now();
    const { code, last } = await runCommand('daprd', ['--app-id=a', '--resources-path', resources, ...ANY_PORTS], {
      env: { OUTRIGGER_HOME: blockedHome().home },
    });
    assert.equal(code, 1);
    assert.ok(performance.now() - began >= 1200, 'it did not wait for initTimeout');
    assert.match(
      last,
      /level=fatal msg="Fatal error from runtime: process component disk error: \[INIT_COMPONENT_FAILURE\]: initialization error occurred for disk \(state\.local\/v1\): \[INIT_COMPONENT_FAILURE\]: initialization error occurred for disk \(state\.local\/v1\): the directory .* cannot be made/,
    );
  });

  it('is passed over with ignoreErrors: the rest serves, and nobody knows the component', async () => {
    const sidecar = await startSidecar({
      entry: 'daprd',
      home: blockedHome().home,
      resources: {
        'disk.yaml': disk('initTimeout: 300ms\nignoreErrors: true\n'),
        'memory.yaml': component('memory', 'state.in-memory'),
      },
      noWait: true,
    });
    await sidecar.actor.line(/level=error msg="Component disk \(state\.local\/v1\) is not ready: the directory /);
    assert.equal((await stateOf(sidecar, 'memory')).status, 204);
    const { status, text } = await stateOf(sidecar, 'disk');
    assert.equal(status, 400);
    assert.equal(JSON.parse(text).errorCode, 'ERR_STATE_STORE_NOT_FOUND');
    assert.deepEqual(await sidecar.stop(), { code: 0, signal: null });
  });

  it('waits for a secret store that nobody declares, as Dapr parks it', async () => {
    const vaultless = component(
      'waiting',
      'state.in-memory',
      'initTimeout: 300ms\nmetadata:\n- name: keyPrefix\n  secretKeyRef: {name: a, key: a}\n',
      'auth: {secretStore: vault}\n',
    );
    const sidecar = await startSidecar({ entry: 'daprd', resources: { 'a.yaml': vaultless } });
    await sidecar.actor.line(/Component waiting references a secret store that isn't loaded: vault/);
    assert.deepEqual(await sidecar.stop(), { code: 0, signal: null });
  });
});

describe('a component that cannot open, under outrigger', () => {
  it('makes calls to it wait, and serves them when it is there in time', async () => {
    const { home, clear } = blockedHome();
    const sidecar = await startSidecar({ home, resources: { 'disk.yaml': disk('initTimeout: 20s\n') }, noWait: true });
    await sidecar.actor.line(/Failed to init component disk/);
    const call = stateOf(sidecar, 'disk');
    await sidecar.actor.line(/Failed to init component disk .*; next attempt in /);
    clear();
    assert.equal((await call).status, 204, sidecar.actor.output);
    assert.deepEqual(await sidecar.stop(), { code: 0, signal: null });
  });

  it('fails calls that waited for initTimeout, naming it and the reason, and recovers', async () => {
    const { home, clear } = blockedHome();
    const sidecar = await startSidecar({ home, resources: { 'disk.yaml': disk('initTimeout: 1s\n') }, noWait: true });
    await sidecar.actor.line(/listens: Dapr HTTP/);
    const { status, text } = await stateOf(sidecar, 'disk');
    assert.equal(status, 503);
    assert.match(text, /component disk \(state\.local\) is not ready: the directory .* cannot be made/);
    // From now on calls do not wait: it is known to be missing.
    const began = performance.now();
    assert.equal((await stateOf(sidecar, 'disk')).status, 503);
    assert.ok(performance.now() - began < 800);
    const { lines } = await runCommand('outrigger', ['ls', '-o', 'json'], { env: { OUTRIGGER_HOME: home } });
    const [listed] = JSON.parse(lines.join('\n'));
    const component = listed.status.components.find(({ name }: { name: string }) => name === 'disk');
    assert.equal(component.stage, 'failed');
    assert.match(component.lastError, /cannot be made/);
    clear();
    await sidecar.actor.line(/Component loaded: disk/);
    assert.equal((await stateOf(sidecar, 'disk')).status, 204);
    assert.deepEqual(await sidecar.stop(), { code: 0, signal: null });
  });

  it('ends at once when told to, though components are still opening', async () => {
    const sidecar = await startSidecar({ home: blockedHome().home, noWait: true });
    await sidecar.actor.line(/Failed to init component/);
    const call = stateOf(sidecar, 'statestore').catch((error: Error) => error);
    await sidecar.actor.line(/Failed to init component statestore.* next attempt/);
    const began = performance.now();
    assert.deepEqual(await sidecar.stop(), { code: 0, signal: null });
    assert.ok(performance.now() - began < 3_000, sidecar.actor.output);
    await call;
  });

  it('ends when it can never work: a directory that is open to other users', async () => {
    const home = folderOf({ 'local/default/.keep': '' });
    chmodSync(join(home, 'local', 'default'), 0o755);
    const { code, last } = await runCommand('outrigger', ['start', ...ANY_PORTS], { env: { OUTRIGGER_HOME: home } });
    assert.equal(code, 1);
    assert.match(last, /FATAL component .* cannot work: .* is open to other users \(mode 755\); run: chmod 700 /);
  });

  it('recovers when the secret store that it needs comes by a changed document', async () => {
    const store = component(
      'store',
      'state.in-memory',
      'initTimeout: 300ms\nmetadata:\n- name: keyPrefix\n  secretKeyRef: {name: prefix, key: prefix}\n',
      'auth: {secretStore: vault}\n',
    );
    const secrets = join(folderOf({ 'secrets.json': '{"prefix": "name"}' }), 'secrets.json');
    const vault = (file: string): string =>
      component(
        'vault',
        'secretstores.local.file',
        `initTimeout: 300ms\nignoreErrors: true\nmetadata:\n- {name: secretsFile, value: ${file}}\n`,
      );
    const sidecar = await startSidecar({
      resources: { 'store.yaml': store, 'vault.yaml': vault('/nonexistent.json') },
    });
    const { status, text } = await stateOf(sidecar, 'store');
    assert.equal(status, 503);
    assert.match(text, /component store .*component vault .*\/nonexistent\.json/);
    const answer = await fetch(`${sidecar.http}/v1.0/secrets/vault/prefix`);
    assert.equal(answer.status, 503);
    assert.match(await answer.text(), /component vault .* is not ready/);
    writeFileSync(join(sidecar.resourcesDir, 'vault.yaml'), vault(secrets));
    await sidecar.actor.line(/Component loaded: store/);
    assert.equal((await stateOf(sidecar, 'store')).status, 204);
    assert.deepEqual(await sidecar.stop(), { code: 0, signal: null });
  });
});
