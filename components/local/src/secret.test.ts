import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ComponentError, type SecretStore } from '@outrigger/components-core';
import { createManualClock, secretConformance, testConfig, testDeps } from '@outrigger/components-core/conformance';
import { secretstoresLocalEnv } from './secret-env.js';
import { secretstoresLocalFile } from './secret-file.js';

const deps = testDeps(createManualClock());
const signal = new AbortController().signal;
let folder = '';

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'outrigger-secret-'));
});
after(() => rm(folder, { recursive: true }));

async function file(content: unknown, name = 'secrets.json'): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

async function fileStore(content: unknown, metadata: Record<string, string> = {}): Promise<SecretStore> {
  const secretsFile = await file(content);
  const store = secretstoresLocalFile.create(testConfig('secretstores.local.file', { secretsFile, ...metadata }), deps);
  await store.open(signal);
  return store;
}

const nested = { plain: 'p', redis: { host: 'h', auth: { password: 's', port: 6379 } }, list: ['a', true] };

secretConformance(
  'secretstores.local.file',
  async () => {
    const component = await fileStore(nested);
    return { component, advance: () => {}, close: () => component.close() };
  },
  {
    expected: {
      plain: { plain: 'p' },
      'redis:host': { 'redis:host': 'h' },
      'redis:auth:password': { 'redis:auth:password': 's' },
      'redis:auth:port': { 'redis:auth:port': '6379' },
      'list:0': { 'list:0': 'a' },
      'list:1': { 'list:1': 'true' },
    },
    missing: 'not-found',
  },
);

secretConformance(
  'secretstores.local.file, multi-valued',
  async () => {
    const component = await fileStore(nested, { multiValued: 'true', nestedSeparator: '.' });
    return { component, advance: () => {}, close: () => component.close() };
  },
  {
    expected: { plain: { plain: 'p' }, redis: { host: 'h', 'auth.password': 's', 'auth.port': '6379' } },
    missing: 'not-found',
  },
);

secretConformance(
  'secretstores.local.env',
  () => {
    process.env['CONFORMANCE_SECRET_ONE'] = '1';
    const component = secretstoresLocalEnv.create(
      testConfig('secretstores.local.env', { prefix: 'CONFORMANCE_SECRET_' }),
      deps,
    );
    return { component, advance: () => {}, close: () => void delete process.env['CONFORMANCE_SECRET_ONE'] };
  },
  { expected: { ONE: { ONE: '1' } }, missing: 'empty' },
);

describe('secretstores.local.env', () => {
  it('never answers the variables of the sidecar itself', async () => {
    const forbidden = ['APP_API_TOKEN', 'dapr_api_token', 'DAPR_API_TOKEN', 'OUTRIGGER_ADMIN_TOKEN'];
    for (const name of forbidden) process.env[name] = 'canary';
    try {
      const store = secretstoresLocalEnv.create(testConfig('secretstores.local.env'), deps);
      for (const name of forbidden) assert.deepEqual({ ...(await store.get(name, {})) }, { [name]: '' });
      assert.ok(!JSON.stringify(await store.bulkGet({})).includes('canary'));
      const prefixed = secretstoresLocalEnv.create(testConfig('secretstores.local.env', { prefix: 'DAPR_' }), deps);
      assert.deepEqual({ ...(await prefixed.get('API_TOKEN', {})) }, { API_TOKEN: '' });
      assert.deepEqual({ ...(await prefixed.bulkGet({})) }, {});
    } finally {
      for (const name of forbidden) delete process.env[name];
    }
  });
});

describe('secretstores.local.file', () => {
  const refusal = async (secretsFile: string | undefined, reason: RegExp): Promise<void> => {
    const metadata: Record<string, string> = secretsFile === undefined ? {} : { secretsFile };
    const store = secretstoresLocalFile.create(testConfig('secretstores.local.file', metadata), deps);
    await assert.rejects(
      async () => store.open(signal),
      (error) => error instanceof ComponentError && error.kind === 'invalid' && reason.test(error.message),
    );
  };

  it('refuses a path with .. and a link that leads out of its folder, and follows one that stays inside', async () => {
    const inside = join(folder, 'inside');
    await mkdir(join(inside, '..data'), { recursive: true });
    await file({ a: 'outside' }, 'outside.json');
    await writeFile(join(inside, '..data', 'secrets.json'), '{"a":"inside"}');
    await symlink(join('..data', 'secrets.json'), join(inside, 'good.json'));
    await symlink(join(folder, 'outside.json'), join(inside, 'bad.json'));
    await refusal(`${inside}/../outside.json`, /contains '\.\.'/);
    await refusal(join(inside, 'bad.json'), /leads out/);
    const store = secretstoresLocalFile.create(
      testConfig('secretstores.local.file', { secretsFile: join(inside, 'good.json') }),
      deps,
    );
    await store.open(signal);
    assert.deepEqual({ ...(await store.get('a', {})) }, { a: 'inside' });
  });

  it('says what is wrong with the file, and quotes nothing of it', async () => {
    await refusal(undefined, /missing local secrets file in metadata/);
    await refusal(join(folder, 'absent.json'), /ENOENT/);
    await refusal(await file('{"password": "canary" nonsense', 'broken.json'), /^(?!.*canary).*not valid JSON$/);
    await refusal(await file('["canary"]', 'list.json'), /does not hold a JSON object/);
    await refusal(await file(' '.repeat(5 * 1024 * 1024), 'large.json'), /at most/);
    let deep: unknown = 'x';
    for (let level = 0; level < 100; level++) deep = { deep };
    await refusal(await file(deep, 'deep.json'), /nested deeper/);
  });
});
