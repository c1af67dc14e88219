/** Configurations that cannot work: each command ends at once, with the reason, its place and how to mend it as its last line. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import {
  ANY_PORTS,
  component,
  type Ended,
  type Entry,
  folderOf,
  runCommand,
  startCommand,
} from '../harness/command.js';

const cut = 'apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: cut\n';

describe('outrigger validate', () => {
  /** File → what is said about it. */
  const cases: readonly (readonly [name: string, content: string | Buffer, said: RegExp])[] = [
    ['cut.yaml', cut, /cut\.yaml:4:1: error: not valid YAML: /],
    ['cut.json', '{"apiVersion": "dapr.io/v1alpha1",\n "kind": ', /cut\.json:2:\d+: error: not valid JSON: /],
    ['tab.yaml', 'metadata:\n\tname: x\n', /tab\.yaml:2:1: error: not valid YAML: /],
    ['latin1.yaml', Buffer.from('# \xfc\n', 'latin1'), /latin1\.yaml: error: the file is not UTF-8 text/],
    ['deep.yaml', `a: ${'['.repeat(10_000)}`, /deep\.yaml:1:\d+: error: nested more than 64 levels deep/],
    [
      'bomb.yaml',
      ['a: &a [x,x,x,x,x,x,x,x,x,x]', 'b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]', 'c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]']
        .concat('d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]', 'e: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]')
        .join('\n'),
      /bomb\.yaml:5:\d+: error: the document has more than 50000 values/,
    ],
    [
      'key.yaml',
      component('key', 'state.in-memory', 'initTimeuot: 5s\n'),
      /key\.yaml:8:3: error: unknown key "initTimeuot" in spec; did you mean "initTimeout"\?/,
    ],
    [
      'kind.yaml',
      component('kind', 'state.in-memory').replace('Component', 'Componnet'),
      /kind\.yaml:2:7: error: dapr\.io\/v1alpha1 has no kind "Componnet"; did you mean "Component"\?/,
    ],
    [
      'version.yaml',
      component('version', 'state.in-memory').replace('v1alpha1', 'v1alpha9'),
      /version\.yaml:1:13: error: .*dapr\.io\/v1alpha9/,
    ],
    [
      'type.yaml',
      component('type', 'state.in-memroy'),
      /type\.yaml:6:9: error: there is no component type "state\.in-memroy"; did you mean "state\.in-memory"\?/,
    ],
    ['nameless.yaml', component('""', 'state.in-memory'), /nameless\.yaml:4:\d+: error: metadata\.name is missing/],
    [
      'wrong-type.yaml',
      component('wrong-type', 'state.in-memory', 'metadata: {a: b}\n'),
      /wrong-type\.yaml:8:13: error: spec\.metadata must be a list/,
    ],
    [
      'duration.yaml',
      component('duration', 'state.in-memory', 'initTimeout: soon\n'),
      /duration\.yaml:8:16: error: spec\.initTimeout: "soon" is not a duration; write for example 5s/,
    ],
    [
      'twice.yaml',
      `${component('twice', 'state.in-memory')}---\n${component('twice', 'state.in-memory')}`,
      /twice\.yaml:9:1: error: Component "twice" is declared twice; first at .*twice\.yaml:1:1/,
    ],
    [
      'secret.yaml',
      component('secret', 'state.in-memory', 'metadata:\n- name: keyPrefix\n  secretKeyRef: {name: a, key: b}\n'),
      /secret\.yaml:9:5: error: "keyPrefix" refers to a secret, but component "secret" has no auth\.secretStore/,
    ],
    [
      'sidecar.yaml',
      'apiVersion: outrigger/v1\nkind: Sidecar\nmetadata: {name: s}\nspec:\n  daprHttpPrt: 3500\n',
      /sidecar\.yaml:5:3: error: unknown key "daprHttpPrt" in spec; did you mean "daprHttpPort"\?/,
    ],
    [
      'subscription.yaml',
      'apiVersion: dapr.io/v2alpha1\nkind: Subscription\nmetadata: {name: s}\nspec: {pubsubname: pubsub, topic: t}\n',
      /subscription\.yaml:4:\d+: error: /,
    ],
    [
      'metadata.yaml',
      component('metadata', 'secretstores.local.file', 'metadata:\n- name: secretsFlie\n  value: x\n'),
      /metadata\.yaml:9:5: warning: secretstores\.local\.file has no metadata "secretsFlie"; did you mean "secretsFile"\?/,
    ],
  ];
  let ended: Ended;
  before(async () => {
    const folder = folderOf(Object.fromEntries(cases.map(([name, content]) => [name, content])));
    ended = await runCommand('outrigger', ['validate', folder]);
  });

  it('says everything that is wrong with a folder, and ends with code 3', () => {
    assert.equal(ended.code, 3);
    assert.match(ended.last, /^\d+ errors$/);
  });

  for (const [name, , said] of cases) {
    it(`names the place and the cure: ${name}`, () => {
      assert.match(ended.lines.filter((line) => line.includes(name)).join('\n'), said, ended.lines.join('\n'));
    });
  }

  it('says the same as JSON', async () => {
    const folder = folderOf({ 'key.yaml': component('key', 'state.in-memory', 'verison: v1\n') });
    const { code, lines } = await runCommand('outrigger', ['validate', '-o', 'json', folder]);
    const { ok, problems } = JSON.parse(lines.join('\n'));
    assert.deepEqual([code, ok], [3, false]);
    assert.deepEqual(problems, [
      {
        severity: 'error',
        file: join(folder, 'key.yaml'),
        line: 8,
        column: 3,
        message: 'unknown key "verison" in spec; did you mean "version"?',
      },
    ]);
  });

  it('finds nothing wrong with a good folder', async () => {
    const { code, last } = await runCommand('outrigger', [
      'validate',
      folderOf({ 'a.yaml': component('a', 'lock.in-memory') }),
    ]);
    assert.equal(code, 0);
    assert.match(last, /: fine$/);
  });

  it('says that a folder does not exist, or holds no documents', async () => {
    const missing = await runCommand('outrigger', ['validate', '/nonexistent/resources']);
    assert.equal(missing.code, 3);
    assert.match(missing.lines.join('\n'), /^\/nonexistent\/resources: error: no such file or folder/);
    const empty = await runCommand('outrigger', ['validate', folderOf({})]);
    assert.equal(empty.code, 4);
    assert.match(empty.last, /^outrigger: no documents in /);
  });
});

