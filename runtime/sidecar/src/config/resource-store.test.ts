import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { type Clock, FakeClock, type Logger, systemClock } from '@outrigger/engine';
import { testTypes } from './compile.test.support.js';
import type { ResourceSnapshot } from './model.js';
import type { SidecarOptions } from './options.js';
import { openResourceStore, type ResourceStore } from './resource-store.js';
import { givenFlag, setUp } from './setup.js';

let folder: string;
let stores: ResourceStore[] = [];
/** Neither a watch nor a clock keeps the process alive; a test that waits for them must. */
let alive: NodeJS.Timeout;
beforeEach(() => {
  alive = setInterval(() => {}, 60_000);
  folder = mkdtempSync(path.join(os.tmpdir(), 'outrigger-resources-'));
});
afterEach(() => {
  clearInterval(alive);
  for (const store of stores) store.close();
  stores = [];
  rmSync(folder, { recursive: true, force: true });
});

const component = (name: string, more = ''): string =>
  `apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: ${name}}\nspec: {type: state.in-memory, version: v1${more}}\n`;

const write = (name: string, text: string): void => writeFileSync(path.join(folder, name), text);

function logInto(lines: string[]): Logger {
  const at =
    (level: string) =>
    (fields: object | string, sentence?: string): void => {
      lines.push(`${level}: ${typeof fields === 'string' ? fields : sentence}`);
    };
  const log: Logger = {
    trace: at('trace'),
    debug: () => {},
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    fatal: at('fatal'),
    child: () => log,
  };
  return log;
}

async function open(clock: Clock = new FakeClock(), lines: string[] = [], more: Partial<SidecarOptions> = {}) {
  const flags = new Map([['resourcesPath', givenFlag('resources-path', [folder])] as const]);
  const { options } = await setUp({
    user: 'start',
    flags,
    env: { OUTRIGGER_EMBEDDED_DEFAULTS: 'false' },
    cwd: '/',
    clock,
  });
  const store = await openResourceStore({ ...options, ...more }, { clock, log: logInto(lines), types: testTypes });
  stores.push(store);
  return store;
}

const names = (snapshot: ResourceSnapshot): string[] => snapshot.components.map(({ name }) => name);

const nextChange = (store: ResourceStore): Promise<ResourceSnapshot> =>
  new Promise((resolve) => {
    const end = store.onChange((snapshot) => {
      end();
      resolve(snapshot);
    });
  });

