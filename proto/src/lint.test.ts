import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Empty when buf has nothing to say. */
async function complaints(...args: string[]): Promise<string> {
  return promisify(execFile)(join(root, 'node_modules/.bin/buf'), args, { cwd: root }).then(
    () => '',
    (error: Error & { stdout: string; stderr: string }) => `buf ${args.join(' ')}:\n${error.stdout}${error.stderr}`,
  );
}

describe('the .proto files', () => {
  it('pass buf lint', async () => assert.equal(await complaints('lint'), ''));
  it('are formatted by buf format', async () => assert.equal(await complaints('format', '--diff', '--exit-code'), ''));
});
