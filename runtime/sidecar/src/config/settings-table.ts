/** The rows of `settings.ts`, by group. */
import type { FlagUser, Setting, SettingGroup, SettingName, SettingType } from './settings.js';

type Row = Omit<Setting, 'group'>;

const DAPR: readonly FlagUser[] = ['run', 'start', 'daprd'];
const OURS: readonly FlagUser[] = ['run', 'start', 'layotto'];
const DAPRD: readonly FlagUser[] = ['daprd'];

const PLACEMENT = 'actors are not served yet';
const SCHEDULER = 'jobs and reminders are not served yet';
const CONTROL_PLANE = "Dapr's control plane is not used";

/** Every command has the flag unless `users` says otherwise. */
function row(type: SettingType, flag: string, help: string, more: Partial<Row> = {}): Row {
  return { type, flag, help, users: ['run', 'start', 'daprd', 'layotto'], ...more };
}

const APP = {
  appId: row('text', 'app-id', 'name of the app: others find it by this, and its state is kept under it', {
    short: 'a',
    value: 'id',
  }),
  appPort: row('port', 'app-port', 'port the app listens on; without it the app only calls', { short: 'p' }),
  appProtocol: row('text', 'app-protocol', 'what the app speaks on that port', {
    short: 'P',
    choices: ['http', 'https', 'h2c', 'grpc', 'grpcs'],
  }),
  appChannelAddress: row('text', 'app-channel-address', 'host the app listens on', { value: 'host' }),
  appMaxConcurrency: row('int', 'app-max-concurrency', 'most calls to the app at one time; -1: no limit'),
  appSsl: row('bool', 'app-ssl', 'the app speaks TLS', { users: DAPR, deprecated: '--app-protocol https or grpcs' }),
  enableAppHealthCheck: row(
    'bool',
    'enable-app-health-check',
    'ask the app for its health; deliveries stop while it is not healthy',
  ),
  appHealthCheckPath: row('text', 'app-health-check-path', 'path asked for, of HTTP apps', { value: 'path' }),
  appHealthProbeInterval: row('int', 'app-health-probe-interval', 'time between two questions', { value: 'seconds' }),
  appHealthProbeTimeout: row('int', 'app-health-probe-timeout', 'time for an answer', { value: 'ms' }),
  appHealthThreshold: row('int', 'app-health-threshold', 'failures in a row until the app counts as unhealthy', {
    value: 'n',
  }),
  disableInitEndpoints: row(
    'csv',
    'disable-init-endpoints',
    'what the app is not asked for at start: config, subscribe',
    { value: 'names', users: DAPR },
  ),
} satisfies Partial<Record<SettingName, Row>>;

const API = {
  daprHttpPort: row('port', 'dapr-http-port', 'port of the Dapr HTTP API', { short: 'H', switchable: true }),
  daprGrpcPort: row('port', 'dapr-grpc-port', 'port of the Dapr gRPC API', { short: 'G', switchable: true }),
  layottoGrpcPort: row('port', 'layotto-grpc-port', 'port of the Layotto gRPC API', { switchable: true }),
  daprListenAddresses: row('csv', 'dapr-listen-addresses', 'hosts the APIs listen on', { value: 'hosts' }),
  daprInternalGrpcPort: row('port', 'dapr-internal-grpc-port', 'port for other sidecars; 0: a free one', {
    short: 'I',
  }),
  daprInternalGrpcListenAddress: row('text', 'dapr-internal-grpc-listen-address', 'host for other sidecars', {
    value: 'host',
  }),
  unixDomainSocket: row('text', 'unix-domain-socket', 'Dapr APIs listen on sockets in this folder instead of ports', {
    short: 'u',
    value: 'folder',
    users: DAPR,
  }),
  maxBodySize: row('quantity', 'max-body-size', 'most bytes of one message, both directions, all APIs', {
    value: 'size',
  }),
  daprHttpMaxRequestSize: row('int', 'dapr-http-max-request-size', 'the same in MB', {
    value: 'MB',
    users: DAPRD,
    deprecated: '--max-body-size',
  }),
  readBufferSize: row('quantity', 'read-buffer-size', 'most bytes of the headers of one request', {
    value: 'size',
    users: DAPR,
  }),
  daprHttpReadBufferSize: row('int', 'dapr-http-read-buffer-size', 'the same in KB', {
    value: 'KB',
    users: DAPRD,
    deprecated: '--read-buffer-size',
  }),
  allowedOrigins: row('csv', 'allowed-origins', 'web origins whose pages may call the HTTP API; * allows all', {
    value: 'origins',
  }),
  invokeExternalHosts: row(
    'csv',
    'invoke-external-hosts',
    'hosts that invoke may call by absolute URL, such as *.example.com; all but link-local ones when not given',
    { value: 'hosts' },
  ),
  enableApiLogging: row('bool', 'enable-api-logging', 'log every API call'),
} satisfies Partial<Record<SettingName, Row>>;

const RESOURCES = {
  resourcesPath: row('csv', 'resources-path', 'folder (or file) of documents; may be given several times', {
    value: 'path',
    notInDocuments: true,
  }),
  componentsPath: row('text', 'components-path', 'the same', {
    short: 'd',
    value: 'path',
    users: DAPR,
    notInDocuments: true,
    deprecated: '--resources-path',
  }),
  config: row(
    'csv',
    'config',
    'Dapr Configuration document; may be given several times, later ones lie over earlier ones',
    { short: 'c', value: 'file', users: DAPR, notInDocuments: true },
  ),
  hotReload: row('bool', 'hot-reload', 'apply changed documents without a restart', { users: OURS }),
  hotReloadReconcileInterval: row(
    'duration',
    'hot-reload-reconcile-interval',
    'how often folders are looked at beside being watched',
    { value: 'time' },
  ),
  embeddedDefaults: row('bool', 'embedded-defaults', 'local components for blocks that no document declares'),
} satisfies Partial<Record<SettingName, Row>>;

