// What every script shares: where the checkout is, how a step runs, and the set-up that makes a fresh clone usable.
// Plain JavaScript without dependencies, because it runs before anything is installed.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
export const cacheDir = join(root, '.cache');

/** Runs a command to its end; resolves with its exit code (128 + signal number when a signal ended it). */
export function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit', ...options });
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(code ?? (signal === null ? 1 : 128)));
  });
}

/** Runs a command quietly; its output is shown only when it fails, and then the process ends. */
export async function step(title, command, args, options = {}) {
  const started = performance.now();
  const output = [];
  const code = await new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], ...options });
    child.stdout.on('data', (chunk) => output.push(chunk));
    child.stderr.on('data', (chunk) => output.push(chunk));
    child.on('error', reject);
    child.on('close', (exit) => resolve(exit ?? 1));
  });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  if (code === 0) {
    console.log(`  ${title} (${seconds} s)`);
    return;
  }
  process.stdout.write(Buffer.concat(output));
  console.error(`  ${title} failed: ${command} ${args.join(' ')} ended with code ${code}`);
  process.exit(1);
}

export const hashOf = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest('hex');

/** True when `inputs` changed since `done()` was last called for `name`. */
export function stamp(name, inputs) {
  const path = join(cacheDir, `${name}.stamp`);
  const fresh = existsSync(path) && readFileSync(path, 'utf8') === inputs;
  return {
    fresh,
    done() {
      mkdirSync(cacheDir, { recursive: true });
      writeFileSync(path, inputs);
    },
  };
}

/** Installs the dependencies that package-lock.json names, once per change of it. */
export async function install() {
  const lock = stamp('install', hashOf(readFileSync(join(root, 'package-lock.json')), process.version));
  if (lock.fresh && existsSync(join(root, 'node_modules', '.package-lock.json'))) return;
  // Not `npm ci`: it refuses a lock file that lacks packages of other platforms, which a registry mirror may not carry.
  await step('dependencies installed', 'npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error']);
  lock.done();
}
