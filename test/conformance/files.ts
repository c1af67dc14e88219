/** Where the files of this folder that are not compiled lie. */
import { join } from 'node:path';
import { repositoryRoot } from '../harness/sidecar.js';

export function conformanceFile(...path: string[]): string {
  return join(repositoryRoot, 'test', 'conformance', ...path);
}