describe('a start with documents that cannot be used', () => {
  const broken = folderOf({ 'a.yaml': component('a', 'state.in-memory', 'verison: v1\n'), 'b.yaml': cut });
  const twice = folderOf({ 'a.yaml': component('a', 'state.in-memory'), 'b.yaml': component('a', 'lock.in-memory') });
  const sameTwice = folderOf({
    'a.yaml': component('a', 'state.in-memory'),
    'b.yaml': component('a', 'state.in-memory'),
  });
  const unknown = folderOf({ 'a.yaml': component('a', 'state.redsi') });

  it('outrigger: code 3, every problem a line, the first one last', async () => {
    const { code, lines, last } = await runCommand('outrigger', ['start', '--resources-path', broken]);
    assert.equal(code, 3, lines.join('\n'));
    assert.match(last, /FATAL .*b\.yaml:4:1: not valid YAML: .* \(and 1 more\)$/);
    assert.match(lines.join('\n'), /ERROR .*a\.yaml:8:3: unknown key "verison" in spec; did you mean "version"\?/);
  });

  it('outrigger run: the same, and the app is not started', async () => {
    const { code, lines } = await runCommand('outrigger', [
      'run',
      '--resources-path',
      broken,
      '--',
      'echo',
      'app',
      'ran',
    ]);
    assert.equal(code, 3);
    assert.doesNotMatch(lines.join('\n'), /app ran/);
  });

  it('outrigger: the same name twice names both places', async () => {
    const { code, last } = await runCommand('outrigger', ['start', '--resources-path', sameTwice]);
    assert.equal(code, 3);
    assert.match(last, /b\.yaml:1:1: Component "a" is declared twice; first at .*a\.yaml:1:1$/);
    const ended = await runCommand('outrigger', ['validate', twice]);
    assert.match(ended.lines.join('\n'), /b\.yaml:1:1: .*declared twice/);
  });

  it('outrigger: a folder that does not exist', async () => {
    const { code, last } = await runCommand('outrigger', ['start', '--resources-path', '/nonexistent/resources']);
    assert.equal(code, 3);
    assert.match(last, /FATAL \/nonexistent\/resources: no such file or folder$/);
  });

  it('daprd: what cannot be read is left out with a warning, as by Dapr, and the rest is used', async () => {
    const actor = startCommand('daprd', ['--app-id=a', '--resources-path', broken, ...ANY_PORTS]);
    await actor.line(/dapr initialized\. Status: Running/);
    await actor.line(
      /level=warning msg=".*a\.yaml:8:3: unknown key \\"verison\\" in spec; did you mean \\"version\\"\?"/,
    );
    await actor.line(/level=warning msg=".*b\.yaml:4:1: not valid YAML: .*; the document is left out"/);
    await actor.line(/Component loaded: a \(state\.in-memory\/v1\)/);
    assert.deepEqual(await actor.stop(), { code: 0, signal: null });
  });

  it("daprd: an unknown type ends it, with code 1 and Dapr's words", async () => {
    const { code, last } = await runCommand('daprd', ['--app-id=a', '--resources-path', unknown, ...ANY_PORTS]);
    assert.equal(code, 1);
    assert.match(
      last,
      /level=fatal msg="Fatal error from runtime: process component a error: \[INIT_COMPONENT_FAILURE\]: initialization error occurred for a \(state\.redsi\/v1\): \[CREATE_COMPONENT_FAILURE\]: initialization error occurred for a \(state\.redsi\/v1\): couldn't find state store state\.redsi\/v1"/,
    );
  });

  it('daprd: a folder that does not exist', async () => {
    const { code, last } = await runCommand('daprd', [
      '--app-id=a',
      '--resources-path=/nonexistent/resources',
      ...ANY_PORTS,
    ]);
    assert.equal(code, 1);
    assert.match(last, /level=fatal msg="Fatal error from runtime: .*\/nonexistent\/resources/);
  });

  const layottoFile = (grpcConfig: object): string =>
    JSON.stringify({
      servers: [
        {
          listeners: [
            {
              name: 'grpc',
              address: '127.0.0.1:0',
              filter_chains: [
                { filters: [{ type: 'grpc', config: { server_name: 'runtime', grpc_config: grpcConfig } }] },
              ],
            },
          ],
        },
      ],
    });

  it('layotto: JSON that is cut off, an unknown type, no file, no runtime part', async () => {
    const state = { demo: { type: 'in-memroy', metadata: {} } };
    const folder = folderOf({
      'cut.json': layottoFile({}).slice(0, -5),
      'type.json': layottoFile({ state, lokc: {}, hellos: {} }),
      'empty.json': '{"servers": []}',
    });
    const [cutOff, type, empty, missing] = await Promise.all(
      ['cut', 'type', 'empty', 'missing'].map((name) =>
        runCommand('layotto', ['start', '-c', join(folder, `${name}.json`), ...ANY_PORTS]),
      ),
    );
    assert.deepEqual([cutOff?.code, type?.code, empty?.code, missing?.code], [3, 3, 3, 3]);
    assert.match(cutOff?.last ?? '', /cut\.json:1:\d+: not valid JSON: /);
    assert.match(
      type?.last ?? '',
      /type\.json:1:\d+: there is no component type "state\.in-memroy"; did you mean "state\.in-memory"\?/,
    );
    assert.match(
      type?.lines.join('\n') ?? '',
      /WARN {2}.*type\.json:1:\d+: grpc_config\.lokc is not read; did you mean "lock"\?/,
    );
    assert.match(type?.lines.join('\n') ?? '', /INFO {2}.*grpc_config\.hellos is not read yet/);
    assert.match(
      empty?.last ?? '',
      /no listener has a filter of type "grpc" with server_name "runtime" and a grpc_config/,
    );
    assert.match(missing?.last ?? '', /missing\.json: no such file or folder$/);
  });
});

describe('flags that cannot be used', () => {
  const cases: readonly (readonly [args: string, code: number, said: RegExp])[] = [
    ['outrigger start --app-idd x', 2, /unknown option '--app-idd' \(Did you mean --app-id\?\)/],
    [
      'outrigger run --dapr-htp-port 1 -- true',
      2,
      /unknown option '--dapr-htp-port' \(Did you mean --dapr-http-port\?\)/,
    ],
    ['outrigger strat', 2, /unknown command 'strat' \(Did you mean start\?\)/],
    ['outrigger start --dapr-http-port', 2, /argument missing/],
    ['outrigger start --dapr-http-port 70000', 3, /flag --dapr-http-port: "70000" is not a port/],
    ['outrigger start --dapr-grpc-port=x', 3, /flag --dapr-grpc-port: "x" is not a port/],
    ['outrigger start --log-level loud', 3, /flag --log-level: .*"loud"/],
    ['outrigger start --app-id a.b', 3, /flag --app-id: parameter app-id cannot contain dots/],
    ['outrigger start --max-body-size 4Mb', 3, /flag --max-body-size: /],
    ['outrigger run --run-file /nonexistent/dapr.yaml', 3, /no such run file/],
    ['outrigger stop nobody', 4, /no sidecar of the app "nobody" is running/],
    ['daprd --app-id=x --dapr-htp-port=1', 2, /unknown flag: --dapr-htp-port; did you mean --dapr-http-port\?/],
    ['daprd --app-id=x --dapr-http-port=y', 1, /\\"y\\" is not a port \(0 to 65535\) or off \(flag --dapr-http-port\)/],
    ['daprd', 1, /Fatal error from runtime: parameter app-id cannot be empty/],
    ['daprd --app-id=x --mode=kubernetes', 1, /Fatal error from runtime: .*kubernetes/],
    ['daprd --app-id=x --dapr-http-port=50123 --dapr-grpc-port=50123', 1, /port 50123 is claimed twice/],
    ['layotto start --app-idd x', 2, /unknown flag: --app-idd; did you mean --app-id\?/],
    ['layotto strat', 2, /there is no command "strat"/],
  ];
  let results: readonly Ended[];
  before(async () => {
    // Two at a time: as many processors as a small machine has.
    const ended = new Array<Ended>(cases.length);
    let next = 0;
    const lane = async (): Promise<void> => {
      for (let i = next++; i < cases.length; i = next++) {
        const [entry, ...args] = (cases[i] as (typeof cases)[number])[0].split(' ') as [Entry, ...string[]];
        ended[i] = await runCommand(entry, args);
      }
    };
    await Promise.all([lane(), lane()]);
    results = ended;
  });

  for (const [i, [args, code, said]] of cases.entries()) {
    it(`are named: ${args}`, () => {
      const ended = results[i] as Ended;
      assert.equal(ended.code, code, ended.lines.join('\n'));
      assert.ok(ended.lines.length <= 3, ended.lines.join('\n'));
      assert.match(ended.lines.join('\n'), said);
    });
  }
});
