import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compileTexts } from './compile.test.support.js';

const V1 = `apiVersion: dapr.io/v1alpha1
kind: Subscription
metadata: {name: orders}
spec:
  pubsubname: pubsub
  topic: orders
  route: /orders
  deadLetterTopic: dead
  bulkSubscribe: {enabled: true, maxMessagesCount: 10}
  metadata: {rawPayload: true}
`;

const V2 = `apiVersion: dapr.io/v2alpha1
kind: Subscription
metadata: {name: orders}
spec:
  pubsubname: pubsub
  topic: orders
  routes:
    rules:
      - match: event.type == "a"
        path: /a
      - match: event.type == "b"
        path: /b
    default: /rest
`;

describe('kind Subscription', () => {
  it('v1alpha1 has one route', async () => {
    const { documents, problems } = await compileTexts({ 's.yaml': V1 });
    assert.deepEqual(problems, []);
    assert.deepEqual(documents.subscriptions[0]?.subscription, {
      pubsubName: 'pubsub',
      topic: 'orders',
      metadata: { rawPayload: 'true' },
      rules: [],
      defaultPath: '/orders',
      deadLetterTopic: 'dead',
      bulk: { messagesMax: 10, awaitMs: 1000 },
    });
  });

  it('v2alpha1 has rules in order and a default', async () => {
    const { documents, problems } = await compileTexts({ 's.yaml': V2 });
    assert.deepEqual(problems, []);
    const { rules, defaultPath } = documents.subscriptions[0]?.subscription ?? {};
    assert.deepEqual(rules, [
      { match: 'event.type == "a"', path: '/a' },
      { match: 'event.type == "b"', path: '/b' },
    ]);
    assert.equal(defaultPath, '/rest');
  });

  it('takes a rule without match for the default, and says that nothing after it is reached', async () => {
    const text = V2.replace('match: event.type == "a"', 'match: ""');
    const { documents, problems } = await compileTexts({ 's.yaml': text });
    assert.deepEqual(problems, [
      's.yaml:11:9: warning: spec.routes.rules[1] is never reached: a rule without match comes before it',
    ]);
    assert.deepEqual(documents.subscriptions[0]?.subscription.rules, []);
    assert.equal(documents.subscriptions[0]?.subscription.defaultPath, '/a');
  });

  it('takes pubsubName as Go does, and says how it is written', async () => {
    const { documents, problems } = await compileTexts({ 's.yaml': V1.replace('pubsubname', 'pubsubName') });
    assert.deepEqual(problems, [
      's.yaml:5:3: warning: the key "pubsubName" is written "pubsubname"; it is taken for that',
    ]);
    assert.equal(documents.subscriptions[0]?.subscription.pubsubName, 'pubsub');
  });

  it('reports routes under v1alpha1 and a missing topic', async () => {
    const { problems } = await compileTexts({
      's.yaml': V2.replace('v2alpha1', 'v1alpha1').replace('  topic: orders\n', ''),
    });
    assert.deepEqual(problems, [
      's.yaml:5:3: error: spec.topic is missing',
      's.yaml:5:3: error: spec.route is missing',
      's.yaml:6:3: error: unknown key "routes" in spec; did you mean "route"?',
    ]);
  });
});

describe('kind HTTPEndpoint', () => {
  const ENDPOINT = `apiVersion: dapr.io/v1alpha1
kind: HTTPEndpoint
metadata: {name: github}
spec:
  baseUrl: https://api.example.com
  headers:
    - {name: Accept-Language, value: en}
    - {name: X-Api-Key, secretKeyRef: {name: keys, key: github}}
  clientTLS: {rootCA: {value: x}}
auth: {secretStore: vault}
`;

  it('has an address and headers; what is not served is named', async () => {
    const { documents, problems } = await compileTexts({ 'e.yaml': ENDPOINT });
    assert.deepEqual(problems, [
      'e.yaml:9:3: note: spec.clientTLS is not served yet: the system certificates are used',
    ]);
    const [endpoint] = documents.httpEndpoints;
    assert.equal(endpoint?.baseUrl, 'https://api.example.com');
    assert.equal(endpoint?.secretStore, 'vault');
    assert.deepEqual(
      endpoint?.headers.map(({ name, value }) => [name, value]),
      [
        ['Accept-Language', 'en'],
        ['X-Api-Key', undefined],
      ],
    );
  });

  it('takes only http and https', async () => {
    const { problems } = await compileTexts({ 'e.yaml': ENDPOINT.replace('https://api.example.com', 'ftp://x') });
    assert.equal(problems[0], 'e.yaml:5:12: error: spec.baseUrl: "ftp://x" is not an http:// or https:// address');
  });
});

