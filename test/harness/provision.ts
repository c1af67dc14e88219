/**
 * What tests need beside Node: found on the machine, else installed by its own package manager into `.cache`. A part that
 * cannot be had is a reason to skip, said aloud; with CI=true it is a failure.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { TestContext } from 'node:test';
import { runToEnd } from './process.js';
import { repositoryRoot } from './sidecar.js';

export const cacheDir: string = join(repositoryRoot, '.cache');

/** `value` is what the part was installed as (a path), or undefined with the reason. */
export type Part = { readonly value: string } | MissingPart;
export type MissingPart = { readonly value: undefined; readonly reason: string };

/** True when the part is missing and the test is to return: skips it with the reason, or throws with CI=true. */
export function missing(t: TestContext, part: Part): part is MissingPart {
  if (part.value !== undefined) return false;
  if (process.env['CI'] === 'true') throw new Error(`needed with CI=true: ${part.reason}`);
  t.skip(part.reason);
  return true;
}

const INSTALL_TIMEOUT_MS = 600_000;
const pending = new Map<string, Promise<Part>>();

/** Makes a part once per `key`; a finished one is remembered in `.cache` by a stamp beside it. */
function once(key: string, make: () => Promise<string>): Promise<Part> {
  let part = pending.get(key);
  if (part === undefined) {
    part = make().then(
      (value): Part => ({ value }),
      (error: Error): Part => ({
        value: undefined,
        reason: `${key}: ${error.message.split('\n').slice(0, 3).join(' ')}`,
      }),
    );
    pending.set(key, part);
  }
  return part;
}

/** Runs `make` unless it has come to its end here before with the same `content`. */
export async function stamped(dir: string, content: string, make: () => Promise<void>): Promise<void> {
  const stamp = join(dir, '.stamp');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === content) return;
  rmSync(stamp, { force: true });
  mkdirSync(dir, { recursive: true });
  await make();
  writeFileSync(stamp, content);
}

/** The command, installed as a Debian package when absent, root, and in CI. `works` are arguments that must succeed. */
export async function command(name: string, debianPackage: string, works?: readonly string[]): Promise<Part> {
  return once(`command ${name}`, async () => {
    const find = async (): Promise<string> => {
      const path = (await runToEnd('sh', ['-c', `command -v ${name}`])).trim();
      if (works !== undefined) await runToEnd(path, works);
      return path;
    };
    try {
      return await find();
    } catch {
      if (process.env['CI'] !== 'true' || process.getuid?.() !== 0) {
        throw new Error(`'${name}' is not on this machine, or not complete (Debian package ${debianPackage})`);
      }
      await runToEnd('apt-get', ['update', '-q'], { timeoutMs: INSTALL_TIMEOUT_MS });
      await runToEnd('apt-get', ['install', '-y', '-q', '--no-install-recommends', debianPackage], {
        timeoutMs: INSTALL_TIMEOUT_MS,
        env: { DEBIAN_FRONTEND: 'noninteractive' },
      });
      return find();
    }
  });
}

async function commandOrThrow(name: string, debianPackage: string, works?: readonly string[]): Promise<string> {
  const part = await command(name, debianPackage, works);
  if (part.value === undefined) throw new Error(part.reason);
  return part.value;
}

/** A virtual environment holding `requirements`; the value is its python. */
export function pythonEnv(name: string, requirementsFile: string): Promise<Part> {
  return once(`Python environment ${name}`, async () => {
    const python = await commandOrThrow('python3', 'python3-venv', ['-c', 'import ensurepip, venv']);
    const dir = join(cacheDir, 'python', name);
    const requirements = readFileSync(requirementsFile, 'utf8');
    await stamped(dir, requirements, async () => {
      await runToEnd(python, ['-m', 'venv', dir], { timeoutMs: INSTALL_TIMEOUT_MS });
      await runToEnd(
        join(dir, 'bin', 'pip'),
        ['install', '--quiet', '--disable-pip-version-check', '-r', requirementsFile],
        {
          timeoutMs: INSTALL_TIMEOUT_MS,
        },
      );
    });
    return join(dir, 'bin', 'python');
  });
}

