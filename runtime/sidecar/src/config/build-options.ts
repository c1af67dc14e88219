/** Values to the one object a sidecar is made from, with the defaults of each personality. */
import path from 'node:path';
import { appIdProblem, defaultAppId, homeDir } from './home.js';
import type { LayottoSettings } from './layotto.js';
import type { Origin } from './model.js';
import type { AppOptions, AppProtocol, ListenAddress, SidecarOptions } from './options.js';
import { originText, type Problems } from './problem.js';
import { type FlagUser, type SettingName, settingOf } from './settings.js';
import type { Values } from './values.js';

export interface BuildInput {
  readonly user: FlagUser;
  readonly values: Values;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly layottoConfigPath?: string | undefined;
  readonly layotto?: LayottoSettings | undefined;
}

/** Dapr's defaults (pkg/runtime/config.go), which the other personalities share unless a line below says otherwise. */
const PORTS = { daprHttpPort: 3500, daprGrpcPort: 50_001, layottoGrpcPort: 34_904, metricsPort: 9090 } as const;
const MESSAGE_BYTES_MAX_DEFAULT = 4 * 1024 * 1024;
const MESSAGE_BYTES_LIMIT = 2 ** 31 - 1;
const HEADER_BYTES_MAX = { daprd: 4 * 1024, outrigger: 16 * 1024, layotto: 16 * 1024 } as const;
const GRACEFUL_SHUTDOWN_S = 5;
const RELOAD_INTERVAL_MS = 60_000;
const RELOAD_INTERVAL_MIN_MS = 1_000;
const HEALTH = { path: '/healthz', intervalS: 5, timeoutMs: 500, threshold: 3 } as const;
const LOOPBACK = '127.0.0.1';

type Personality = SidecarOptions['personality'];

const personalityOf = (user: FlagUser): Personality => (user === 'daprd' || user === 'layotto' ? user : 'outrigger');

export function buildOptions(input: BuildInput, problems: Problems): SidecarOptions {
  const { values, user, env } = input;
  const personality = personalityOf(user);
  const appId = readAppId(input, personality, problems);
  const listeners = readListeners(input, personality, appId);
  const app = readApp(input, problems);
  refusePortsTwice(listeners, app, values, personality, problems);
  if (values.text('mode') === 'kubernetes') {
    problems.error(
      values.origin('mode'),
      "mode kubernetes needs Dapr's control plane, which is not served; use standalone",
    );
  }
  const namespace = values.text('namespace');
  return {
    personality,
    appId,
    namespace: namespace ?? 'default',
    namespaceGiven: namespace !== undefined,
    app,
    ...listeners,
    resourcePaths: readResourcePaths(values),
    configPaths: values.list('config') ?? [],
    layottoConfigPath: input.layottoConfigPath,
    embeddedDefaults: values.bool('embeddedDefaults') ?? personality === 'outrigger',
    apiToken: env['DAPR_API_TOKEN'] || undefined,
    homeDir: homeDir(values.text('home'), env),
    stateDir: values.text('stateDir') || undefined,
    messageBytesMax: readMessageBytes(values, problems),
    httpHeaderBytesMax: readHeaderBytes(values, personality),
    gracefulShutdownMs: 1000 * orDefault(values.number('daprGracefulShutdownSeconds'), 0, GRACEFUL_SHUTDOWN_S),
    blockShutdownMs: Math.max(0, values.number('daprBlockShutdownDuration') ?? 0),
    invokeExternalHosts: values.list('invokeExternalHosts'),
    allowedOrigins: values.list('allowedOrigins') ?? (personality === 'daprd' ? ['*'] : []),
    logLevel: readLogLevel(values, input.layotto),
    logAsJson: values.bool('logAsJson') ?? false,
    apiLogging: values.bool('enableApiLogging') ?? false,
    reload: values.bool('hotReload') ?? true,
    reloadIntervalMs: Math.max(
      RELOAD_INTERVAL_MIN_MS,
      values.number('hotReloadReconcileInterval') || RELOAD_INTERVAL_MS,
    ),
    unhealthyInitFatal: personality === 'daprd',
  };
}

export function readResourcePaths(values: Values): string[] {
  const paths = values.list('resourcesPath') ?? [];
  const older = values.text('componentsPath');
  // As Dapr: the older flag counts only where the newer one is not given.
  return paths.length > 0 || older === undefined || older === '' ? [...paths] : [older];
}

export function readLogLevel(values: Values, layotto: LayottoSettings | undefined): SidecarOptions['logLevel'] {
  const given = values.text('logLevel') ?? layotto?.logLevel;
  const levels: readonly SidecarOptions['logLevel'][] = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'];
  return levels.find((level) => level === given) ?? 'info';
}

