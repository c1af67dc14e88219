import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import {
  type Component,
  type ComponentConfig,
  type ComponentDefinition,
  ComponentError,
  type ComponentKind,
  type MetadataField,
  Secret,
} from '@outrigger/components-core';
import { FakeClock, type Logger, OutriggerError } from '@outrigger/engine';
import { DEFAULT_SOURCE } from '../config/defaults.js';
import type { ComponentDocument, ComponentMetadataEntry } from '../config/model.js';
import { MetricsRegistry } from '../telemetry/metrics.js';
import { createCatalog } from './catalog-row.js';
import { type ComponentLoader, createComponentLoader, type LoaderConfig } from './loader.js';
import type { RegistryChange } from './registry.js';

/** A component that does what the test says, and writes down what happens to it. */
class FakeComponent {
  readonly config: ComponentConfig;
  readonly events: string[] = [];
  readonly features: ReadonlySet<string> = new Set(['ETAG', 'TRANSACTIONAL']);
  readonly #open: (signal: AbortSignal) => unknown;
  drainResult: unknown;
  signal: AbortSignal | undefined;

  constructor(config: ComponentConfig, open: (signal: AbortSignal) => unknown) {
    this.config = config;
    this.#open = open;
  }

  async open(signal: AbortSignal): Promise<void> {
    this.events.push('open');
    this.signal = signal;
    await this.#open(signal);
  }

  async drain(): Promise<void> {
    this.events.push('drain');
    await this.drainResult;
  }

  close(): void {
    this.events.push('close');
  }

  health(): { ok: boolean } {
    return { ok: true };
  }

  get(name: string): Record<string, string> {
    if (name === 'missing') throw new ComponentError('not-found', 'there is no secret "missing"');
    return { password: 's3cret', [name]: 'by its name' };
  }
}

let clock: FakeClock;
let made: FakeComponent[];
let lines: string[];
let fatal: string[];
let metrics: MetricsRegistry;
/** What `open` of the next components does; the last one stays. */
let opens: ((signal: AbortSignal) => unknown)[];
let loader: ComponentLoader;
let changes: string[];

const FIELDS: readonly MetadataField[] = [
  { name: 'host', type: 'string', description: '' },
  { name: 'login', type: 'string', secret: true, description: '' },
];

function definition(kind: ComponentKind, type: string): ComponentDefinition {
  return {
    type,
    kind,
    versions: ['v1'],
    status: 'stable',
    description: '',
    metadata: FIELDS,
    create(config) {
      if (config.metadata.get('host') === 'invalid') throw new ComponentError('invalid', 'host "invalid" is not one');
      const open =
        kind === 'secretstores' && opens.length === 0 ? () => {} : opens.length > 1 ? opens.shift() : opens[0];
      const component = new FakeComponent(config, open ?? (() => {}));
      made.push(component);
      return component as unknown as Component;
    },
  };
}

const row = (kind: ComponentKind, type: string) => ({
  type,
  kind,
  aliases: [],
  versions: ['v1'],
  package: 'fake',
  status: 'stable' as const,
  description: '',
  load: async () => definition(kind, type),
});

const catalog = createCatalog([
  row('state', 'state.fake'),
  row('pubsub', 'pubsub.fake'),
  row('secretstores', 'secretstores.fake'),
]);

function logger(): Logger {
  const at =
    (level: string) =>
    (fields: object | string, sentence?: string): void => {
      lines.push(`${level}: ${typeof fields === 'string' ? fields : sentence}`);
    };
  const log: Logger = {
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    fatal: at('fatal'),
    child: () => log,
  };
  return log;
}

function create(more: Partial<LoaderConfig> = {}): ComponentLoader {
  loader = createComponentLoader(
    {
      appId: 'shop',
      namespace: 'prod',
      instanceId: 'i1',
      sharedDir: '/shared',
      env: { DB_HOST: 'db.internal', DAPR_API_TOKEN: 'no', POD_NAME: 'pod-1' },
      unhealthyInitFatal: false,
      drainMs: 5_000,
      ...more,
    },
    { clock, log: logger(), metrics, catalog, onFatal: (error) => fatal.push(error.message) },
  );
  loader.onChange(({ kind, name, what }: RegistryChange) => changes.push(`${kind} ${name} ${what}`));
  return loader;
}

