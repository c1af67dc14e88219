/** docs/COMMANDS.md says what the tables and commands say. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { SETTING_NAMES, settingOf } from '../config/settings.js';
import { EXIT } from './exit-codes.js';
import { processHost } from './host.js';
import { buildProgram } from './outrigger.js';

const doc = readFileSync(new URL('../../../../docs/COMMANDS.md', import.meta.url), 'utf8');

describe('docs/COMMANDS.md', () => {
  it('names every flag, its letter and its key', () => {
    for (const name of SETTING_NAMES) {
      const { flag, short, noEffect, notInDocuments, deprecated, group } = settingOf(name);
      assert.match(doc, new RegExp(`\`?--${flag}[\` ]`), `--${flag}`);
      if (noEffect !== undefined || group === 'Dapr compatibility') continue;
      if (short !== undefined) assert.ok(doc.includes(`\`-${short}\` \`--${flag}`), `-${short}`);
      const documented = notInDocuments !== true && deprecated === undefined;
      assert.equal(doc.includes(`| \`${name}\` |`), documented, `key ${name}`);
    }
  });

  it('names every command and exit code', () => {
    for (const command of buildProgram(processHost(), () => {}).commands) {
      assert.ok(doc.includes(`\`outrigger ${command.name()}`), command.name());
    }
    for (const code of Object.values(EXIT))
      assert.match(doc, new RegExp(`^\\| (\\d+, )*${code}[ ,]`, 'm'), `exit code ${code}`);
  });
});