/** Notes on flags that were given and do nothing here, or that have a newer name. */
export function noteWithoutEffect(values: Values, problems: Problems): void {
  for (const name of values.names()) {
    const { flag, noEffect, deprecated } = settingOf(name);
    if (deprecated !== undefined) problems.note(values.origin(name), `--${flag} is deprecated; use ${deprecated}`);
    if (noEffect === undefined || values.bool(name) === false) continue;
    if (name === 'enableMtls') problems.warning(values.origin(name), `--${flag} has no effect: ${noEffect}`);
    else problems.note(values.origin(name), `--${flag} has no effect: ${noEffect}`);
  }
}

function readAppId({ values, cwd, layotto }: BuildInput, personality: Personality, problems: Problems): string {
  const given = values.text('appId') ?? layotto?.appId;
  if (given === undefined && personality !== 'daprd') return defaultAppId(cwd);
  const appId = given ?? '';
  const problem = appIdProblem(appId);
  if (problem !== undefined) problems.error(values.origin('appId'), problem);
  return appId;
}

type Listeners = Pick<SidecarOptions, 'daprGrpc' | 'daprHttp' | 'layottoGrpc' | 'internal' | 'metrics'>;

function readListeners({ values, user, layotto }: BuildInput, personality: Personality, appId: string): Listeners {
  const hosts = readHosts(values, personality);
  // `run` takes free ports and tells the app; the others listen where clients expect them.
  const port = (name: keyof typeof PORTS, on: boolean): number | undefined => {
    const given = values.port(name);
    if (given === 'off') return undefined;
    if (given !== undefined) return given;
    if (!on) return undefined;
    return user === 'run' ? 0 : PORTS[name];
  };
  const listen = (at: number | undefined): ListenAddress | undefined =>
    at === undefined ? undefined : { ...hosts, port: at };
  const daprOn = personality !== 'layotto';
  const folder = values.text('unixDomainSocket') || undefined;
  const socket = (what: string): { path: string } => ({
    path: path.join(folder as string, `dapr-${appId}-${what}.socket`),
  });
  const daprHttp = port('daprHttpPort', daprOn);
  const daprGrpc = port('daprGrpcPort', daprOn);
  // Several daprd on one machine are usual; a port that Dapr does not know would make the second one fail.
  const layottoPort = port('layottoGrpcPort', personality !== 'daprd');
  const fromFile = values.has('layottoGrpcPort') ? undefined : layotto?.listen;
  const metricsPort = values.bool('enableMetrics') === false ? undefined : port('metricsPort', true);
  return {
    daprHttp: folder !== undefined && daprHttp !== undefined ? socket('http') : listen(daprHttp),
    daprGrpc: folder !== undefined && daprGrpc !== undefined ? socket('grpc') : listen(daprGrpc),
    layottoGrpc: fromFile ?? listen(layottoPort),
    internal: {
      host: values.text('daprInternalGrpcListenAddress') ?? (personality === 'daprd' ? '' : LOOPBACK),
      port: numberOf(values.port('daprInternalGrpcPort')) ?? 0,
    },
    metrics:
      metricsPort === undefined
        ? undefined
        : {
            host: values.text('metricsListenAddress') ?? (personality === 'daprd' ? '0.0.0.0' : LOOPBACK),
            port: values.has('metricsPort') ? metricsPort : (layotto?.metricsPort ?? metricsPort),
          },
  };
}

/** Dapr's default is every address; ours is loopback. */
function readHosts(values: Values, personality: Personality): Pick<ListenAddress, 'host' | 'otherHosts'> {
  const [host, ...otherHosts] = (values.list('daprListenAddresses') ?? []).map((text) =>
    text.replace(/^\[(.*)\]$/, '$1'),
  );
  if (host === undefined) return { host: personality === 'daprd' ? '' : LOOPBACK };
  return otherHosts.length === 0 ? { host } : { host, otherHosts };
}

function readApp({ values, env, layotto }: BuildInput, problems: Problems): AppOptions {
  const port = numberOf(values.port('appPort')) ?? layotto?.callbackPort;
  return {
    port: port === undefined || port === 0 ? undefined : port,
    host: values.text('appChannelAddress') || layotto?.callbackHost || LOOPBACK,
    protocol: readProtocol(values, layotto),
    concurrencyMax: Math.max(0, values.number('appMaxConcurrency') ?? 0),
    healthCheck: values.bool('enableAppHealthCheck') === true ? readHealthCheck(values, problems) : undefined,
    apiToken: env['APP_API_TOKEN'] || undefined,
    disabledInitEndpoints: readDisabledEndpoints(values, problems),
  };
}

