import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Secret } from '@outrigger/components-core';
import { compileTexts } from './compile.test.support.js';

function file(grpcConfig: object, more: object = {}): string {
  const filter = { type: 'grpc', config: { server_name: 'runtime', grpc_config: grpcConfig } };
  const listener = { name: 'grpc', address: '127.0.0.1:34904', filter_chains: [{ filters: [filter] }] };
  return JSON.stringify({ servers: [{ default_log_path: 'stdout', listeners: [listener] }], ...more }, null, 2);
}

const compile = (text: string) => compileTexts({}, { personality: 'layotto' }, { layotto: text });

describe("Layotto's JSON", () => {
  it('declares components in the dialect layotto, by section', async () => {
    const { documents, problems } = await compile(
      file({
        state: { redis: { type: 'in-memory', metadata: { keyPrefix: 'name' } } },
        pub_subs: { redis: { type: 'in-memory', metadata: { consumerID: '1' } } },
        config_store: { config_demo: { type: 'in-memory', address: ['127.0.0.1:2379', 'b:1'], timeout: '10' } },
        lock: { lock_demo: { type: 'in-memory', metadata: {} } },
        sequencer: { sequencer_demo: { type: 'in-memory', biggerThan: { order: 100 }, metadata: {} } },
        secret_store: { 'local.file': { type: 'local.file', metadata: { secretsFile: 'secrets.json' } } },
        app: { app_id: 'app1', grpc_callback_port: 9999 },
      }),
    );
    assert.deepEqual(problems, []);
    assert.deepEqual(
      documents.components.map(({ name, type, dialect, metadata }) => [
        name,
        type,
        dialect,
        Object.fromEntries(metadata.map((entry) => [entry.name, entry.value])),
      ]),
      [
        ['redis', 'state.in-memory', 'layotto', { keyPrefix: 'name' }],
        ['redis', 'pubsub.in-memory', 'layotto', { consumerID: '1' }],
        ['config_demo', 'configuration.in-memory', 'layotto', { address: '127.0.0.1:2379,b:1', timeout: '10' }],
        ['lock_demo', 'lock.in-memory', 'layotto', {}],
        ['sequencer_demo', 'sequencer.in-memory', 'layotto', { biggerThan: '{"order":100}' }],
        ['local.file', 'secretstores.local.file', 'layotto', { secretsFile: 'secrets.json' }],
        ['local', 'nameresolution.local', 'dapr', {}],
      ],
    );
  });

  it('injects secrets of any store', async () => {
    const secret_ref = [
      { store_name: 'vault', key: 'db', sub_key: 'password', inject_as: 'redisPassword' },
      { store_name: 'vault', key: 'db:user' },
    ];
    const { documents, problems } = await compile(
      file({
        state: { s: { type: 'in-memory', metadata: { redisPassword2: 'planted' }, secret_ref } },
        secret_store: { vault: { type: 'local.env', metadata: {} } },
      }),
    );
    assert.deepEqual(problems, []);
    const [state] = documents.components;
    assert.ok(state?.metadata[0]?.value instanceof Secret);
    assert.deepEqual(
      state.metadata.slice(1).map(({ name, secretKeyRef }) => [name, secretKeyRef]),
      [
        ['redisPassword', { name: 'db', key: 'password', store: 'vault' }],
        ['db:user', { name: 'db:user', key: 'db:user', store: 'vault' }],
      ],
    );
  });

  it('names everything that is not read yet', async () => {
    const { problems, refused } = await compile(
      file({ rpcs: {}, file: {}, state: {} }, { tracing: {}, dynamic_resources: {}, metrics: {} }),
    );
    assert.equal(refused, false);
    assert.deepEqual(
      problems.map((problem) => problem.replace(/^layotto\.json:\d+:\d+: /, '')),
      [
        'note: tracing is not read yet',
        'note: dynamic_resources is not read yet',
        'note: grpc_config.rpcs is not read yet',
        'note: grpc_config.file is not read yet',
      ],
    );
  });

  it('names the section that was probably meant', async () => {
    const { problems } = await compile(file({ lokc: {}, pub_sub: {} }));
    assert.deepEqual(problems, [
      'layotto.json:17:23: warning: grpc_config.lokc is not read; did you mean "lock"?',
      'layotto.json:18:23: warning: grpc_config.pub_sub is not read; did you mean "pub_subs"?',
    ]);
  });

  it('is refused when a component does not exist, naming it and the place', async () => {
    const { problems } = await compile(file({ state: { s: { type: 'in-memroy', metadata: {} } } }));
    assert.deepEqual(problems, [
      'layotto.json:19:35: error: there is no component type "state.in-memroy"; did you mean "state.in-memory"?',
    ]);
  });

  it('is refused when it has no runtime part', async () => {
    const { problems } = await compile('{"servers": []}');
    assert.match(problems[0] as string, /^layotto\.json:1:1: error: no listener has a filter of type "grpc"/);
  });

  it('may not declare what a folder declares', async () => {
    const text = 'apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: s}\nspec: {type: state.in-memory}\n';
    const layotto = file({ state: { s: { type: 'in-memory', metadata: {} } } });
    const { problems } = await compileTexts({ 's.yaml': text }, { personality: 'layotto' }, { layotto });
    assert.match(problems[0] as string, /component "s" \(state\.in-memory\) is declared twice; first at s\.yaml:1:1$/);
  });
});