describe('kind Resiliency', () => {
  const RESILIENCY = `apiVersion: dapr.io/v1alpha1
kind: Resiliency
metadata: {name: policies}
spec:
  policies:
    timeouts: {general: 5s}
    retries:
      forever: {policy: exponential, maxInterval: 15s, maxRetries: -1, matching: {httpStatusCodes: 500-599}}
    circuitBreakers:
      simple: {maxRequests: 1, timeout: 5s, trip: consecutiveFailures >= 5}
  targets:
    apps: {cart: {timeout: general, retry: forever, circuitBreaker: simple}}
    components: {statestore: {outbound: {timeout: general}}}
`;

  it('is checked and kept as it is', async () => {
    const { documents, problems } = await compileTexts({ 'r.yaml': RESILIENCY });
    assert.deepEqual(problems, []);
    const policies = documents.resiliencies[0]?.spec['policies'];
    assert.deepEqual((policies as { timeouts: object }).timeouts, { general: '5s' });
  });

  it('reports slips wherever they are', async () => {
    const text = RESILIENCY.replace('general: 5s}', 'general: soon}')
      .replace('policy: exponential', 'policy: expnential')
      .replace('maxRetries', 'maxRetry')
      .replace('outbound', 'outbond');
    const { problems } = await compileTexts({ 'r.yaml': text });
    assert.deepEqual(problems, [
      'r.yaml:6:25: error: spec.policies.timeouts.general: "soon" is not a duration; write for example 5s or 500ms',
      'r.yaml:8:25: error: spec.policies.retries.forever.policy must be one of constant, exponential, it is "expnential"; did you mean "exponential"?',
      'r.yaml:8:55: error: unknown key "maxRetry" in spec.policies.retries.forever; did you mean "maxRetries"?',
      'r.yaml:13:31: error: unknown key "outbond" in spec.targets.components.statestore; did you mean "outbound"?',
    ]);
  });
});