beforeEach(() => {
  clock = new FakeClock();
  made = [];
  lines = [];
  fatal = [];
  opens = [];
  changes = [];
  metrics = new MetricsRegistry();
});

const entry = (name: string, more: Partial<ComponentMetadataEntry>): ComponentMetadataEntry => ({
  name,
  value: undefined,
  secretKeyRef: undefined,
  envRef: undefined,
  origin: { source: 'state.yaml', line: 7, column: 5 },
  ...more,
});

const document = (more: Partial<ComponentDocument> = {}): ComponentDocument => ({
  kind: 'Component',
  name: 'statestore',
  namespace: undefined,
  origin: { source: 'state.yaml', line: 1, column: 1 },
  dialect: 'dapr',
  scopes: [],
  type: 'state.fake',
  version: 'v1',
  ignoreErrors: false,
  initTimeoutMs: 5_000,
  metadata: [],
  secretStore: undefined,
  ...more,
});

/** Lets everything that waits only for promises happen. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Time passes in small steps, with room for promises between them. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 50) {
    clock.advance(50);
    await turn();
  }
}

const state = () => {
  const found = loader.find('state', 'statestore');
  assert.ok(found !== undefined);
  return found;
};

const failing = (message: string) => () => {
  throw new Error(message);
};

describe('a component that opens', () => {
  it('is waited for, then answers without a promise', async () => {
    let opened = (): void => {};
    opens = [() => new Promise<void>((resolve) => (opened = resolve))];
    create().apply({ components: [document()] });
    const waiting = state().ready();
    assert.ok(waiting instanceof Promise);
    assert.equal(state().stage, 'opening');
    await turn();
    opened();
    assert.equal(await waiting, made[0]);
    assert.equal(state().ready(), made[0]);
    assert.equal(state().stage, 'ready');
    assert.deepEqual(changes, ['state statestore ready']);
    assert.deepEqual(lines, ['info: Component loaded: statestore (state.fake/v1)']);
    assert.equal(clock.pending, 0);
  });

  it('says what it is and can', async () => {
    create().apply({
      components: [
        document({
          metadata: [entry('KEYPREFIX', { value: 'name' }), entry('host', { value: 'h' })],
          origin: { source: DEFAULT_SOURCE },
        }),
      ],
    });
    await loader.settled();
    const { name, type, version, dialect, embedded, capabilities, metadata } = state();
    assert.deepEqual([name, type, version, dialect, embedded], ['statestore', 'state.fake', 'v1', 'dapr', true]);
    assert.deepEqual(capabilities, ['ETAG', 'TRANSACTIONAL', 'ACTOR']);
    assert.deepEqual([...metadata], [['keyPrefix', 'name']]);
    assert.deepEqual(loader.listKind('pubsub'), []);
    assert.equal(loader.find('pubsub', 'statestore'), undefined);
  });

  it('takes keyPrefix exactly when it was declared by Layotto', async () => {
    const metadata = [entry('keyprefix', { value: 'name' })];
    create().apply({ components: [document({ dialect: 'layotto', metadata })] });
    await loader.settled();
    assert.deepEqual([...state().metadata], []);
  });

  it("is counted under Dapr's names", async () => {
    create().apply({ components: [document()] });
    await loader.settled();
    assert.match(metrics.text(), /dapr_runtime_component_loaded\{app_id="shop"\} 1/);
    assert.match(metrics.text(), /dapr_runtime_component_init_total\{app_id="shop",component="state.fake"\} 1/);
  });
});

describe('a component that does not open', () => {
  it('is tried again in the background; calls wait for initTimeout, then fail naming it and the last error', async () => {
    opens = [failing('connection refused')];
    create().apply({ components: [document()] });
    const waiting = Promise.resolve(state().ready());
    await turn();
    assert.match(
      lines[0] as string,
      /^warn: Failed to init component statestore \(state\.fake\/v1\): connection refused; next attempt in 0\.[2-5] s$/,
    );
    assert.equal(state().stage, 'opening');
    clock.advance(5_000);
    await assert.rejects(waiting, (error: unknown) => {
      assert.ok(error instanceof OutriggerError);
      assert.equal(error.code, 'COMPONENT_NOT_READY');
      assert.equal(error.message, 'component statestore (state.fake) is not ready: connection refused');
      return true;
    });
    assert.equal(state().stage, 'failed');
    assert.equal(state().lastError, 'connection refused');
    assert.throws(() => state().ready(), /is not ready: connection refused/);
    assert.deepEqual(changes, ['state statestore failed']);
    assert.deepEqual(fatal, []);
  });

  it('is ready when a later attempt succeeds; every attempt has an instance of its own, the failed ones closed', async () => {
    opens = [failing('one'), failing('two'), () => {}];
    create().apply({ components: [document({ initTimeoutMs: 600 })] });
    await turn();
    await pass(600);
    assert.equal(state().stage, 'failed');
    await pass(1_000);
    assert.equal(state().stage, 'ready');
    assert.equal(state().lastError, undefined);
    assert.deepEqual(
      made.map(({ events }) => events),
      [['open', 'close'], ['open', 'close'], ['open']],
    );
    assert.deepEqual(changes, ['state statestore failed', 'state statestore ready']);
    assert.match(
      metrics.text(),
      /init_fail_total\{app_id="shop",component="state.fake",componentName="statestore",reason="init"\} 2/,
    );
  });

  it('pauses longer after each attempt, up to half a minute, never in step', async () => {
    opens = [failing('no')];
    create().apply({ components: [document()] });
    const pauses: number[] = [];
    for (let i = 0; i < 9; i++) {
      await turn();
      pauses.push(Number(/in ([\d.]+) s/.exec(lines.filter((line) => line.startsWith('warn')).at(-1) as string)?.[1]));
      clock.advance(30_000);
    }
    for (const [i, pause] of pauses.entries()) {
      const ceiling = Math.min(30, 0.5 * 2 ** i);
      assert.ok(pause >= ceiling / 2 - 0.05 && pause <= ceiling + 0.05, `pause ${i} is ${pause}`);
    }
    assert.equal(new Set(pauses.map((pause, i) => (pause / Math.min(30, 0.5 * 2 ** i)).toFixed(2))).size > 3, true);
  });

  it('is given up within initTimeout when it hangs, and closed when it comes up after all', async () => {
    let opened = (): void => {};
    opens = [() => new Promise<void>((resolve) => (opened = resolve)), () => {}];
    create().apply({ components: [document()] });
    await turn();
    clock.advance(5_000);
    await turn();
    assert.equal(made[0]?.signal?.aborted, true);
    assert.equal(state().lastError, 'init timeout for component statestore (state.fake/v1)');
    clock.advance(500);
    await turn();
    assert.equal(state().ready(), made[1]);
    opened();
    await turn();
    assert.deepEqual(made[0]?.events, ['open', 'close']);
    assert.equal(state().ready(), made[1]);
  });

  it('holds `settled` up for its initTimeout at most', async () => {
    opens = [() => new Promise(() => {})];
    create().apply({ components: [document(), document({ name: 'other', initTimeoutMs: 1_000 })] });
    let settled = false;
    void loader.settled().then(() => (settled = true));
    await turn();
    clock.advance(1_000);
    await turn();
    assert.equal(settled, false);
    clock.advance(4_000);
    await turn();
    assert.equal(settled, true);
  });

  it('ends the process when it can never work, whoever we are', async () => {
    create().apply({ components: [document({ metadata: [entry('host', { value: 'invalid' })] })] });
    await loader.settled();
    assert.deepEqual(fatal, ['component statestore (state.fake/v1) cannot work: host "invalid" is not one']);
    assert.equal(clock.pending, 0);
    assert.equal(state().stage, 'failed');
  });

  it('does not end the process with ignoreErrors, or when it came by a reload', async () => {
    const metadata = [entry('host', { value: 'invalid' })];
    create().apply({ components: [document({ ignoreErrors: true, metadata })] });
    await loader.settled();
    loader.apply({ components: [document({ name: 'later', metadata })] });
    await loader.settled();
    assert.deepEqual(fatal, []);
  });
});

describe('a component under daprd', () => {
  it("ends the process in Dapr's words when it is not up after initTimeout", async () => {
    opens = [failing('connection refused')];
    create({ unhealthyInitFatal: true }).apply({ components: [document(), document({ name: 'second' })] });
    await turn();
    clock.advance(5_000);
    assert.deepEqual(fatal, [
      'process component statestore error: [INIT_COMPONENT_FAILURE]: initialization error occurred for statestore (state.fake/v1): ' +
        '[INIT_COMPONENT_FAILURE]: initialization error occurred for statestore (state.fake/v1): connection refused',
    ]);
  });

  it('ends the process at once when there is no such type', async () => {
    create({ unhealthyInitFatal: true }).apply({ components: [document({ type: 'state.redis' })] });
    await loader.settled();
    assert.match(fatal[0] as string, /\[CREATE_COMPONENT_FAILURE\]: .*: couldn't find state store state\.redis\/v1$/);
    assert.match(metrics.text(), /init_fail_total\{.*reason="creation"\} 1/);
  });

  it('names a kind that is none as an incorrect type', async () => {
    create({ unhealthyInitFatal: true }).apply({ components: [document({ type: 'foo.bar' })] });
    assert.match(fatal[0] as string, /incorrect type foo\.bar$/);
  });

  it('is not there when it failed and has ignoreErrors, until a later attempt succeeds', async () => {
    opens = [failing('no'), () => {}];
    create({ unhealthyInitFatal: true }).apply({ components: [document({ ignoreErrors: true, initTimeoutMs: 100 })] });
    await turn();
    clock.advance(100);
    await turn();
    assert.deepEqual(fatal, []);
    assert.equal(loader.find('state', 'statestore'), undefined);
    assert.equal(loader.list()[0]?.stage, 'failed');
    await pass(500);
    assert.equal(state().stage, 'ready');
  });

  it('waits for a secret store that nobody declared without ending the process', async () => {
    const metadata = [entry('login', { secretKeyRef: { name: 'db', key: 'password' } })];
    create({ unhealthyInitFatal: true }).apply({ components: [document({ metadata, secretStore: 'vault' })] });
    await turn();
    clock.advance(5_000);
    await turn();
    assert.deepEqual(fatal, []);
    assert.match(lines.join('\n'), /Component statestore references a secret store that isn't loaded: vault/);
  });
});

describe('metadata of a component', () => {
  const values = (): unknown[] =>
    [...(made.at(-1)?.config.metadata ?? [])].map(([name, value]) => [
      name,
      value instanceof Secret ? ['secret', value.reveal()] : value,
    ]);

  it('comes from the document, the environment and secrets, with templates filled', async () => {
    const vault = document({ name: 'vault', type: 'secretstores.fake' });
    const metadata = [
      entry('host', { envRef: 'DB_HOST' }),
      entry('login', { secretKeyRef: { name: 'db', key: 'password' } }),
      entry('client', { value: '{appID}@{namespace}/{podName}' }),
      entry('id', { value: '{uuid}-{uuid}' }),
      entry('token', { envRef: 'DAPR_API_TOKEN' }),
    ];
    create().apply({ components: [document({ metadata, secretStore: 'vault' }), vault] });
    await loader.settled();
    const [host, login, client, id, token] = values() as [unknown, unknown, unknown, [string, string], unknown];
    assert.deepEqual(host, ['host', 'db.internal']);
    assert.deepEqual(login, ['login', ['secret', 's3cret']]);
    assert.deepEqual(client, ['client', 'shop@prod.shop/pod-1']);
    assert.match(id[1], /^[0-9a-f-]{36}-[0-9a-f-]{36}$/);
    assert.notEqual(id[1].slice(0, 36), id[1].slice(37));
    assert.deepEqual(token, ['token', '']);
    assert.ok(
      lines.includes("warn: Component statestore references an env variable that isn't allowed: DAPR_API_TOKEN"),
    );
    assert.doesNotMatch(lines.join('\n'), /s3cret/);
  });

  it('waits for the secret store, however long it takes, and then does not wait for its own next attempt', async () => {
    opens = [failing('vault is sealed'), () => {}];
    const vault = document({ name: 'vault', type: 'secretstores.fake', initTimeoutMs: 100 });
    const metadata = [entry('login', { secretKeyRef: { name: 'db', key: 'password' } })];
    create().apply({ components: [document({ metadata, secretStore: 'vault', initTimeoutMs: 100 }), vault] });
    await turn();
    clock.advance(100);
    await turn();
    assert.equal(state().stage, 'failed');
    clock.advance(400);
    await turn();
    await turn();
    assert.equal(loader.find('secretstores', 'vault')?.stage, 'ready');
    assert.equal(state().stage, 'ready');
  });

  it('fails on a secret that is not there, naming it', async () => {
    const vault = document({ name: 'vault', type: 'secretstores.fake' });
    const withSecret = (name: string, key: string) =>
      document({ metadata: [entry('login', { secretKeyRef: { name, key } })], secretStore: 'vault' });
    create().apply({ components: [vault, withSecret('missing', 'x')] });
    await turn();
    assert.equal(state().lastError, 'there is no secret "missing"');
    loader.apply({ components: [vault, withSecret('db', 'user')] });
    await turn();
    assert.equal(state().lastError, 'the secret "db" of vault has no key "user" for "login"');
  });

  it('goes on without a missing secret under daprd, as Dapr does', async () => {
    const vault = document({ name: 'vault', type: 'secretstores.fake' });
    const metadata = [entry('login', { secretKeyRef: { name: 'missing', key: 'x' } })];
    create({ unhealthyInitFatal: true }).apply({ components: [vault, document({ metadata, secretStore: 'vault' })] });
    await loader.settled();
    assert.equal(state().stage, 'ready');
    assert.ok(lines.includes('error: Error getting secret: there is no secret "missing"'));
  });

  it('names what the component does not know, once', async () => {
    opens = [failing('no')];
    const metadata = [
      entry('hots', { value: 'h' }),
      entry('keyPrefix', { value: 'none' }),
      entry('zzz', { value: '1' }),
    ];
    create().apply({ components: [document({ metadata })] });
    await turn();
    clock.advance(1_000);
    await turn();
    assert.deepEqual(
      lines.filter((line) => line.includes('has no metadata')),
      [
        'warn: state.yaml:7:5: state.fake has no metadata "hots"; did you mean "host"?',
        'warn: state.yaml:7:5: state.fake has no metadata "zzz"',
      ],
    );
  });

  it('gives brokers the app id to consume with', async () => {
    create().apply({ components: [document({ name: 'bus', type: 'pubsub.fake' })] });
    await loader.settled();
    assert.equal(loader.find('pubsub', 'bus')?.metadata.get('consumerID'), 'shop');
  });
});

describe('a change of documents', () => {
  it('leaves components alone whose document stays', async () => {
    const same = document();
    create().apply({ components: [same] });
    await loader.settled();
    loader.apply({ components: [same] });
    await turn();
    assert.equal(made.length, 1);
    assert.deepEqual(made[0]?.events, ['open']);
  });

  it('brings the new instance up before the old one drains', async () => {
    create().apply({ components: [document()] });
    await loader.settled();
    const before = state();
    let opened = (): void => {};
    opens = [() => new Promise<void>((resolve) => (opened = resolve))];
    loader.apply({ components: [document({ version: 'v1', metadata: [entry('keyPrefix', { value: 'name' })] })] });
    await turn();
    assert.equal(state(), before);
    assert.equal(state().ready(), made[0]);
    assert.deepEqual(made[0]?.events, ['open']);
    assert.equal(state().metadata.get('keyPrefix'), undefined);
    opened();
    await turn();
    assert.equal(state().ready(), made[1]);
    assert.equal(state().metadata.get('keyPrefix'), 'name');
    assert.deepEqual(made[0]?.events, ['open', 'drain', 'close']);
    assert.deepEqual(changes, ['state statestore ready', 'state statestore ready']);
  });

  it('keeps the old instance while the new one cannot open, and says so', async () => {
    create().apply({ components: [document()] });
    await loader.settled();
    opens = [failing('wrong password'), () => {}];
    loader.apply({ components: [document({ metadata: [entry('host', { value: 'x' })] })] });
    await turn();
    clock.advance(100);
    assert.equal(state().ready(), made[0]);
    assert.equal(state().stage, 'ready');
    assert.equal(state().lastError, 'wrong password');
    assert.match(lines.at(-1) as string, /wrong password; the one in use goes on; next attempt in/);
    clock.advance(5_000);
    await turn();
    assert.equal(state().ready(), made[2]);
    assert.deepEqual(made[0]?.events, ['open', 'drain', 'close']);
  });

  it('gives up on a change that is taken back before it took effect', async () => {
    const first = document();
    create().apply({ components: [first] });
    await loader.settled();
    opens = [() => new Promise(() => {})];
    loader.apply({ components: [document({ initTimeoutMs: 1 })] });
    await turn();
    loader.apply({ components: [first] });
    await turn();
    assert.equal(made[1]?.signal?.aborted, true);
    assert.equal(state().ready(), made[0]);
    assert.equal(clock.pending, 0);
  });

  it('drains and closes what is removed, and nobody finds it any more', async () => {
    create().apply({ components: [document()] });
    await loader.settled();
    const held = state();
    loader.apply({ components: [] });
    assert.equal(loader.find('state', 'statestore'), undefined);
    assert.throws(() => held.ready(), /component statestore \(state\.fake\) is closed/);
    assert.equal(held.stage, 'draining');
    await turn();
    assert.deepEqual(made[0]?.events, ['open', 'drain', 'close']);
    assert.equal(held.stage, 'closed');
    assert.deepEqual(changes, ['state statestore ready', 'state statestore removed']);
  });

  it('refuses those who wait for what is removed', async () => {
    opens = [() => new Promise(() => {})];
    create().apply({ components: [document()] });
    const waiting = Promise.resolve(state().ready());
    await turn();
    loader.apply({ components: [] });
    await assert.rejects(waiting, /is closed: it was removed/);
    assert.equal(clock.pending, 0);
  });

  it('leaves an instance behind that does not drain in time', async () => {
    create().apply({ components: [document()] });
    await loader.settled();
    (made[0] as FakeComponent).drainResult = new Promise(() => {});
    loader.apply({ components: [] });
    await turn();
    assert.deepEqual(made[0]?.events, ['open', 'drain']);
    clock.advance(5_000);
    await turn();
    assert.deepEqual(made[0]?.events, ['open', 'drain', 'close']);
    assert.ok(lines.includes('warn: Component statestore (state.fake/v1) has not drained in time'));
  });
});

describe('the end', () => {
  it('drains everything, then closes it, secret stores last; nothing is left pending', async () => {
    const order: string[] = [];
    const vault = document({ name: 'vault', type: 'secretstores.fake' });
    create().apply({ components: [vault, document(), document({ name: 'bus', type: 'pubsub.fake' })] });
    await loader.settled();
    for (const component of made) component.close = () => order.push(component.config.name) as never;
    await loader.drain(clock.now() + 5_000);
    for (const component of made) assert.deepEqual(component.events, ['open', 'drain']);
    await loader.close();
    assert.deepEqual(order, ['bus', 'statestore', 'vault']);
    assert.equal(clock.pending, 0);
    assert.throws(() => state().ready(), /is closed/);
  });

  it('does not wait for what is still opening', async () => {
    opens = [() => new Promise(() => {})];
    create().apply({ components: [document()] });
    await turn();
    await loader.drain(clock.now() + 5_000);
    await loader.close();
    assert.equal(made[0]?.signal?.aborted, true);
    assert.equal(clock.pending, 0);
  });
});

describe('health', () => {
  it('asks those that are ready and says why the others are not', async () => {
    create().apply({ components: [document(), document({ name: 'slow' }), document({ name: 'dead' })] });
    await loader.settled();
    opens = [failing('down')];
    loader.apply({
      components: [
        ...loader.list().map((slot) => (slot as unknown as { document: ComponentDocument }).document),
        document({ name: 'late' }),
      ],
    });
    await turn();
    (made[1] as FakeComponent).health = () => new Promise(() => {}) as never;
    (made[2] as FakeComponent).health = () => {
      throw new Error('disk full');
    };
    const asked = loader.health();
    clock.advance(3_000);
    const reports = await asked;
    assert.deepEqual(
      reports.map(({ name, stage, ok, reason }) => [name, stage, ok, reason]),
      [
        ['statestore', 'ready', true, undefined],
        ['slow', 'ready', false, 'it did not answer in time'],
        ['dead', 'ready', false, 'disk full'],
        ['late', 'opening', false, 'down'],
      ],
    );
  });
});
