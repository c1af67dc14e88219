/**
 * h2spec, the conformance suite of HTTP/2 and HPACK, against each port of the running sidecar that speaks HTTP/2. Pinned
 * by h2spec-go/go.mod: version 2.2.1, its 145 cases.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { runToEnd } from '../harness/process.js';
import { goProgram, missing, type Part } from '../harness/provision.js';
import { type Sidecar, startSidecar } from '../harness/sidecar.js';
import { conformanceFile } from './files.js';

const CASES = 145;

const PORTS = [
  ['the Dapr gRPC port', 'grpcPort'],
  ['the Layotto gRPC port', 'layottoPort'],
  ['the Dapr HTTP port', 'httpPort'],
] as const;

describe('h2spec', () => {
  let sidecar: Sidecar;
  let h2spec: Part;

  before(async () => {
    h2spec = await goProgram('h2spec', conformanceFile('h2spec-go'), 'github.com/summerwind/h2spec/cmd/h2spec');
    if (h2spec.value !== undefined) sidecar = await startSidecar();
  });
  after(() => sidecar?.stop());

  for (const [name, port] of PORTS) {
    it(`passes every case on ${name}`, async (t: TestContext) => {
      if (missing(t, h2spec)) return;
      // A failed case ends h2spec with code 1, and the error of `runToEnd` carries its report.
      const report = await runToEnd(h2spec.value, ['--host', '127.0.0.1', '--port', String(sidecar[port])]);
      const counts = report
        .match(/^(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed$/m)
        ?.slice(1)
        .map(Number);
      assert.deepEqual(counts, [CASES, CASES, 0, 0], report);
      t.diagnostic(`h2spec on ${name}: ${counts?.[1]} passed, ${counts?.[2]} skipped, ${counts?.[3]} failed`);
    });
  }
});
