import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { FakeClock } from '@outrigger/engine';
import { ConfigError, problemText } from '../config/problem.js';
import { type RunFileApp, readRunFile } from './run-file.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'outrigger-run-file-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const make = (...folders: string[]): void => {
  for (const name of folders) mkdirSync(path.join(folder, name), { recursive: true });
};

async function read(text: string): Promise<{ apps: RunFileApp[]; problems: string[] }> {
  writeFileSync(path.join(folder, 'dapr.yaml'), text);
  try {
    const { apps, problems } = await readRunFile(folder, new FakeClock(), undefined);
    return { apps, problems: problems.list.map(problemText) };
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return { apps: [], problems: error.problems.map((problem) => problemText(problem).replace(folder, '')) };
  }
}

const settings = (app: RunFileApp | undefined): object =>
  Object.fromEntries([...(app?.settings ?? [])].map(([name, { raw }]) => [name, raw]));

describe('a run file', () => {
  it("is Dapr's multi-app format: what apps share is in common, and their own values win", async () => {
    make('webapp/resources', 'backend', 'app/resources');
    const { apps, problems } = await read(`version: 1
common:
  resourcesPath: ./app/resources
  appProtocol: HTTP
  appHealthProbeTimeout: 10
  env: {DEBUG: false, tty: sts}
apps:
  - appDirPath: ./webapp/
    resourcesPath: ./resources
    appPort: 8080
    appHealthProbeTimeout: 1
    command: ["python3", "app.py"]
  - appID: backend-1
    appDirPath: ./backend/
    appProtocol: GRPC
    appPort: 3000
    daprHTTPPort: 3501
    daprdLogDestination: file
    unixDomainSocket: /tmp/test-socket
    env: {DEBUG: true}
    command: ["./backend"]
`);
    assert.deepEqual(problems, []);
    const [webapp, backend] = apps;
    assert.equal(webapp?.dir, path.join(folder, 'webapp'));
    assert.deepEqual(webapp?.command, ['python3', 'app.py']);
    assert.deepEqual(webapp?.env, { DEBUG: 'false', tty: 'sts' });
    assert.deepEqual([webapp?.appLog, webapp?.sidecarLog], ['console', undefined]);
    assert.deepEqual(settings(webapp), {
      appId: 'webapp',
      appProtocol: 'HTTP',
      appHealthProbeTimeout: '1',
      appPort: '8080',
      resourcesPath: [path.join(folder, 'webapp/resources')],
    });
    assert.deepEqual(settings(backend), {
      appId: 'backend-1',
      appProtocol: 'GRPC',
      appHealthProbeTimeout: '10',
      appPort: '3000',
      daprHttpPort: '3501',
      unixDomainSocket: '/tmp/test-socket',
      resourcesPath: [path.join(folder, 'app/resources')],
    });
    assert.deepEqual(backend?.env, { DEBUG: 'true', tty: 'sts' });
    assert.equal(backend?.sidecarLog, 'file');
  });

  it('finds documents in the .dapr folder of the app, before those of common', async () => {
    make('a/.dapr/resources', 'common');
    writeFileSync(path.join(folder, 'a/.dapr/config.yaml'), '');
    const { apps } = await read('version: 1\ncommon: {resourcesPath: common}\napps: [{appDirPath: a, command: [x]}]\n');
    assert.deepEqual(settings(apps[0]), {
      appId: 'a',
      resourcesPath: [path.join(folder, 'a/.dapr/resources')],
      config: [path.join(folder, 'a/.dapr/config.yaml')],
    });
  });

  it('is refused with the place of each slip', async () => {
    make('a');
    const { problems } = await read(
      'version: 1\napps:\n  - appDirPath: a\n    appProt: 8080\n  - appDirPath: b\n  - appID: c\n',
    );
    assert.deepEqual(problems, [
      '/dapr.yaml:4:5: error: unknown key "appProt" in apps[0]; did you mean "appPort"?',
      `/dapr.yaml:5:5: error: there is no ${path.join(folder, 'b')}`,
      '/dapr.yaml:6:5: error: apps[2].appDirPath is missing',
    ]);
  });

  it('is refused without version, without apps, and when it is not there', async () => {
    make('a');
    assert.match((await read('apps: [{appDirPath: a}]\n')).problems[0] as string, /required field 'version' not found/);
    assert.match((await read('version: 1\n')).problems[0] as string, /it names no app/);
    await assert.rejects(
      readRunFile(path.join(folder, 'nope.yaml'), new FakeClock(), undefined),
      /nope\.yaml: no such run file/,
    );
  });

  it('names what is only for Kubernetes', async () => {
    make('a');
    const { problems } = await read('version: 1\napps: [{appDirPath: a, containerImage: x}]\n');
    assert.match(
      problems[0] as string,
      /note: apps\[0\]\.containerImage has no effect: only for running in Kubernetes/,
    );
  });
});
