/** The commands as users start them: real processes, real signals, real ports. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const BIN = fileURLToPath(new URL('../../bin/', import.meta.url));
const TIMEOUT = 30_000;

let folder: string;
let home: string;
const running = new Set<ChildProcess>();
before(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'outrigger-bins-'));
  home = path.join(folder, 'home');
});
after(() => {
  for (const child of running) kill(child, 'SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
}

class Actor {
  readonly child: ChildProcess;
  output = '';
  readonly ended: Promise<Ended>;
  readonly #waiting: { readonly wanted: RegExp; readonly found: (match: RegExpExecArray) => void }[] = [];

  constructor(command: string, args: readonly string[], env: NodeJS.ProcessEnv, cwd: string) {
    // A group of its own, as a shell gives it.
    this.child = spawn(command, args, { env, cwd, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    running.add(this.child);
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
        this.#look();
      });
    }
    this.ended = new Promise((resolve, reject) => {
      this.child.on('error', reject);
      this.child.on('close', (code, signal) => {
        running.delete(this.child);
        resolve({ code, signal });
      });
    });
  }

  /** The first match in the output so far and to come. */
  async sees(wanted: RegExp): Promise<RegExpExecArray> {
    const match = await Promise.race([
      new Promise<RegExpExecArray>((found) => {
        this.#waiting.push({ wanted, found });
        this.#look();
      }),
      this.ended.then(() => wanted.exec(this.output)),
    ]);
    assert.ok(match !== null, `it ended without ${wanted}:\n${this.output}`);
    return match;
  }

  #look(): void {
    for (const { wanted, found } of this.#waiting) {
      const match = wanted.exec(this.output);
      if (match !== null) found(match);
    }
  }
}

function kill(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(-(child.pid as number), signal);
  } catch {
    // It has ended.
  }
}

function start(
  bin: 'outrigger' | 'daprd' | 'layotto',
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  cwd = folder,
): Actor {
  const all = { PATH: process.env['PATH'], HOME: folder, OUTRIGGER_HOME: home, ...env };
  return new Actor(process.execPath, [path.join(BIN, `${bin}.mjs`), ...args], all, cwd);
}

async function run(
  bin: 'outrigger' | 'daprd' | 'layotto',
  args: readonly string[],
  env?: NodeJS.ProcessEnv,
): Promise<Ended & { output: string }> {
  const actor = start(bin, args, env);
  return { ...(await actor.ended), output: actor.output };
}

const node = (script: string): string[] => ['--', process.execPath, '-e', script];
const FOREVER = 'setInterval(() => {}, 1e6); console.log("app is up");';
const FREE = ['--dapr-http-port', '0', '--dapr-grpc-port', '0', '--metrics-port', '0'];

const instances = (): string[] =>
  existsSync(path.join(home, 'instances')) ? readdirSync(path.join(home, 'instances')) : [];

/** Processes of a group that have not ended. */
function groupOf(pid: number): string[] {
  return readdirSync('/proc').filter((name) => {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return Number(fields[2]) === pid && fields[0] !== 'Z';
    } catch {
      return false;
    }
  });
}

const linux = { skip: process.platform !== 'linux' && 'needs /proc' };

