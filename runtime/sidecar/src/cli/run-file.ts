/**
 * Dapr's multi-app run file (`dapr.yaml`): version, common, apps. Read strictly, every value with its place, so that a slip
 * is named as in any document.
 */
import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Clock } from '@outrigger/engine';
import { shownPath } from '../config/files.js';
import { MapReader } from '../config/map-reader.js';
import type { Origin } from '../config/model.js';
import { parseYaml } from '../config/parse-yaml.js';
import { ConfigError, Problems } from '../config/problem.js';
import type { SettingName } from '../config/settings.js';
import { createTimeSlice } from '../config/time-slice.js';
import { type TreeNode, valueText } from '../config/tree.js';
import type { GivenValue } from '../config/values.js';

export type LogDestination = 'console' | 'file' | 'fileAndConsole';

export interface RunFileApp {
  /** The folder the app runs in, absolute. */
  readonly dir: string;
  readonly settings: ReadonlyMap<SettingName, GivenValue>;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly appLog: LogDestination;
  /** undefined: the console, warnings only. */
  readonly sidecarLog: LogDestination | undefined;
}

/** Keys that `common` and apps share, and the settings they are. */
const SHARED: Readonly<Record<string, SettingName>> = {
  appProtocol: 'appProtocol',
  apiListenAddresses: 'daprListenAddresses',
  enableProfiling: 'enableProfiling',
  logLevel: 'logLevel',
  appMaxConcurrency: 'appMaxConcurrency',
  placementHostAddress: 'placementHostAddress',
  schedulerHostAddress: 'schedulerHostAddress',
  appSSL: 'appSsl',
  maxBodySize: 'maxBodySize',
  readBufferSize: 'readBufferSize',
  enableAppHealthCheck: 'enableAppHealthCheck',
  appHealthCheckPath: 'appHealthCheckPath',
  appHealthProbeInterval: 'appHealthProbeInterval',
  appHealthProbeTimeout: 'appHealthProbeTimeout',
  appHealthThreshold: 'appHealthThreshold',
  enableApiLogging: 'enableApiLogging',
};

const OWN: Readonly<Record<string, SettingName>> = {
  appID: 'appId',
  appPort: 'appPort',
  appChannelAddress: 'appChannelAddress',
  daprHTTPPort: 'daprHttpPort',
  daprGRPCPort: 'daprGrpcPort',
  layottoGRPCPort: 'layottoGrpcPort',
  daprInternalGRPCPort: 'daprInternalGrpcPort',
  metricsPort: 'metricsPort',
  profilePort: 'profilePort',
  unixDomainSocket: 'unixDomainSocket',
};

const KUBERNETES_KEYS = ['containerImage', 'containerImagePullPolicy', 'createService'];
const DESTINATIONS: readonly LogDestination[] = ['console', 'file', 'fileAndConsole'];
const FILE_NAME = 'dapr.yaml';

interface Section {
  readonly settings: Map<SettingName, GivenValue>;
  readonly env: Record<string, string>;
  readonly resourcePaths: readonly string[];
  readonly configPath: string | undefined;
  readonly origin: Origin;
  readonly appLog: LogDestination | undefined;
  readonly sidecarLog: LogDestination | undefined;
}

/** `given` is the file, a folder that holds `dapr.yaml`, or `-` for standard input. Throws ConfigError. */
export async function readRunFile(
  given: string,
  clock: Clock,
  home: string | undefined,
): Promise<{ apps: RunFileApp[]; problems: Problems }> {
  const problems = new Problems();
  const { text, shown, folder } = await readText(given);
  const trees = await parseYaml(text, shown, problems, createTimeSlice(clock));
  const [tree] = trees;
  const apps = tree === undefined ? [] : readApps(tree, folder, home, problems);
  if (apps.length === 0 && !problems.hasErrors) problems.error({ source: shown }, 'it names no app under "apps"');
  if (problems.hasErrors) throw new ConfigError(problems.list);
  return { apps, problems };
}

async function readText(given: string): Promise<{ text: string; shown: string; folder: string }> {
  if (given === '-') {
    const chunks: Buffer[] = [];
    for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
    return { text: Buffer.concat(chunks).toString('utf8'), shown: 'standard input', folder: process.cwd() };
  }
  try {
    const file = (await stat(given)).isDirectory() ? path.join(given, FILE_NAME) : given;
    return { text: await readFile(file, 'utf8'), shown: shownPath(file), folder: path.dirname(path.resolve(file)) };
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw ConfigError.of({ source: given }, missing ? 'no such run file' : (error as Error).message);
  }
}