/** Go 1.21 or later: it fetches the toolchain that a module asks for by itself. */
async function goCommand(): Promise<string> {
  const go = await commandOrThrow('go', 'golang');
  const version = (await runToEnd(go, ['env', 'GOVERSION'])).trim();
  const minor = Number(version.match(/^go1\.(\d+)/)?.[1] ?? 0);
  if (minor < 21) throw new Error(`${go} is ${version}; Go 1.21 or later is needed`);
  return go;
}

/**
 * A Go program of this repository, built; the value is the binary. `target`: a command of another module, at the version
 * that the go.mod in `dir` pins with all it stands on.
 */
export function goProgram(name: string, dir: string, target = '.'): Promise<Part> {
  return once(`Go program ${name}`, async () => {
    const go = await goCommand();
    const binary = join(cacheDir, 'go', name);
    await runToEnd(go, ['build', '-o', binary, target], { cwd: dir, timeoutMs: INSTALL_TIMEOUT_MS });
    return binary;
  });
}

/** A command of a Go module, `go install module@version`; the value is the binary. */
export function goTool(module: string, version: string): Promise<Part> {
  return once(`Go tool ${module}@${version}`, async () => {
    const go = await goCommand();
    const dir = join(cacheDir, 'go', 'bin');
    const binary = join(dir, module.split('/').at(-1) as string);
    await stamped(join(dir, `${module.split('/').at(-1)}.d`), version, async () => {
      await runToEnd(go, ['install', `${module}@${version}`], { env: { GOBIN: dir }, timeoutMs: INSTALL_TIMEOUT_MS });
    });
    return binary;
  });
}

/** The modules that the go.mod in `dir` requires, fetched; the value is the go command. */
export function goModules(name: string, dir: string): Promise<Part> {
  return once(`Go modules of ${name}`, async () => {
    const go = await goCommand();
    await runToEnd(go, ['mod', 'download'], { cwd: dir, timeoutMs: INSTALL_TIMEOUT_MS });
    return go;
  });
}

/** The plugins by which `.ci/codegen-sdks.mjs` generates clients in a language; the value is the language. */
export function codegenTools(language: 'go' | 'python' | 'java'): Promise<Part> {
  return once(`code generator for ${language}`, async () => {
    const script = join(repositoryRoot, '.ci', 'codegen-sdks.mjs');
    await runToEnd(process.execPath, [script, language, '--tools'], { timeoutMs: INSTALL_TIMEOUT_MS });
    return language;
  });
}

/** The jars that the pom.xml in `dir` depends on, fetched; the value is the class path. */
export function mavenClassPath(name: string, dir: string): Promise<Part> {
  return once(`Maven dependencies of ${name}`, async () => {
    await commandOrThrow('javac', 'openjdk-17-jdk-headless');
    const mvn = await commandOrThrow('mvn', 'maven');
    const target = join(cacheDir, 'maven', name);
    const classPathFile = join(target, 'classpath.txt');
    const read = (): string => (existsSync(classPathFile) ? readFileSync(classPathFile, 'utf8').trim() : '');
    // The jars lie in Maven's own repository, which may have been emptied since.
    if (!read().split(delimiter).every(existsSync)) rmSync(join(target, '.stamp'), { force: true });
    await stamped(target, readFileSync(join(dir, 'pom.xml'), 'utf8'), async () => {
      await runToEnd(mvn, ['-q', '-B', 'dependency:build-classpath', `-Dmdep.outputFile=${classPathFile}`], {
        cwd: dir,
        timeoutMs: INSTALL_TIMEOUT_MS,
      });
    });
    return read();
  });
}

/** A Maven project of this repository, compiled; the value is its class path. */
export function mavenProject(name: string, dir: string): Promise<Part> {
  return once(`Maven project ${name}`, async () => {
    await commandOrThrow('javac', 'openjdk-17-jdk-headless');
    const mvn = await commandOrThrow('mvn', 'maven');
    const target = join(cacheDir, 'maven', name);
    const classPathFile = join(target, 'classpath.txt');
    mkdirSync(target, { recursive: true });
    await runToEnd(
      mvn,
      [
        '-q',
        '-B',
        `-DbuildDir=${target}`,
        'compile',
        'dependency:build-classpath',
        `-Dmdep.outputFile=${classPathFile}`,
      ],
      { cwd: dir, timeoutMs: INSTALL_TIMEOUT_MS },
    );
    return `${join(target, 'classes')}:${readFileSync(classPathFile, 'utf8').trim()}`;
  });
}
