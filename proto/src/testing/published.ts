/**
 * The packages in which others publish these protocols, fetched by the registries' own clients into .cache and kept
 * there. A package that cannot be had is a reason to skip; with CI=true it is a failure.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Files, untar, unzip } from './archive.js';

const cache = fileURLToPath(new URL('../../../.cache/published', import.meta.url));
const downloadMsMax = 180_000;

export type Published = { readonly files: Files } | { readonly missing: string };

/** `name` with its exact version, such as `layotto@1.18.0`. */
export function npmPackage(spec: string): Promise<Published> {
  return published(`npm ${spec}`, '.tgz', untar, (folder) => [
    'npm',
    ['pack', spec, '--silent', '--pack-destination', folder],
  ]);
}

/** `name==version`. */
export function pythonWheel(spec: string): Promise<Published> {
  return published(`pypi ${spec}`, '.whl', unzip, (folder) => [
    'python3',
    ['-m', 'pip', 'download', '--quiet', '--no-deps', '--only-binary', ':all:', '--dest', folder, spec],
  ]);
}

/** `group:artifact:version`. */
export function mavenJar(spec: string): Promise<Published> {
  return published(`maven ${spec}`, '.jar', unzip, (folder) => [
    'mvn',
    ['--quiet', '--batch-mode', 'dependency:copy', `-Dartifact=${spec}:jar`, `-DoutputDirectory=${folder}`],
  ]);
}

async function published(
  title: string,
  ending: string,
  open: (archive: Buffer) => Files,
  command: (folder: string) => [string, string[]],
): Promise<Published> {
  const folder = join(cache, title.replaceAll(/[^\w.@=-]+/g, '_'));
  try {
    if (!existsSync(folder)) await download(folder, command);
    const name = (await readdir(folder)).find((entry) => entry.endsWith(ending));
    if (name === undefined) throw new Error(`${folder} holds no ${ending} file`);
    return { files: open(await readFile(join(folder, name))) };
  } catch (error) {
    const { message, stderr } = error as Error & { stderr?: string };
    const missing = `${title} cannot be had: ${(stderr?.trim() || message).split('\n').at(-1)}`;
    if (process.env['CI'] === 'true') throw new Error(missing);
    return { missing };
  }
}

/** Into a folder of its own first: what is broken off leaves nothing behind, and of two at a time one wins. */
async function download(folder: string, command: (folder: string) => [string, string[]]): Promise<void> {
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, 'download-'));
  try {
    const [program, args] = command(work);
    await promisify(execFile)(program, args, { cwd: work, timeout: downloadMsMax });
    await rename(work, folder).catch((error: Error) => {
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}
