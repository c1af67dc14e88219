/** What every secret store does. The subject says which secrets it was given. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { ComponentError } from '../errors.js';
import type { SecretStore } from '../secret.js';
import { type ConformanceSubject, conformanceTimeoutMs, type OpenSubject } from './fixture.js';

export interface SecretConformanceOptions {
  /** Every secret that `bulkGet` answers, or some of them. */
  readonly expected: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** What a name that does not exist is answered with: an error, or an empty value (the environment). */
  readonly missing: 'not-found' | 'empty';
}

export function secretConformance(
  name: string,
  open: OpenSubject<SecretStore>,
  options: SecretConformanceOptions,
): void {
  describe(`${name} is a secret store`, { timeout: conformanceTimeoutMs }, () => {
    let subject: ConformanceSubject<SecretStore>;
    before(async () => {
      subject = await open();
    });
    after(() => subject.close());

    it('answers every secret by name', async () => {
      for (const [secret, values] of Object.entries(options.expected)) {
        assert.deepEqual({ ...(await subject.component.get(secret, {})) }, values);
      }
    });

    it('answers all secrets in bulk', async () => {
      const all = await subject.component.bulkGet({});
      for (const [secret, values] of Object.entries(options.expected)) assert.deepEqual({ ...all[secret] }, values);
    });

    it('holds one value per secret, named as the secret, unless it has the feature for several', async () => {
      if (subject.component.features.has('MULTIPLE_KEY_VALUES_PER_SECRET')) return;
      for (const [secret, values] of Object.entries(await subject.component.bulkGet({}))) {
        assert.deepEqual(Object.keys(values), [secret]);
      }
    });

    it('says clearly that a secret does not exist', async () => {
      for (const missing of ['conformance-no-such-secret', '__proto__', 'constructor']) {
        const answer = async (): Promise<unknown> => subject.component.get(missing, {});
        if (options.missing === 'empty') {
          assert.deepEqual(Object.values((await answer()) as object), ['']);
        } else {
          await assert.rejects(answer, (error) => error instanceof ComponentError && error.kind === 'not-found');
        }
      }
    });
  });
}
