/**
 * Every setting of a sidecar process, once: its flag, its environment variable (`OUTRIGGER_<NAME>`), its key in a Sidecar
 * document, and its help. Command lines, documents, completion and the reference all derive from this table.
 */

import { SETTINGS } from './settings-table.js';

/** How a value is written. `port` also takes `off` where the row is switchable; `csv` may be given several times. */
export type SettingType = 'text' | 'int' | 'port' | 'bool' | 'csv' | 'duration' | 'quantity';

export type SettingGroup = 'App' | 'API' | 'Resources' | 'Process' | 'Dapr compatibility';

/** Which commands know the flag: `dapr run` and `daprd` differ in a few. */
export type FlagUser = 'run' | 'start' | 'daprd' | 'layotto';

export interface Setting {
  readonly flag: string;
  readonly short?: string;
  readonly type: SettingType;
  /** Shown in help for the value. */
  readonly value?: string;
  readonly help: string;
  /** Headline in the help. */
  readonly group: SettingGroup;
  readonly users: readonly FlagUser[];
  /** A port that may be `off`. */
  readonly switchable?: boolean;
  readonly choices?: readonly string[];
  /** Environment variables beside OUTRIGGER_<NAME>, looked at after it. */
  readonly env?: readonly string[];
  /** Never from a Sidecar document: needed before documents are read, or only sensible by hand. */
  readonly notInDocuments?: boolean;
  /** Accepted and without effect: the sentence says why. Named once at start when given. */
  readonly noEffect?: string;
  /** Use this one instead. */
  readonly deprecated?: string;
}

/** Names in code, in Sidecar documents and (in upper case) in the environment. */
export type SettingName =
  | 'appId'
  | 'appPort'
  | 'appProtocol'
  | 'appChannelAddress'
  | 'appMaxConcurrency'
  | 'appSsl'
  | 'enableAppHealthCheck'
  | 'appHealthCheckPath'
  | 'appHealthProbeInterval'
  | 'appHealthProbeTimeout'
  | 'appHealthThreshold'
  | 'disableInitEndpoints'
  | 'daprHttpPort'
  | 'daprGrpcPort'
  | 'layottoGrpcPort'
  | 'daprListenAddresses'
  | 'daprInternalGrpcPort'
  | 'daprInternalGrpcListenAddress'
  | 'unixDomainSocket'
  | 'maxBodySize'
  | 'daprHttpMaxRequestSize'
  | 'readBufferSize'
  | 'daprHttpReadBufferSize'
  | 'allowedOrigins'
  | 'invokeExternalHosts'
  | 'enableApiLogging'
  | 'resourcesPath'
  | 'componentsPath'
  | 'config'
  | 'hotReload'
  | 'hotReloadReconcileInterval'
  | 'embeddedDefaults'
  | 'namespace'
  | 'home'
  | 'stateDir'
  | 'metricsPort'
  | 'metricsListenAddress'
  | 'enableMetrics'
  | 'daprGracefulShutdownSeconds'
  | 'daprBlockShutdownDuration'
  | 'logLevel'
  | 'logAsJson'
  | 'logFile'
  | 'mode'
  | 'daprPublicPort'
  | 'daprPublicListenAddress'
  | 'enableProfiling'
  | 'profilePort'
  | 'enableMtls'
  | 'sentryAddress'
  | 'sentryRequestJwtAudiences'
  | 'controlPlaneAddress'
  | 'controlPlaneTrustDomain'
  | 'controlPlaneNamespace'
  | 'disableBuiltinK8sSecretStore'
  | 'placementHostAddress'
  | 'actorsService'
  | 'actorsDisseminateTimeout'
  | 'remindersService'
  | 'schedulerHostAddress'
  | 'schedulerJobStreams'
  | 'appBindingOptionsTimeout';

export const SETTING_NAMES: readonly SettingName[] = Object.keys(SETTINGS) as SettingName[];

export function settingOf(name: SettingName): Setting {
  return SETTINGS[name];
}

/** `appHealthCheckPath` → `OUTRIGGER_APP_HEALTH_CHECK_PATH`. */
export function environmentName(name: SettingName): string {
  return `OUTRIGGER_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

export function settingsFor(user: FlagUser): SettingName[] {
  return SETTING_NAMES.filter((name) => settingOf(name).users.includes(user));
}