describe('kind Configuration', () => {
  const CONFIGURATION = `apiVersion: dapr.io/v1alpha1
kind: Configuration
metadata: {name: appconfig}
spec:
  secrets:
    scopes:
      - {storeName: vault, defaultAccess: deny, allowedSecrets: [a]}
  api:
    allowed:
      - {name: state, version: v1, protocol: http}
      - {name: publish, version: v1.0}
  components: {deny: [state.in-memory/v1]}
  metrics: {enabled: false}
  logging: {apiLogging: {enabled: true, omitHealthChecks: true}}
  tracing: {samplingRate: "1", zipkin: {endpointAddress: "http://x"}}
  features: [{name: HotReload, enabled: false}]
`;
  const configs = { 'config.yaml': CONFIGURATION };

  it('holds what is honoured and names what is not', async () => {
    const { documents, problems } = await compileTexts({}, {}, { configs });
    assert.deepEqual(problems, [
      'config.yaml:11:9: warning: spec.api.allowed[1] names no protocol; it is applied to both http and grpc',
      'config.yaml:15:32: note: spec.tracing.zipkin is not served yet: trace context is passed on, spans are not exported',
    ]);
    const { configuration } = documents;
    assert.ok(configuration !== undefined);
    const { kind, name, namespace, origin, dialect, scopes, ...parts } = configuration;
    assert.deepEqual(parts, {
      secretScopes: [{ storeName: 'vault', defaultAccess: 'deny', allowedSecrets: ['a'], deniedSecrets: [] }],
      apiAllowed: [
        { name: 'state', version: 'v1', protocol: 'http' },
        { name: 'publish', version: 'v1.0', protocol: 'http' },
        { name: 'publish', version: 'v1.0', protocol: 'grpc' },
      ],
      apiDenied: [],
      componentsDenied: ['state.in-memory/v1'],
      metricsEnabled: false,
      apiLogging: { enabled: true, obfuscateUrls: false, omitHealthChecks: true },
      tracingSamplingRate: 1,
      features: { HotReload: false },
    });
  });

  it('is laid over by later ones, part by part', async () => {
    const later = 'apiVersion: dapr.io/v1alpha1\nkind: Configuration\nspec:\n  metrics: {enabled: true}\n';
    const { documents } = await compileTexts({}, {}, { configs: { ...configs, 'later.yaml': later } });
    assert.equal(documents.configuration?.metricsEnabled, true);
    assert.equal(documents.configuration?.tracingSamplingRate, 1);
  });

  it('denies component types, by version', async () => {
    const text =
      'apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: s}\nspec: {type: state.in-memory, version: v1}\n';
    const { documents, problems } = await compileTexts({ 's.yaml': text }, {}, { configs });
    assert.deepEqual(
      documents.components.map(({ name }) => name),
      ['local'],
    );
    assert.ok(
      problems.includes(
        "s.yaml:1:1: warning: component 's' cannot be loaded because components of type 's (state.in-memory/v1)' are not allowed",
      ),
    );
  });

  for (const personality of ['outrigger', 'daprd'] as const) {
    it(`is refused under ${personality} when it guards with what is not served`, async () => {
      for (const [guard, refused] of [
        ['accessControl: {defaultAction: deny}', true],
        ['accessControl: {policies: [{appId: a}]}', true],
        ['accessControl: {defaultAction: allow}', false],
        ['httpPipeline: {handlers: [{name: a, type: middleware.http.bearer}]}', true],
        ['httpPipeline: {handlers: []}', false],
      ] as const) {
        const text = `apiVersion: dapr.io/v1alpha1\nkind: Configuration\nspec:\n  ${guard}\n`;
        const result = await compileTexts({}, { personality }, { configs: { 'c.yaml': text } });
        assert.equal(result.refused, refused, guard);
        if (refused)
          assert.match(
            result.problems[0] as string,
            /^c\.yaml:4:3: error: spec\.\w+ is not served yet, and what it guards would stand open/,
          );
      }
    });
  }

  it('of a folder holds under outrigger and not under daprd, and may not be there twice', async () => {
    const other = CONFIGURATION.replace('appconfig', 'other');
    assert.equal((await compileTexts(configs)).documents.configuration?.metricsEnabled, false);
    const daprd = await compileTexts(configs, { personality: 'daprd' });
    assert.equal(daprd.documents.configuration, undefined);
    assert.match(daprd.problems.at(-1) as string, /has no effect; give it by --config/);
    const { problems } = await compileTexts({ ...configs, 'other.yaml': other });
    assert.ok(
      problems.includes(
        'other.yaml:1:1: error: there are two Configuration documents, only one can hold; first at config.yaml:1:1',
      ),
    );
  });

  it("is refused when it repeats a secret store, in Dapr's words", async () => {
    const text = CONFIGURATION.replace('allowedSecrets: [a]}', 'allowedSecrets: [a]}\n      - {storeName: vault}');
    const { problems } = await compileTexts({}, { personality: 'daprd' }, { configs: { 'c.yaml': text } });
    assert.ok(problems.includes('c.yaml:8:10: error: vault storeName is repeated in secrets configuration'));
  });
});

describe('documents of other kinds', () => {
  it('are named, never silently left out', async () => {
    const { problems, refused } = await compileTexts({
      'k.yaml':
        'apiVersion: apps/v1\nkind: Deployment\n---\napiVersion: outrigger/v1\nkind: Listener\n---\napiVersion: dapr.io/v1alpha1\nkind: MCPServer\n',
    });
    assert.deepEqual(problems, [
      'k.yaml:1:13: note: a Deployment of apps/v1 is none of ours; it is left out',
      'k.yaml:5:7: note: documents of the kind Listener (outrigger/v1) are not served yet; it is left out',
      'k.yaml:8:7: note: documents of the kind MCPServer (dapr.io/v1alpha1) are not served yet; it is left out',
    ]);
    assert.equal(refused, false);
  });

  it('without apiVersion or kind are errors', async () => {
    const { problems } = await compileTexts({ 'x.yaml': 'apiversion: x\n---\njust text\n---\napiVersion: a/v1\n' });
    assert.deepEqual(problems, [
      'x.yaml:1:1: error: apiVersion is missing; did you mean "apiversion"?',
      'x.yaml:3:1: error: a document must be a map with apiVersion and kind',
      'x.yaml:5:1: error: kind is missing',
    ]);
  });
});
