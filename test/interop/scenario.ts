/** The set-up that every SDK's driver runs in: its own app beside one sidecar, and a second sidecar of the same namespace. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startControl } from '../harness/control.js';
import { freePort } from '../harness/ports.js';
import { startProcess } from '../harness/process.js';
import { scratchDir, startSidecar } from '../harness/sidecar.js';
import { inMemoryDocuments } from './daprd-documents.js';
import type { DriverRun } from './matrix.js';

export interface Scenario {
  readonly appId: string;
  readonly appProtocol: 'http' | 'grpc';
  /** The program and its arguments. */
  readonly command: readonly [string, ...string[]];
  readonly env?: Readonly<Record<string, string>>;
  /** The driver serves an app of the second sidecar too, at OTHER_APP_PORT; its id is OTHER_APP_ID. */
  readonly otherAppProtocol?: 'http' | 'grpc';
  /**
   * `daprd` has no component but the declared ones; here they are in memory, so that sidecars share nothing. Its sidecars
   * ask for an API token, and send one to their apps.
   */
  readonly entry?: 'outrigger' | 'daprd';
  /** More flags for the first sidecar. */
  readonly args?: readonly string[];
}

/** Starts everything; the driver finds it by the environment variables that Dapr's and Layotto's SDKs read. */
export async function startScenario(scenario: Scenario): Promise<DriverRun> {
  const home = scratchDir('home');
  const secretsFile = join(scratchDir('secrets'), 'secrets.json');
  writeFileSync(secretsFile, JSON.stringify({ 'db-password': 'pa55' }));
  const secrets = `apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: secrets}
spec:
  type: secretstores.local.file
  version: v1
  metadata:
    - {name: secretsFile, value: ${JSON.stringify(secretsFile)}}
`;
  const appPort = await freePort();
  const entry = scenario.entry ?? 'outrigger';
  const tokens: Readonly<Record<string, string>> =
    entry === 'daprd' ? { DAPR_API_TOKEN: 'token of the sidecar', APP_API_TOKEN: 'token of the app' } : {};
  const common = {
    entry,
    home,
    env: tokens,
    resources: { 'secrets.yaml': secrets, ...(entry === 'daprd' && inMemoryDocuments) },
  };
  const own = await startSidecar({
    ...common,
    appId: scenario.appId,
    appPort,
    appProtocol: scenario.appProtocol,
    args: scenario.args ?? [],
    noWait: true,
  });
  const otherAppId = `${scenario.appId}-other`;
  const otherApp =
    scenario.otherAppProtocol === undefined
      ? undefined
      : { appPort: await freePort(), appProtocol: scenario.otherAppProtocol };
  const other = await startSidecar({ ...common, ...otherApp, appId: otherAppId, noWait: otherApp !== undefined });
  const control = await startControl(own, tokens['DAPR_API_TOKEN']);
  const [command, ...args] = scenario.command;
  const actor = startProcess(command, args, {
    name: `driver of ${scenario.appId}`,
    env: {
      APP_PORT: String(appPort),
      APP_ID: scenario.appId,
      DAPR_HTTP_PORT: String(own.httpPort),
      DAPR_GRPC_PORT: String(own.grpcPort),
      runtime_GRPC_PORT: String(own.layottoPort),
      appcallback_GRPC_PORT: String(appPort),
      OTHER_HTTP_PORT: String(other.httpPort),
      OTHER_GRPC_PORT: String(other.grpcPort),
      OTHER_LAYOTTO_PORT: String(other.layottoPort),
      OTHER_APP_ID: otherAppId,
      OTHER_APP_PORT: String(otherApp?.appPort ?? 0),
      TEST_CONTROL: control.url,
      // What the embedded components alone can do (events between sidecars, queries) is left out elsewhere.
      EMBEDDED_COMPONENTS: String(entry === 'outrigger'),
      ...tokens,
      ...scenario.env,
    },
  });
  return {
    actor,
    stop: async () => {
      await actor.stop(2_000);
      await control.close();
      await Promise.all([own.stop(), other.stop()]);
      if (actor.lines.some((line) => line.includes('FAILED'))) {
        actor.lines.push(
          '--- sidecar',
          ...own.actor.lines.slice(-60),
          '--- other sidecar',
          ...other.actor.lines.slice(-30),
        );
      }
    },
  };
}
