/**
 * Clients in other languages, made from the protos by `.ci/codegen-sdks.mjs` into `.cache/generated/<language>`, and compiled
 * together with the driver beside this file. What must be on the machine for that is a part of its own: where it is
 * missing the test is skipped, but a client that cannot be generated or compiled is a failure.
 */
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { runToEnd } from '../../harness/process.js';
import {
  cacheDir,
  codegenTools,
  goModules,
  mavenClassPath,
  type Part,
  pythonEnv,
  stamped,
} from '../../harness/provision.js';
import { repositoryRoot } from '../../harness/sidecar.js';

export type Language = 'go' | 'python' | 'java';

/** A command line, and what it needs in its environment. */
export interface Driver {
  readonly command: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
}

const BUILD_TIMEOUT_MS = 600_000;

const generatedDir = join(cacheDir, 'generated');
const driverDir = (language: Language): string => join(repositoryRoot, 'test', 'interop', 'generated', language);
const sdkDir = (language: Language): string => join(repositoryRoot, 'sdks', language);

function filesUnder(dir: string, extension: string): string[] {
  return readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith(extension))
    .sort()
    .map((file) => join(dir, file));
}

function hashOf(files: readonly string[], text = ''): string {
  const hash = createHash('sha256').update(text);
  for (const file of files) hash.update(file).update('\0').update(readFileSync(file)).update('\0');
  return hash.digest('hex');
}

/** Everything that decides what is generated. */
function hashOfSources(): string {
  const protos = ['dapr', 'layotto', 'outrigger'].flatMap((name) =>
    filesUnder(join(repositoryRoot, 'proto', name), '.proto'),
  );
  const others = [
    'buf.yaml',
    'buf.gen.sdks.yaml',
    '.ci/codegen-sdks.mjs',
    '.ci/codegen-grpc-python.py',
    'node_modules/@bufbuild/buf/package.json',
  ];
  return hashOf([...protos, ...others.map((file) => join(repositoryRoot, file))]);
}

/** Resolves with the folder of the generated code. */
async function generate(language: Language): Promise<string> {
  const dir = join(generatedDir, language);
  await stamped(dir, hashOfSources(), async () => {
    // What an older run has left would be compiled, too.
    rmSync(join(dir, 'gen'), { recursive: true, force: true });
    const script = join(repositoryRoot, '.ci', 'codegen-sdks.mjs');
    await runToEnd(process.execPath, [script, language, '--out', generatedDir], { timeoutMs: BUILD_TIMEOUT_MS });
  });
  return join(dir, 'gen');
}

/** What the language itself needs; the value goes to `builds`. */
const toolchains: Readonly<Record<Language, () => Promise<Part>>> = {
  go: () => goModules('the generated client', sdkDir('go')),
  python: () => pythonEnv('generated-client', join(sdkDir('python'), 'requirements.txt')),
  java: () => mavenClassPath('generated-client', sdkDir('java')),
};

const builds: Readonly<Record<Language, (toolchain: string) => Promise<Driver>>> = {
  async go(go) {
    const dir = join(generatedDir, 'go');
    await generate('go');
    for (const file of ['go.mod', 'go.sum']) copyFileSync(join(sdkDir('go'), file), join(dir, file));
    // The driver imports two packages of the client; all are to compile.
    await runToEnd(go, ['build', './gen/...'], { cwd: dir, timeoutMs: BUILD_TIMEOUT_MS });
    const binary = join(dir, 'driver');
    await runToEnd(go, ['build', '-o', binary, '.'], { cwd: driverDir('go'), timeoutMs: BUILD_TIMEOUT_MS });
    return { command: [binary], env: {} };
  },

  async python(python) {
    const generated = await generate('python');
    return {
      command: [python, '-u', join(driverDir('python'), 'driver.py')],
      env: { GENERATED_CLIENT: generated },
    };
  },

  async java(libraries) {
    const generated = await generate('java');
    const client = join(generatedDir, 'java', 'client');
    const driver = join(generatedDir, 'java', 'driver');
    const sources = filesUnder(generated, '.java');
    await stamped(client, hashOf(sources, libraries), () => compileJava(sources, libraries, client));
    const drivers = filesUnder(driverDir('java'), '.java');
    const classPath = [client, libraries].join(delimiter);
    await stamped(driver, hashOf([...sources, ...drivers], libraries), () => compileJava(drivers, classPath, driver));
    return {
      command: ['java', '-XX:TieredStopAtLevel=1', '-cp', [driver, classPath].join(delimiter), 'Driver'],
      env: {},
    };
  },
};

async function compileJava(sources: readonly string[], classPath: string, target: string): Promise<void> {
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  const list = join(target, 'sources.txt');
  writeFileSync(list, sources.map((file) => JSON.stringify(file)).join('\n'));
  // 400,000 lines in one run: the second compiler of the JVM costs more than it brings.
  const runtime = ['-J-XX:TieredStopAtLevel=1', '-J-XX:+UseSerialGC'];
  await runToEnd('javac', [...runtime, '-proc:none', '-nowarn', '-d', target, '-cp', classPath, `@${list}`], {
    timeoutMs: BUILD_TIMEOUT_MS,
  });
}

/** The toolchain, and the plugins of the code generator; the value goes to `buildDriver`. */
export async function toolchainOf(language: Language): Promise<Part> {
  const toolchain = await toolchains[language]();
  if (toolchain.value === undefined) return toolchain;
  const tools = await codegenTools(language);
  return tools.value === undefined ? tools : toolchain;
}

/** Generates and compiles what has changed. Throws with the compiler's output. */
export function buildDriver(language: Language, toolchain: string): Promise<Driver> {
  return builds[language](toolchain);
}