function readApps(tree: TreeNode, folder: string, home: string | undefined, problems: Problems): RunFileApp[] {
  if (tree.kind !== 'map') {
    problems.error(tree.origin, 'a run file is a map with version and apps');
    return [];
  }
  const context = { problems, unknownKeys: 'error', unusable: 'refuse', dialect: 'dapr', types: undefined } as const;
  const reader = new MapReader(tree, '', context);
  if (reader.integer('version', 1, 1) === undefined && !reader.has('version')) {
    reader.fail(reader.origin, "required field 'version' not found in the provided run template file");
  }
  reader.text('name');
  const resolve = (from: string, given: string, origin: Origin): string => {
    const expanded = given.startsWith('~/') && home !== undefined ? path.join(home, given.slice(2)) : given;
    const full = path.resolve(from, expanded);
    if (!existsSync(full)) problems.error(origin, `there is no ${shownPath(full)}`);
    return full;
  };
  const common = reader.map('common');
  const shared = common === undefined ? undefined : readSection(common, folder, resolve, {});
  common?.finish();
  const apps = reader.maps('apps').map((app) => {
    const dirGiven = app.requiredText('appDirPath');
    const dir = dirGiven === undefined ? folder : resolve(folder, dirGiven, app.originOf('appDirPath'));
    const own = readSection(app, dir, resolve, OWN);
    const command = app.texts('command');
    for (const key of KUBERNETES_KEYS) app.notHonoured(key, 'has no effect: only for running in Kubernetes');
    app.finish();
    return merge(dir, command, own, shared);
  });
  reader.finish();
  return apps;
}

function readSection(
  reader: MapReader,
  folder: string,
  resolve: (from: string, given: string, origin: Origin) => string,
  own: Readonly<Record<string, SettingName>>,
): Section {
  const settings = new Map<SettingName, GivenValue>();
  for (const [key, name] of Object.entries({ ...SHARED, ...own })) {
    const node = reader.get(key);
    if (node === undefined) continue;
    const raw = node.kind === 'list' ? reader.texts(key) : reader.scalarText(key);
    if (raw !== undefined) settings.set(name, { raw, origin: node.origin });
  }
  const paths = reader.texts('resourcesPaths');
  const single = reader.text('resourcesPath');
  if (single !== undefined && single !== '') paths.push(single);
  const origin = reader.originOf(single === undefined ? 'resourcesPaths' : 'resourcesPath');
  const config = reader.text('configFilePath');
  reader.notHonoured('runtimePath', 'has no effect: the sidecar is this very program');
  return {
    settings,
    env: readEnv(reader),
    resourcePaths: paths.map((given) => resolve(folder, given, origin)),
    configPath: config ? resolve(folder, config, reader.originOf('configFilePath')) : undefined,
    origin,
    appLog: reader.oneOf('appLogDestination', DESTINATIONS),
    sidecarLog: reader.oneOf('daprdLogDestination', DESTINATIONS),
  };
}

function readEnv(reader: MapReader): Record<string, string> {
  const entries = reader.mapNode('env')?.entries ?? [];
  return Object.fromEntries(entries.map(({ key, value }) => [key, valueText(value)]));
}

/** Dapr's order: the app's own, then what lies in its `.dapr` folder, then `common`. */
function merge(dir: string, command: readonly string[], own: Section, shared: Section | undefined): RunFileApp {
  const settings = new Map([...(shared?.settings ?? []), ...own.settings]);
  const inFolder = (name: string): string[] => {
    const full = path.join(dir, '.dapr', name);
    return existsSync(full) ? [full] : [];
  };
  const resources = firstOf(own.resourcePaths, inFolder('resources'), shared?.resourcePaths ?? []);
  const configs = firstOf(listOf(own.configPath), inFolder('config.yaml'), listOf(shared?.configPath));
  if (resources.length > 0) settings.set('resourcesPath', { raw: resources, origin: own.origin });
  if (configs.length > 0) settings.set('config', { raw: configs, origin: own.origin });
  if (!settings.has('appId')) settings.set('appId', { raw: path.basename(dir), origin: own.origin });
  return {
    dir,
    settings,
    command,
    env: { ...shared?.env, ...own.env },
    appLog: own.appLog ?? shared?.appLog ?? 'console',
    sidecarLog: own.sidecarLog ?? shared?.sidecarLog,
  };
}

const firstOf = (...lists: (readonly string[])[]): readonly string[] => lists.find((list) => list.length > 0) ?? [];
const listOf = (value: string | undefined): string[] => (value === undefined ? [] : [value]);