describe('the resource store', () => {
  it('holds what the folder holds, in the order of file names, without what is hidden or no document', async () => {
    write('b.yaml', component('b'));
    write(
      'a.json',
      JSON.stringify({
        apiVersion: 'dapr.io/v1alpha1',
        kind: 'Component',
        metadata: { name: 'a' },
        spec: { type: 'state.in-memory' },
      }),
    );
    write('.hidden.yaml', 'not: [valid');
    write('README.md', '# not a document');
    mkdirSync(path.join(folder, 'below.yaml'));
    const store = await open();
    assert.deepEqual(names(store.snapshot), ['a', 'b', 'local']);
    assert.equal(store.snapshot.version, 1);
  });

  it('refuses to open on a document that cannot be used', async () => {
    write('a.yaml', component('a', ', inittimeout: x'));
    await assert.rejects(open(), (error: Error) => {
      assert.match(error.message, /a\.yaml:4:57: spec\.initTimeout: "x" is not a duration/);
      return true;
    });
  });

  it('makes a new snapshot of a change; unchanged documents stay the very objects', async () => {
    write('a.yaml', component('a'));
    write('b.yaml', component('b'));
    const lines: string[] = [];
    const store = await open(new FakeClock(), lines);
    const { snapshot: first } = store;
    write('b.yaml', component('b', ', initTimeout: 9s'));
    // A document that only moved within its file says the same.
    write('a.yaml', `# moved\n\n${component('a')}`);
    assert.equal(await store.reload(), 'changed');
    assert.equal(store.snapshot.version, 2);
    assert.equal(store.snapshot.components[0], first.components[0]);
    assert.notEqual(store.snapshot.components[1], first.components[1]);
    assert.equal(store.snapshot.components[1]?.initTimeoutMs, 9_000);
    assert.equal(first.components[1]?.initTimeoutMs, 5_000);
    assert.deepEqual(lines, ['info: changed documents are in use']);
  });

  it('says nothing when nothing that matters changed', async () => {
    write('a.yaml', component('a'));
    const lines: string[] = [];
    const store = await open(new FakeClock(), lines);
    let changes = 0;
    store.onChange(() => changes++);
    assert.equal(await store.reload(), 'unchanged');
    write('a.yaml', `# a comment\n${component('a')}`);
    assert.equal(await store.reload(), 'unchanged');
    assert.equal(changes, 0);
    assert.deepEqual(lines, []);
  });

  it('keeps the old snapshot when a file breaks, says why once, and goes on when it is mended', async () => {
    write('a.yaml', component('a'));
    const lines: string[] = [];
    const store = await open(new FakeClock(), lines);
    write('a.yaml', 'apiVersion: [');
    assert.equal(await store.reload(), 'refused');
    assert.equal(await store.reload(), 'unchanged');
    assert.deepEqual(names(store.snapshot), ['a', 'local']);
    assert.equal(lines.length, 2);
    assert.match(lines[0] as string, /^error: .*a\.yaml:\d+:\d+: not valid YAML/);
    assert.equal(lines[1], 'error: changed documents are refused; the ones in use stay');
    write('a.yaml', component('mended'));
    assert.equal(await store.reload(), 'changed');
    assert.deepEqual(names(store.snapshot), ['mended', 'local']);
  });

  it('keeps the old snapshot when a file in use breaks, though at the start it would be left out as by Dapr', async () => {
    write('a.yaml', component('a'));
    write('b.yaml', 'apiVersion: [');
    const lines: string[] = [];
    const store = await open(new FakeClock(), lines, { personality: 'daprd' });
    assert.deepEqual(names(store.snapshot), ['a', 'local']);
    write('a.yaml', 'apiVersion: [');
    assert.equal(await store.reload(), 'refused');
    assert.deepEqual(names(store.snapshot), ['a', 'local']);
    assert.equal(lines.length, 2);
    assert.match(lines[0] as string, /^error: .*a\.yaml:\d+:\d+: not valid YAML: [^;]*$/);
    write('a.yaml', component('a', ', initTimeout: soon'));
    assert.equal(await store.reload(), 'refused');
    write('a.yaml', component('mended'));
    assert.equal(await store.reload(), 'changed');
    assert.deepEqual(names(store.snapshot), ['mended', 'local']);
  });

  it('keeps the old snapshot when the folder goes away', async () => {
    write('a.yaml', component('a'));
    const store = await open();
    renameSync(folder, `${folder}-moved`);
    assert.equal(await store.reload(), 'refused');
    assert.deepEqual(names(store.snapshot), ['a', 'local']);
    renameSync(`${folder}-moved`, folder);
    assert.equal(await store.reload(), 'unchanged');
  });

  it('reads again when asked during a reload', async () => {
    write('a.yaml', component('a'));
    const store = await open();
    write('a.yaml', component('b'));
    const first = store.reload();
    const second = store.reload();
    assert.equal(await first, await second);
    assert.deepEqual(names(store.snapshot), ['b', 'local']);
  });

  it('notices a change by itself', async () => {
    write('a.yaml', component('a'));
    const store = await open(systemClock);
    store.watch();
    const change = nextChange(store);
    write('b.yaml', component('b'));
    assert.deepEqual(names(await change), ['a', 'b', 'local']);
  });

  it('looks at the folder from time to time, because a watch can miss', async () => {
    write('a.yaml', component('a'));
    const clock = new FakeClock();
    const store = await open(clock, [], { reloadIntervalMs: 60_000 });
    store.watch();
    const change = nextChange(store);
    write('b.yaml', component('b'));
    clock.advance(60_000);
    assert.deepEqual(names(await change), ['a', 'b', 'local']);
  });

  it('does not watch when reload is off, by flag or by feature', async () => {
    write('a.yaml', component('a'));
    const clock = new FakeClock();
    (await open(clock, [], { reload: false })).watch();
    write(
      'c.yaml',
      'apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {name: c}\nspec: {features: [{name: HotReload, enabled: false}]}\n',
    );
    (await open(clock)).watch();
    assert.equal(clock.pending, 0);
  });

  it('leaves nothing pending when closed', async () => {
    write('a.yaml', component('a'));
    const clock = new FakeClock();
    const store = await open(clock);
    store.watch();
    assert.notEqual(clock.pending, 0);
    store.close();
    assert.equal(clock.pending, 0);
  });

  it('refuses files that are too large, not UTF-8, or no files', async () => {
    writeFileSync(path.join(folder, 'a.yaml'), Buffer.from([0x61, 0x3a, 0xff, 0xfe]));
    await assert.rejects(open(), /a\.yaml: the file is not UTF-8 text/);
    write('a.yaml', `a: ${'x'.repeat(1024 * 1024)}`);
    await assert.rejects(open(), /a\.yaml: the file is larger than 1048576 bytes/);
  });
});