describe('outrigger run', { timeout: TIMEOUT * 4 }, () => {
  it('tells the app where its sidecar is, prefixes its lines, and ends with its exit code', async () => {
    const script = `
      const { DAPR_HTTP_PORT, DAPR_GRPC_PORT, DAPR_METRICS_PORT, runtime_GRPC_PORT, appcallback_GRPC_PORT, APP_ID, APP_PORT } = process.env;
      console.log(JSON.stringify([DAPR_HTTP_PORT, DAPR_GRPC_PORT, DAPR_METRICS_PORT, runtime_GRPC_PORT].map((port) => port > 0)), APP_ID, APP_PORT === appcallback_GRPC_PORT && APP_PORT > 0);
      fetch('http://127.0.0.1:' + DAPR_HTTP_PORT + '/v1.0/healthz/outbound').then((answer) => {
        console.error('outbound', answer.status);
        process.stdout.write('no newline');
        process.exitCode = 7;
      });`;
    const { code, output } = await run('outrigger', ['run', '--app-id', 'shop', '--app-port=0', ...node(script)]);
    assert.match(output, /^== APP == \[true,true,true,true\] shop true$/m);
    assert.match(output, /^== APP == outbound (204|500)$/m);
    assert.match(output, /^== APP == no newline$/m);
    assert.equal(code, 7);
    assert.deepEqual(instances(), []);
  });

  it('takes the command without -- as well, flags of the app untouched', async () => {
    const { code, output } = await run('outrigger', [
      'run',
      '--app-id=shop',
      process.execPath,
      '-e',
      'console.log(process.argv[2])',
      'x',
      '--app-id',
    ]);
    assert.match(output, /^== APP == --app-id$/m);
    assert.equal(code, 0);
  });

  it('ends with 0 on Ctrl-C, though the whole group gets the signal; nothing is left', linux, async () => {
    const actor = start('outrigger', ['run', '--app-id', 'shop', ...node(FOREVER)]);
    await actor.sees(/app is up/);
    const app = Number(
      JSON.parse(readFileSync(path.join(home, 'instances', 'shop-0', 'instance.json'), 'utf8')).app.pid,
    );
    kill(actor.child, 'SIGINT');
    assert.deepEqual(await actor.ended, { code: 0, signal: null }, actor.output);
    assert.deepEqual([...groupOf(app), ...groupOf(actor.child.pid as number)], []);
    assert.deepEqual(instances(), []);
  });

  it('waits for an app that takes its time, ends what it started, and reports its code', linux, async () => {
    const script = `
      require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], { stdio: 'ignore' });
      process.on('SIGTERM', () => setTimeout(() => process.exit(9), 200));
      ${FOREVER}`;
    const actor = start('outrigger', ['run', '--app-id', 'shop', ...node(script)]);
    await actor.sees(/app is up/);
    const app = Number(
      JSON.parse(readFileSync(path.join(home, 'instances', 'shop-0', 'instance.json'), 'utf8')).app.pid,
    );
    actor.child.kill('SIGTERM');
    assert.deepEqual(await actor.ended, { code: 9, signal: null }, actor.output);
    assert.deepEqual(groupOf(app), []);
  });

  it('kills an app that does not listen to TERM', linux, async () => {
    const script = `process.on('SIGTERM', () => {}); ${FOREVER}`;
    const actor = start('outrigger', [
      'run',
      '--app-id',
      'shop',
      '--dapr-graceful-shutdown-seconds',
      '1',
      ...node(script),
    ]);
    await actor.sees(/app is up/);
    actor.child.kill('SIGTERM');
    assert.equal((await actor.ended).code, 137);
    assert.match(actor.output, /the app has not ended within 1 s; it is killed/);
  });

  it('says when the command is not there', async () => {
    const { code, output } = await run('outrigger', ['run', '--app-id', 'shop', '--', 'no-such-command']);
    assert.equal(code, 127);
    assert.match(output.trimEnd().split('\n').at(-1) as string, /FATAL the command "no-such-command" was not found/);
  });

  it('runs every app of a run file in parallel, free ports for all, and stops all when one fails', async () => {
    mkdirSync(path.join(folder, 'apps'));
    const script =
      'console.log("up", process.env.APP_ID, process.env.X); setTimeout(() => process.exit(process.env.FAIL ?? 0), process.env.FAIL ? 500 : 1e6)';
    writeFileSync(path.join(folder, 'apps', 'app.js'), script);
    writeFileSync(
      path.join(folder, 'dapr.yaml'),
      `version: 1
common: {env: {X: shared}}
apps:
  - {appID: one, appDirPath: apps, command: ["${process.execPath}", app.js]}
  - {appID: two, appDirPath: apps, command: ["${process.execPath}", app.js], env: {FAIL: "3"}}
`,
    );
    const { code, output } = await run('outrigger', ['run', '-f', 'dapr.yaml']);
    assert.match(output, /^== APP - one == up one shared$/m);
    assert.match(output, /^== APP - two == up two shared$/m);
    assert.equal(code, 3);
    assert.deepEqual(instances(), []);
  });

  it('leaves an orphan when it is killed itself, which ls shows and stop ends', linux, async () => {
    const actor = start('outrigger', ['run', '--app-id', 'shop', ...node(FOREVER)]);
    await actor.sees(/app is up/);
    const app = Number(
      JSON.parse(readFileSync(path.join(home, 'instances', 'shop-0', 'instance.json'), 'utf8')).app.pid,
    );
    actor.child.kill('SIGKILL');
    const killed = new Promise((resolve) => actor.child.once('exit', resolve));
    await killed;
    assert.notDeepEqual(groupOf(app), []);
    const listed = JSON.parse((await run('outrigger', ['ls', '-o', 'json'])).output);
    assert.deepEqual([listed[0].appId, listed[0].state, listed[0].appPid], ['shop', 'orphan', app]);
    assert.equal((await run('outrigger', ['stop', 'shop'])).code, 0);
    assert.deepEqual(groupOf(app), []);
    assert.deepEqual(instances(), []);
  });
});