function readProtocol(values: Values, layotto: LayottoSettings | undefined): AppProtocol {
  const protocol = (values.text('appProtocol') || (layotto === undefined ? 'http' : 'grpc')) as AppProtocol;
  if (values.bool('appSsl') !== true) return protocol;
  if (protocol === 'http') return 'https';
  return protocol === 'grpc' ? 'grpcs' : protocol;
}

function readHealthCheck(values: Values, problems: Problems): NonNullable<AppOptions['healthCheck']> {
  const intervalMs = 1000 * orDefault(values.number('appHealthProbeInterval'), 1, HEALTH.intervalS);
  const timeoutMs = orDefault(values.number('appHealthProbeTimeout'), 1, HEALTH.timeoutMs);
  if (timeoutMs > intervalMs) {
    const message = "value for 'health-probe-timeout' must be smaller than 'health-probe-interval'";
    problems.error(values.origin('appHealthProbeTimeout'), message);
  }
  return {
    path: values.text('appHealthCheckPath') || HEALTH.path,
    intervalMs,
    timeoutMs,
    threshold: orDefault(values.number('appHealthThreshold'), 1, HEALTH.threshold),
  };
}

function readDisabledEndpoints(values: Values, problems: Problems): ('config' | 'subscribe')[] {
  return (values.list('disableInitEndpoints') ?? []).flatMap((text) => {
    const name = text.toLowerCase();
    if (name === 'config' || name === 'subscribe') return [name];
    problems.error(values.origin('disableInitEndpoints'), `invalid value for 'disable-init-endpoints': ${name}`);
    return [];
  });
}

function readMessageBytes(values: Values, problems: Problems): number {
  const older = values.number('daprHttpMaxRequestSize');
  const bytes = values.number('maxBodySize') ?? (older === undefined ? undefined : older * 2 ** 20);
  if (bytes === undefined || bytes <= 0) return MESSAGE_BYTES_MAX_DEFAULT;
  if (bytes > MESSAGE_BYTES_LIMIT) problems.error(values.origin('maxBodySize'), 'a message has at most 2 GiB');
  return bytes;
}

function readHeaderBytes(values: Values, personality: Personality): number {
  const older = values.number('daprHttpReadBufferSize');
  const bytes = values.number('readBufferSize') ?? (older === undefined ? undefined : older * 1024);
  return bytes === undefined || bytes <= 0 ? HEADER_BYTES_MAX[personality] : bytes;
}

/** Two settings with one port would fail at the second `listen`, with less to say. */
function refusePortsTwice(
  listeners: Listeners,
  app: AppOptions,
  values: Values,
  personality: Personality,
  problems: Problems,
): void {
  const claims: [SettingName, number][] = [];
  const claim = (name: SettingName, listener: ListenAddress | { path: string } | undefined): void => {
    if (listener !== undefined && 'port' in listener && listener.port !== 0) claims.push([name, listener.port]);
  };
  // The app's port is another machine's matter when the app is elsewhere.
  if (app.port !== undefined && /^(127\.|localhost$|::1$)/.test(app.host)) claims.push(['appPort', app.port]);
  claim('daprHttpPort', listeners.daprHttp);
  claim('daprGrpcPort', listeners.daprGrpc);
  claim('layottoGrpcPort', listeners.layottoGrpc);
  claim('daprInternalGrpcPort', listeners.internal);
  claim('metricsPort', listeners.metrics);
  const first = new Map<number, SettingName>();
  for (const [name, port] of claims) {
    const other = first.get(port);
    if (other === undefined) first.set(port, name);
    else if (personality === 'daprd' && other === 'appPort' && (name === 'daprHttpPort' || name === 'daprGrpcPort')) {
      problems.error(
        values.origin(name),
        `the '${settingOf(name).flag}' argument value ${port} conflicts with 'app-port'`,
      );
    } else {
      const places = `by ${place(values.origin(other))} and by ${place(values.origin(name))}`;
      problems.error(values.origin(name), `port ${port} is claimed twice: ${places}`);
    }
  }
}

const place = (origin: Origin): string => originText(origin);

const numberOf = (port: number | 'off' | undefined): number | undefined =>
  typeof port === 'number' ? port : undefined;

/** `value` when it is at least `least`, as Dapr treats zero and negative numbers. */
const orDefault = (value: number | undefined, least: number, otherwise: number): number =>
  value === undefined || value < least ? otherwise : value;