const PROCESS = {
  namespace: row('text', 'namespace', 'apps of one namespace find one another and share the local store', {
    value: 'name',
    users: OURS,
    env: ['NAMESPACE'],
  }),
  home: row('text', 'home', 'where local data and running instances are kept', {
    value: 'folder',
    users: OURS,
    notInDocuments: true,
  }),
  stateDir: row('text', 'state-dir', 'folder of this instance instead of one below the home', {
    value: 'folder',
    users: OURS,
    notInDocuments: true,
  }),
  metricsPort: row('port', 'metrics-port', 'port of /metrics', { short: 'M', switchable: true }),
  metricsListenAddress: row('text', 'metrics-listen-address', 'host of /metrics', { value: 'host' }),
  enableMetrics: row('bool', 'enable-metrics', 'serve /metrics'),
  daprGracefulShutdownSeconds: row('int', 'dapr-graceful-shutdown-seconds', 'time for work in hand when stopping', {
    value: 'seconds',
  }),
  daprBlockShutdownDuration: row(
    'duration',
    'dapr-block-shutdown-duration',
    'keep the API open this long (or until the app is unhealthy) before stopping',
    { value: 'time' },
  ),
  logLevel: row('text', 'log-level', 'least level that is logged', {
    choices: ['trace', 'debug', 'info', 'warn', 'error', 'fatal'],
  }),
  logAsJson: row('bool', 'log-as-json', 'one JSON object a line'),
  logFile: row('text', 'log-file', 'append the log to this file instead of stdout', { value: 'file' }),
} satisfies Partial<Record<SettingName, Row>>;

const COMPATIBILITY = {
  mode: row('text', 'mode', 'standalone; kubernetes needs its control plane, which is not served', {
    choices: ['standalone', 'kubernetes'],
    users: DAPRD,
    notInDocuments: true,
  }),
  daprPublicPort: row('port', 'dapr-public-port', 'port of health and metadata for everyone', {
    users: DAPRD,
    noEffect: 'health and metadata are on the HTTP API port',
  }),
  daprPublicListenAddress: row('text', 'dapr-public-listen-address', 'its host', {
    users: DAPRD,
    noEffect: 'health and metadata are on the HTTP API port',
  }),
  enableProfiling: row('bool', 'enable-profiling', 'profiling server', {
    users: DAPR,
    noEffect: 'there is no profiling server; use node --cpu-prof',
  }),
  profilePort: row('port', 'profile-port', 'its port', { users: DAPR, noEffect: 'there is no profiling server' }),
  enableMtls: row('bool', 'enable-mtls', 'mTLS between sidecars', {
    users: DAPRD,
    noEffect: 'traffic between sidecars is not encrypted yet',
  }),
  sentryAddress: row('text', 'sentry-address', 'certificate authority', { users: DAPRD, noEffect: CONTROL_PLANE }),
  sentryRequestJwtAudiences: row('csv', 'sentry-request-jwt-audiences', 'audiences of its requests', {
    users: DAPRD,
    noEffect: CONTROL_PLANE,
  }),
  controlPlaneAddress: row('text', 'control-plane-address', 'control plane', { users: DAPRD, noEffect: CONTROL_PLANE }),
  controlPlaneTrustDomain: row('text', 'control-plane-trust-domain', 'its trust domain', {
    users: DAPRD,
    noEffect: CONTROL_PLANE,
  }),
  controlPlaneNamespace: row('text', 'control-plane-namespace', 'its namespace', {
    users: DAPRD,
    noEffect: CONTROL_PLANE,
  }),
  disableBuiltinK8sSecretStore: row('bool', 'disable-builtin-k8s-secret-store', 'no built-in Kubernetes secrets', {
    users: DAPRD,
    noEffect: 'there is no built-in Kubernetes secret store',
  }),
  placementHostAddress: row('text', 'placement-host-address', 'placement service', {
    users: DAPR,
    noEffect: PLACEMENT,
  }),
  actorsService: row('text', 'actors-service', 'actors service', { users: DAPRD, noEffect: PLACEMENT }),
  actorsDisseminateTimeout: row('duration', 'actors-disseminate-timeout', 'placement round', {
    users: DAPRD,
    noEffect: PLACEMENT,
  }),
  remindersService: row('text', 'reminders-service', 'reminders service', { users: DAPRD, noEffect: SCHEDULER }),
  schedulerHostAddress: row('csv', 'scheduler-host-address', 'scheduler service', { users: DAPR, noEffect: SCHEDULER }),
  schedulerJobStreams: row('int', 'scheduler-job-streams', 'streams to it', { users: DAPRD, noEffect: SCHEDULER }),
  appBindingOptionsTimeout: row('duration', 'app-binding-options-timeout', 'discovery of input bindings', {
    users: DAPRD,
    noEffect: 'bindings are not served yet',
  }),
} satisfies Partial<Record<SettingName, Row>>;

const of = <N extends SettingName>(group: SettingGroup, rows: Record<N, Row>): Record<N, Setting> =>
  Object.fromEntries(Object.entries<Row>(rows).map(([name, fields]) => [name, { ...fields, group }])) as Record<
    N,
    Setting
  >;

export const SETTINGS: Readonly<Record<SettingName, Setting>> = {
  ...of('App', APP),
  ...of('API', API),
  ...of('Resources', RESOURCES),
  ...of('Process', PROCESS),
  ...of('Dapr compatibility', COMPATIBILITY),
};