describe('outrigger start, ls and stop', { timeout: TIMEOUT * 4 }, () => {
  it('start listens, ls shows it, stop ends it with exit code 0', async () => {
    const actor = start('outrigger', ['start', '--app-id', 'shop', '--layotto-grpc-port', 'off', ...FREE]);
    const [, port] = await actor.sees(/Dapr HTTP 127\.0\.0\.1:(\d+)/);
    const listed = JSON.parse((await run('outrigger', ['ls', '-o', 'json'])).output);
    assert.equal(listed.length, 1);
    assert.deepEqual(
      [listed[0].appId, listed[0].state, listed[0].addresses.daprHttp],
      ['shop', 'running', Number(port)],
    );
    assert.equal(listed[0].addresses.layottoGrpc, undefined);
    assert.match((await run('outrigger', ['ls'])).output, /^APP ID +STATE .*\nshop +running /);
    assert.deepEqual(await run('outrigger', ['stop', 'shp']), {
      code: 4,
      signal: null,
      output: 'outrigger: no sidecar of the app "shp" is running; did you mean "shop"?\n',
    });
    assert.equal((await run('outrigger', ['stop', 'shop'])).output, 'stopped shop\n');
    assert.deepEqual(await actor.ended, { code: 0, signal: null });
    assert.equal((await run('outrigger', ['ls'])).output, 'no sidecar is running\n');
  });

  it('applies changed documents, and keeps the old ones when they are broken', async () => {
    const resources = path.join(folder, 'resources');
    mkdirSync(resources);
    const component = (name: string): string =>
      `apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: ${name}}\nspec: {type: state.in-memory, version: v1}\n`;
    writeFileSync(path.join(resources, 's.yaml'), component('first'));
    const args = ['start', '--app-id', 'shop', '--layotto-grpc-port=off', '--resources-path', resources, ...FREE];
    const actor = start('outrigger', args);
    await actor.sees(/Component loaded: first/);
    writeFileSync(path.join(resources, 's.yaml'), component('second'));
    await actor.sees(/Component loaded: second/);
    writeFileSync(path.join(resources, 's.yaml'), component('third').replace('spec', 'psec'));
    await actor.sees(/s\.yaml:4:1: unknown key "psec" in the document; did you mean "spec"\?/);
    await actor.sees(/changed documents are refused; the ones in use stay/);
    actor.child.kill('SIGTERM');
    assert.equal((await actor.ended).code, 0);
  });

  it('names who holds a port that is taken, as its last line', linux, async () => {
    const server = net.createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as net.AddressInfo;
    const args = ['start', '--app-id', 'shop', '--layotto-grpc-port=off', ...FREE, '--dapr-http-port', String(port)];
    const { code, output } = await run('outrigger', args);
    server.close();
    assert.equal(code, 1);
    const last = output.trimEnd().split('\n').at(-1) as string;
    assert.match(
      last,
      new RegExp(
        `FATAL 127\\.0\\.0\\.1:${port} \\(--dapr-http-port\\) is taken by pid ${process.pid} \\(.*node.*\\); stop it, or choose another`,
      ),
    );
    assert.deepEqual(instances(), []);
  });

  it('ends at once on a configuration that cannot work, the reason last', async () => {
    const file = path.join(folder, 'bad.yaml');
    writeFileSync(
      file,
      'apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: s}\nspec: {type: state.in-memroy}\n',
    );
    const { code, output } = await run('outrigger', ['start', '--app-id', 'shop', '--resources-path', file, ...FREE]);
    assert.equal(code, 3);
    assert.match(
      output.trimEnd().split('\n').at(-1) as string,
      /FATAL bad\.yaml:4:14: there is no component type "state\.in-memroy"; did you mean "state\.in-memory"\?/,
    );
  });
});

