/** Folders that only their owner may enter: what lies in them may be trusted, and nobody else gets in the way. */
import { chmodSync, lstatSync, statSync } from 'node:fs';
import { makeFolders } from '@outrigger/components-core/support';

const PRIVATE = 0o700;

export class PrivateDirError extends Error {}

/** Makes `path` (and what is above it) if needed, 0700 and ours. Throws PrivateDirError when it is somebody else's. */
export function ensurePrivateDir(path: string): void {
  try {
    makeFolders(path, PRIVATE);
  } catch (error) {
    throw new PrivateDirError(`the folder ${path} cannot be made: ${(error as Error).message}`);
  }
  const problem = privateDirProblem(path);
  if (problem !== undefined) throw new PrivateDirError(problem);
  if ((statSync(path).mode & 0o077) !== 0) chmodSync(path, PRIVATE);
}

/** Why `path` is not a folder of ours, or undefined. In a shared folder others could have put a link there before us. */
export function privateDirProblem(path: string): string | undefined {
  const uid = process.getuid?.();
  try {
    const link = lstatSync(path);
    if (uid !== undefined && link.uid !== uid) return `${path} belongs to another user`;
    const target = link.isSymbolicLink() ? statSync(path) : link;
    if (!target.isDirectory()) return `${path} is not a folder`;
    if (uid !== undefined && target.uid !== uid) return `${path} belongs to another user`;
    return undefined;
  } catch (error) {
    return `the folder ${path} cannot be used: ${(error as Error).message}`;
  }
}
