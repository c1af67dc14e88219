/** Every route of Dapr's HTTP API (dapr/dapr pkg/api/http): what is not served is told apart from what does not exist. */
import type { RouteName } from '../not-served.js';

type Row = readonly [methods: string, path: string, name: string];

/** Rows of one API: `version` and `api` stand once, paths follow them. */
function rows(version: string, api: string, list: readonly Row[]): RouteName[] {
  return list.map(([methods, path, name]) => ({
    methods: methods.split(' '),
    pattern: `/${version}/${api}${path}`,
    api,
    version,
    name,
  }));
}

const WORKFLOWS: readonly Row[] = [
  ['GET', '/{component}/{id}', 'GetWorkflow'],
  ['POST', '/{component}/{id}/raiseEvent/{event}', 'RaiseEventWorkflow'],
  ['POST', '/{component}/{workflow}/start', 'StartWorkflow'],
  ['POST', '/{component}/{id}/pause', 'PauseWorkflow'],
  ['POST', '/{component}/{id}/resume', 'ResumeWorkflow'],
  ['POST', '/{component}/{id}/terminate', 'TerminateWorkflow'],
  ['POST', '/{component}/{id}/purge', 'PurgeWorkflow'],
];

const JOBS: readonly Row[] = [
  ['POST', '/{name}', 'ScheduleJob'],
  ['DELETE', '/{name}', 'DeleteJob'],
  ['GET', '/{name}', 'GetJob'],
];

const CONFIGURATION: readonly Row[] = [
  ['GET', '/{store}', 'GetConfiguration'],
  ['GET', '/{store}/subscribe', 'SubscribeConfiguration'],
  ['GET', '/{store}/{id}/unsubscribe', 'UnsubscribeConfiguration'],
];

const CONVERSE: readonly Row[] = [['POST', '/{name}/converse', 'Converse']];
const BULK_PUBLISH: Row = ['POST PUT', '/bulk/{pubsub}/{topic…}', 'BulkPublishEvent'];

export const DAPR_ROUTES: readonly RouteName[] = [
  ...rows('v1.0', 'actors', [
    ['POST PUT', '/{type}/{id}/state', 'ExecuteActorStateTransaction'],
    ['GET POST DELETE PUT', '/{type}/{id}/method/{method}', 'InvokeActor'],
    ['GET', '/{type}/{id}/state/{key}', 'GetActorState'],
    ['POST PUT', '/{type}/{id}/reminders/{name}', 'RegisterActorReminder'],
    ['DELETE', '/{type}/{id}/reminders/{name}', 'UnregisterActorReminder'],
    ['GET', '/{type}/{id}/reminders/{name}', 'GetActorReminder'],
    ['POST PUT', '/{type}/{id}/timers/{name}', 'RegisterActorTimer'],
    ['DELETE', '/{type}/{id}/timers/{name}', 'UnregisterActorTimer'],
  ]),
  ...rows('v1.0', 'bindings', [['POST PUT', '/{name}', 'InvokeBinding']]),
  ...rows('v1.0', 'configuration', CONFIGURATION),
  ...rows('v1.0-alpha1', 'configuration', CONFIGURATION),
  ...rows('v1.0-alpha1', 'conversation', CONVERSE),
  ...rows('v1.0-alpha2', 'conversation', CONVERSE),
  ...rows('v1.0-alpha1', 'crypto', [
    ['PUT', '/{name}/encrypt', 'Encrypt'],
    ['PUT', '/{name}/decrypt', 'Decrypt'],
  ]),
  ...rows('v1.0', 'healthz', [
    ['GET', '', 'Healthz'],
    ['GET', '/outbound', 'HealthzOutbound'],
  ]),
  ...rows('v1.0', 'invoke', [['*', '/{target…}', 'InvokeService']]),
  ...rows('v1.0', 'jobs', JOBS),
  ...rows('v1.0-alpha1', 'jobs', JOBS),
  ...rows('v1.0-alpha1', 'lock', [['POST', '/{store}', 'TryLock']]),
  ...rows('v1.0', 'metadata', [
    ['GET', '', 'GetMetadata'],
    ['PUT', '/{key}', 'PutMetadata'],
  ]),
  ...rows('v1.0', 'publish', [['POST PUT', '/{pubsub}/{topic…}', 'PublishEvent'], BULK_PUBLISH]),
  ...rows('v1.0-alpha1', 'publish', [BULK_PUBLISH]),
  ...rows('v1.0', 'secrets', [
    ['GET', '/{store}/bulk', 'GetBulkSecret'],
    ['GET', '/{store}/{key}', 'GetSecret'],
  ]),
  ...rows('v1.0', 'shutdown', [['POST', '', 'Shutdown']]),
  ...rows('v1.0', 'state', [
    ['GET', '/{store}/{key}', 'GetState'],
    ['DELETE', '/{store}/{key}', 'DeleteState'],
    ['POST PUT', '/{store}', 'SaveState'],
    ['POST PUT', '/{store}/bulk', 'GetBulkState'],
    ['POST PUT', '/{store}/transaction', 'ExecuteStateTransaction'],
  ]),
  ...rows('v1.0-alpha1', 'state', [['POST PUT', '/{store}/query', 'QueryStateAlpha1']]),
  ...rows('v1.0-alpha1', 'subtlecrypto', [
    ['POST', '/{name}/getkey', 'SubtleGetKey'],
    ['POST', '/{name}/encrypt', 'SubtleEncrypt'],
    ['POST', '/{name}/decrypt', 'SubtleDecrypt'],
    ['POST', '/{name}/wrapkey', 'SubtleWrapKey'],
    ['POST', '/{name}/unwrapkey', 'SubtleUnwrapKey'],
    ['POST', '/{name}/sign', 'SubtleSign'],
    ['POST', '/{name}/verify', 'SubtleVerify'],
  ]),
  ...rows('v1.0-alpha1', 'unlock', [['POST', '/{store}', 'Unlock']]),
  ...rows('v1.0', 'workflows', WORKFLOWS),
  ...rows('v1.0-alpha1', 'workflows', WORKFLOWS),
  ...rows('v1.0-beta1', 'workflows', WORKFLOWS),
];