describe('daprd', { timeout: TIMEOUT * 4 }, () => {
  it("runs with nothing in its environment, writes Dapr's log, reloads on HUP, and ends with 0 on TERM", async () => {
    const args = [
      path.join(BIN, 'daprd.mjs'),
      '--app-id=shop',
      '--dapr-http-port=0',
      '--dapr-grpc-port',
      '0',
      '-metrics-port',
      '0',
      '--placement-host-address',
      'x:1',
    ];
    const actor = new Actor(process.execPath, args, { TMPDIR: folder }, folder);
    await actor.sees(
      /level=info msg="dapr initialized\. Status: Running\. Init Elapsed \d+ms" app_id=shop instance=\S+ scope=dapr\.runtime type=log ver=1\.\d+\.\d+/,
    );
    await actor.sees(/HTTP server is running on port \d+/);
    assert.match(actor.output, /flags without effect here: --placement-host-address/);
    actor.child.kill('SIGHUP');
    await actor.sees(/reading documents again/);
    actor.child.kill('SIGTERM');
    assert.deepEqual(await actor.ended, { code: 0, signal: null });
    assert.ok(existsSync(path.join(folder, `outrigger-${process.getuid?.()}`)));
  });

  it("ends with Dapr's last words on what cannot work", async () => {
    const resources = path.join(folder, 'dapr-resources');
    mkdirSync(resources);
    writeFileSync(
      path.join(resources, 's.yaml'),
      'apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: s}\nspec: {type: state.nope, version: v1}\n',
    );
    const cases: [string[], number, RegExp][] = [
      [['--app-idd', 'x'], 2, /Fatal error from runtime: unknown flag: --app-idd; did you mean --app-id\?/],
      [[], 1, /msg="Fatal error from runtime: parameter app-id cannot be empty"/],
      [['--app-id', 'a', '--app-port', 'x'], 1, /\\"x\\" is not a port/],
      [
        ['--app-id', 'a', '--resources-path', resources, ...FREE],
        1,
        /process component s error: \[INIT_COMPONENT_FAILURE\]: initialization error occurred for s \(state\.nope\/v1\): \[CREATE_COMPONENT_FAILURE\]: initialization error occurred for s \(state\.nope\/v1\): couldn't find state store state\.nope\/v1/,
      ],
      [
        ['--app-id', 'a', '--resources-path', '/does/not/exist', ...FREE],
        1,
        /Fatal error from runtime: \/does\/not\/exist: no such file or folder/,
      ],
    ];
    for (const [args, expected, last] of cases) {
      const { code, output } = await run('daprd', args);
      assert.equal(code, expected, output);
      assert.match(output.trimEnd().split('\n').at(-1) as string, last);
      assert.match(output.trimEnd().split('\n').at(-1) as string, /level=fatal/);
    }
  });

  it('logs JSON when asked, and prints its version', async () => {
    const { output } = await run('daprd', ['--log-as-json', '--app-id', '']);
    assert.equal(JSON.parse(output).level, 'fatal');
    assert.match((await run('daprd', ['--version'])).output, /^\d+\.\d+\.\d+\n$/);
  });
});

