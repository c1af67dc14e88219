/**
 * The matrix SDK × block: each SDK's driver program prints `CASE block/case ok` or `CASE block/case FAILED reason`; the
 * test file lists every case it expects, so that a case that is not reported fails as well. What passed is written to
 * `.cache/interop/<sdk>.json`, from which `.ci/interop-matrix.mjs` prints the table and holds it against `matrix.json`.
 */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import type { Actor } from '../harness/process.js';
import { missing, type Part } from '../harness/provision.js';
import { repositoryRoot } from '../harness/sidecar.js';

const DRIVER_TIMEOUT_MS = 120_000;

export interface DriverRun {
  readonly actor: Actor;
  stop(): Promise<void>;
}

export interface SdkMatrix {
  readonly sdk: string;
  /** Default: that it is an unmodified SDK. */
  readonly title?: string;
  /** False for what is no published SDK: it is not in the matrix. Default: true. */
  readonly recorded?: boolean;
  /** `block/case`, in the order of the driver. */
  readonly cases: readonly string[];
  /** What must be on the machine; absent: skipped with the reason, with CI=true a failure. */
  readonly part: () => Promise<Part>;
  readonly start: (part: string) => Promise<DriverRun>;
}

export function describeSdk(matrix: SdkMatrix): void {
  describe(matrix.title ?? `${matrix.sdk} SDK, unmodified`, () => {
    const results = new Map<string, string>();
    let part: Part | undefined;
    let output = '';

    before(async () => {
      part = await matrix.part();
      if (part.value === undefined) return;
      const driver = await matrix.start(part.value);
      try {
        await driver.actor.line(/^DONE$/, DRIVER_TIMEOUT_MS);
      } catch (error) {
        output = `${(error as Error).message}\n`;
      } finally {
        for (const line of driver.actor.lines) {
          const match = line.match(/^CASE ([^/]+\/.+?) (ok|FAILED.*)$/);
          if (match !== null) results.set(match[1] as string, match[2] as string);
        }
        await driver.stop();
        output += driver.actor.output;
      }
    });

    for (const name of matrix.cases) {
      it(`${matrix.sdk}: ${name}`, (t: TestContext) => {
        if (part !== undefined && missing(t, part)) return;
        const result = results.get(name);
        assert.ok(result !== undefined, `the driver did not report this case; its output:\n${output}`);
        assert.equal(result, 'ok', output);
      });
    }

    after(() => {
      if (part?.value === undefined) return;
      if (matrix.recorded !== false) {
        record(
          matrix.sdk,
          matrix.cases.filter((name) => results.get(name) === 'ok'),
        );
      }
      const unlisted = [...results.keys()].filter((name) => !matrix.cases.includes(name));
      assert.deepEqual(unlisted, [], 'the driver reports cases that the matrix does not list');
    });
  });
}

/** `it` for an SDK that is driven in this process, within a `describe`: what passes counts in the matrix as well. */
export function sdkCases(sdk: string): (name: `${string}/${string}`, run: () => Promise<void>) => void {
  const passed: string[] = [];
  after(() => record(sdk, passed));
  return (name, run) => {
    it(`${sdk}: ${name}`, async () => {
      await run();
      passed.push(name);
    });
  };
}

function record(sdk: string, passed: readonly string[]): void {
  const dir = join(repositoryRoot, '.cache', 'interop');
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, `${sdk.replace(/\W+/g, '-')}.json`), JSON.stringify({ sdk, passed }));
}
