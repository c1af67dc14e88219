/** The packages as they would be published: packed, installed into an empty folder, run by npx. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { freePort } from '../harness/ports.js';
import { runToEnd, startProcess } from '../harness/process.js';
import { repositoryRoot, scratchDir } from '../harness/sidecar.js';

const PACKAGES = [
  'proto',
  'components/core',
  'components/memory',
  'components/local',
  'runtime/engine',
  'runtime/sidecar',
  'sdks/typescript',
];
const NPM = ['--no-audit', '--no-fund', '--loglevel=error'];

describe('the packed packages', () => {
  it('install into an empty folder and run', { timeout: 240_000 }, async () => {
    const tarballs = scratchDir('pack');
    const args = PACKAGES.flatMap((path) => ['--workspace', path]);
    await runToEnd('npm', ['pack', ...NPM, '--pack-destination', tarballs, ...args], { cwd: repositoryRoot });
    const dir = scratchDir('install');
    const dependencies = Object.fromEntries(
      PACKAGES.map((path) => {
        const { name, version } = JSON.parse(readFileSync(join(repositoryRoot, path, 'package.json'), 'utf8'));
        return [name, `file:${join(tarballs, `${name.replace('@', '').replace('/', '-')}-${version}.tgz`)}`];
      }),
    );
    writeFileSync(
      join(dir, 'package.json'),
      JSON.stringify({ name: 'empty', private: true, type: 'module', dependencies }),
    );
    await runToEnd('npm', ['install', ...NPM], { cwd: dir, timeoutMs: 180_000 });

    assert.match(await runToEnd('npx', ['--no', 'outrigger', '--version'], { cwd: dir }), /\d+\.\d+\.\d+/);

    const port = await freePort();
    writeFileSync(
      join(dir, 'app.mjs'),
      `import { createClient } from '@outrigger/sdk';
const client = createClient();
await client.waitForSidecar();
await client.state().save('key', { packed: true });
console.log('read back', JSON.stringify((await client.state().get('key')).value));
await client.close();
`,
    );
    const run = [
      '--no',
      'outrigger',
      'run',
      '--app-id',
      'packed',
      '--dapr-http-port',
      String(port),
      '--',
      process.execPath,
      'app.mjs',
    ];
    const actor = startProcess('npx', run, { cwd: dir, env: { OUTRIGGER_HOME: scratchDir('home') } });
    await actor.line(/read back \{"packed":true\}/);
    const { code } = await actor.exited;
    assert.equal(code, 0, actor.output);
  });
});