describe('layotto', { timeout: TIMEOUT }, () => {
  it("starts from Layotto's JSON, names what it does not read, and ends with 0", async () => {
    const grpc_config = { state: { s: { type: 'in-memory', metadata: {} } }, rpcs: {}, app: { app_id: 'app1' } };
    const filters = [{ type: 'grpc', config: { server_name: 'runtime', grpc_config } }];
    const listeners = [{ name: 'grpc', address: '127.0.0.1:0', filter_chains: [{ filters }] }];
    writeFileSync(path.join(folder, 'layotto.json'), JSON.stringify({ servers: [{ listeners }], tracing: {} }));
    const actor = start('layotto', ['start', '-c', 'layotto.json', '--metrics-port', 'off']);
    await actor.sees(/app1 listens: Layotto gRPC 127\.0\.0\.1:\d+/);
    await actor.sees(/Component loaded: s \(state\.in-memory\)/);
    assert.match(actor.output, /layotto\.json:1:\d+: tracing is not read yet/);
    assert.match(actor.output, /grpc_config\.rpcs is not read yet/);
    actor.child.kill('SIGINT');
    assert.deepEqual(await actor.ended, { code: 0, signal: null });
  });

  it('says how it is used', async () => {
    const { code, output } = await run('layotto', []);
    assert.equal(code, 2);
    assert.match(output, /usage: layotto start -c <config\.json>/);
  });
});

describe('the other commands', { timeout: TIMEOUT * 2 }, () => {
  it('validate says everything that is wrong, for people and for programs', async () => {
    const file = path.join(folder, 'check.yaml');
    const text =
      'apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: s}\nspec:\n  type: state.in-memory\n  metadata: [{name: quary, value: true}]\n';
    writeFileSync(file, `${text}scopes: [other]\n`);
    assert.deepEqual(await run('outrigger', ['validate', file]), {
      code: 0,
      signal: null,
      output: `check.yaml:6:14: warning: state.in-memory has no metadata "quary"; did you mean "query"?\n${file}: fine\n`,
    });
    writeFileSync(file, text.replace('type', 'tpye'));
    const { code, output } = await run('outrigger', ['validate', '-o', 'json', file]);
    assert.equal(code, 3);
    const { ok, problems } = JSON.parse(output);
    assert.equal(ok, false);
    assert.deepEqual(
      problems.map(({ file: at, line, message }: Record<string, unknown>) => [at, line, message]),
      [
        ['check.yaml', 5, 'spec.type is missing'],
        ['check.yaml', 5, 'unknown key "tpye" in spec; did you mean "type"?'],
      ],
    );
  });

  it('components lists types, and what one takes', async () => {
    assert.match((await run('outrigger', ['components'])).output, /^state\.local +v1 +beta /m);
    assert.match((await run('outrigger', ['components', 'state.in-memory'])).output, /of the state block: keyPrefix/);
    const { code, output } = await run('outrigger', ['components', 'state.in-memry']);
    assert.equal(code, 4);
    assert.match(output, /there is no component type "state\.in-memry"; did you mean "state\.in-memory"\?/);
  });

  it('completion scripts are accepted by their shell', async () => {
    const { output } = await run('outrigger', ['completion', 'bash']);
    execFileSync('bash', ['-n'], { input: output });
    const ask = `${output}\nCOMP_WORDS=(outrigger run --app-p); COMP_CWORD=2; _outrigger; echo "\${COMPREPLY[*]}"`;
    assert.equal(execFileSync('bash', ['-c', ask], { encoding: 'utf8' }).trim(), '--app-port --app-protocol');
    assert.match(
      (await run('outrigger', ['completion', 'fish'])).output,
      /complete -c outrigger -n __fish_use_subcommand -a run/,
    );
    assert.match((await run('outrigger', ['completion', 'zsh'])).output, /^#compdef outrigger/);
    assert.equal((await run('outrigger', ['completion', 'tcsh'])).code, 2);
  });

  it('a slip on the command line is one sentence and a hint', async () => {
    assert.deepEqual(await run('outrigger', ['start', '--ap-id', 'x']), {
      code: 2,
      signal: null,
      output: "outrigger: unknown option '--ap-id' (Did you mean --app-id?)\nhint: outrigger start --help\n",
    });
    assert.match(
      (await run('outrigger', ['rnu'])).output,
      /^outrigger: unknown command 'rnu' \(Did you mean run\?\)\nhint: outrigger --help\n$/,
    );
    const { code, output } = await run('outrigger', ['start', '--app-port', 'x']);
    assert.equal(code, 3);
    assert.match(output, /outrigger: flag --app-port: "x" is not a port \(0 to 65535\)/);
    assert.equal((await run('outrigger', ['version', '-o', 'json'])).code, 0);
  });
});
