/** The files that documents are read from: folders (not their subfolders, as Dapr) and single files. */
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { DOCUMENT_BYTES_MAX } from './parse-yaml.js';
import type { Problems } from './problem.js';

export const FILES_PER_FOLDER_MAX = 1000;

export interface SourceFile {
  readonly path: string;
  /** As messages show it: relative to the working directory when it lies below it. */
  readonly shown: string;
  readonly text: string;
}

export function shownPath(file: string): string {
  const relative = path.relative(process.cwd(), file);
  return relative === '' || relative.startsWith('..') || path.isAbsolute(relative) ? path.resolve(file) : relative;
}

const isDocument = (name: string): boolean => /\.(ya?ml|json)$/i.test(name) && !name.startsWith('.');

/** Files in the order of `paths`, those of a folder by name. What cannot be read is reported as an error. */
export async function readFiles(paths: readonly string[], problems: Problems): Promise<SourceFile[]> {
  const files: SourceFile[] = [];
  for (const given of paths) {
    for (const file of await filesOf(given, problems)) {
      const read = await readOne(file, problems);
      if (read !== undefined && !files.some((other) => other.path === read.path)) files.push(read);
    }
  }
  return files;
}

async function filesOf(given: string, problems: Problems): Promise<string[]> {
  try {
    if (!(await stat(given)).isDirectory()) return [given];
    const names = (await readdir(given)).filter(isDocument).sort();
    if (names.length <= FILES_PER_FOLDER_MAX) return names.map((name) => path.join(given, name));
    problems.error({ source: shownPath(given) }, `the folder has more than ${FILES_PER_FOLDER_MAX} document files`);
  } catch (error) {
    problems.error({ source: shownPath(given) }, reasonOf(error));
  }
  return [];
}

async function readOne(file: string, problems: Problems): Promise<SourceFile | undefined> {
  const shown = shownPath(file);
  try {
    const found = await stat(file);
    if (found.isDirectory()) return undefined;
    // A pipe or a device would never end.
    if (!found.isFile()) problems.error({ source: shown }, 'it is not a regular file');
    else if (found.size > DOCUMENT_BYTES_MAX) {
      problems.error({ source: shown }, `the file is larger than ${DOCUMENT_BYTES_MAX} bytes`);
    } else {
      const text = new TextDecoder('utf-8', { fatal: true }).decode(await readFile(file));
      return { path: path.resolve(file), shown, text };
    }
  } catch (error) {
    problems.error({ source: shown }, error instanceof TypeError ? 'the file is not UTF-8 text' : reasonOf(error));
  }
  return undefined;
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return 'no such file or folder';
  if (code === 'EACCES') return 'no permission to read it';
  return `cannot be read: ${message}`;
}
