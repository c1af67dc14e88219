import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { makeFolders } from './folders.js';

describe('making folders', () => {
  let base: string;
  before(() => {
    base = mkdtempSync(join(tmpdir(), 'outrigger-folders-'));
  });
  after(() => rmSync(base, { recursive: true, force: true }));

  it('makes every one that is missing, and none that is there', () => {
    makeFolders(join(base, 'a', 'b'), 0o700);
    makeFolders(join(base, 'a', 'b', 'c'), 0o750);
    makeFolders(join(base, 'a', 'b', 'c'), 0o700);
    assert.equal(statSync(join(base, 'a')).mode & 0o777, 0o700);
    assert.equal(statSync(join(base, 'a', 'b', 'c')).mode & 0o777, 0o750);
  });

  it('says that a file is in the way', () => {
    writeFileSync(join(base, 'file'), '');
    assert.throws(() => makeFolders(join(base, 'file'), 0o700), { code: 'EEXIST' });
    assert.throws(() => makeFolders(join(base, 'file', 'below'), 0o700), { code: 'EEXIST' });
  });

  it('gives up where the system has no place for a folder', (t) => {
    if (!existsSync('/proc/self')) return t.skip('there is no /proc here');
    assert.throws(() => makeFolders('/proc/outrigger/below', 0o700), { code: 'ENOENT' });
  });
});
