/**
 * Who may call what on the gRPC API: token, then `api.allowed` and `api.denied`. Codes, texts and details are Dapr's
 * (pkg/api/grpc/{auth,endpoints}.go).
 */
import { encodeStatusDetails, GrpcCode, GrpcStatusError, type ServerCall } from '@outrigger/engine';
import { type ApiRules, apiFilter } from '../api-rules.js';
import { API_TOKEN_HEADER, tokenCheck } from '../api-token.js';
import { ERROR_DOMAIN } from '../error-view.js';

export interface GrpcGuardConfig {
  readonly apiToken: string | undefined;
  readonly apiRules: ApiRules;
}

/** Throws the status to answer with. Removes the token from the call's metadata, so that nothing forwards it. */
export type GrpcGuard = (call: Pick<ServerCall, 'path' | 'metadata'>) => void;

/** Dapr answers with the text of an HTTP status, and what happened in the details. */
function refusal(code: GrpcCode, httpStatus: number, text: string, reason: string): GrpcStatusError {
  const metadata = { 'http.code': String(httpStatus), 'http.error_message': reason };
  const details = encodeStatusDetails(code, text, [
    { type: 'ErrorInfo', reason: text, domain: ERROR_DOMAIN, metadata },
  ]);
  return new GrpcStatusError(code, text, { details });
}

function unauthorized(reason: string): GrpcStatusError {
  return refusal(GrpcCode.UNAUTHENTICATED, 401, 'Unauthorized', reason);
}

/** Undefined when everybody may call everything. */
export function createGrpcGuard(config: GrpcGuardConfig): GrpcGuard | undefined {
  const { apiToken, apiRules } = config;
  const isRight = apiToken === undefined || apiToken === '' ? undefined : tokenCheck(apiToken);
  const isAllowed = apiFilter(apiRules, 'grpc');
  const hasRules = [...apiRules.allowed, ...apiRules.denied].some(({ protocol }) => protocol === 'grpc');
  if (isRight === undefined && !hasRules) return undefined;
  /** Answers per path, filled as paths of our services come; their number is fixed. */
  const allowedPaths = new Map<string, boolean>();

  function mayCall(path: string): boolean {
    if (!path.startsWith(SERVICE)) return true;
    let allowed = allowedPaths.get(path);
    if (allowed === undefined) {
      const group = GROUP_OF_METHOD.get(path.slice(SERVICE.length));
      allowed = isAllowed(({ name, version }) => `${name}.${version}` === group);
      if (group !== undefined) allowedPaths.set(path, allowed);
    }
    return allowed;
  }

  return (call) => {
    if (hasRules && !mayCall(call.path)) {
      throw refusal(GrpcCode.UNIMPLEMENTED, 501, 'Not Implemented', 'requested endpoint is not available');
    }
    if (isRight === undefined) return;
    const given = call.metadata.get(API_TOKEN_HEADER);
    if (given === undefined) throw unauthorized('missing api token in request metadata');
    if (!isRight(given)) throw unauthorized('authentication error: api token mismatch');
    call.metadata.fields.delete(API_TOKEN_HEADER);
  };
}

const SERVICE = '/dapr.proto.runtime.v1.Dapr/';

/** `name.version` of the rules that cover each method. */
const GROUPS: Readonly<Record<string, readonly string[]>> = {
  'actors.v1': [
    'RegisterActorTimer',
    'UnregisterActorTimer',
    'RegisterActorReminder',
    'GetActorReminder',
    'UnregisterActorReminder',
    'UnregisterActorRemindersByType',
    'ListActorReminders',
    'GetActorState',
    'ExecuteActorStateTransaction',
    'InvokeActor',
  ],
  'actors.v1alpha1': ['SubscribeActorEventsAlpha1'],
  'bindings.v1': ['InvokeBinding'],
  'configuration.v1': ['GetConfiguration', 'SubscribeConfiguration', 'UnsubscribeConfiguration'],
  'configuration.v1alpha1': [
    'GetConfigurationAlpha1',
    'SubscribeConfigurationAlpha1',
    'UnsubscribeConfigurationAlpha1',
  ],
  'conversation.v1alpha1': ['ConverseAlpha1'],
  'conversation.v1alpha2': ['ConverseAlpha2'],
  'crypto.v1alpha1': ['EncryptAlpha1', 'DecryptAlpha1'],
  'invoke.v1': ['InvokeService'],
  'jobs.v1': ['ScheduleJob', 'DeleteJob', 'GetJob', 'DeleteJobsByPrefix', 'ListJobs'],
  'jobs.v1alpha1': [
    'ScheduleJobAlpha1',
    'DeleteJobAlpha1',
    'GetJobAlpha1',
    'DeleteJobsByPrefixAlpha1',
    'ListJobsAlpha1',
  ],
  'lock.v1alpha1': ['TryLockAlpha1'],
  'metadata.v1': ['GetMetadata', 'SetMetadata'],
  'publish.v1': ['PublishEvent', 'BulkPublishEvent'],
  'publish.v1alpha1': ['BulkPublishEventAlpha1'],
  'secrets.v1': ['GetSecret', 'GetBulkSecret'],
  'shutdown.v1': ['Shutdown'],
  'state.v1': ['GetState', 'GetBulkState', 'SaveState', 'DeleteState', 'DeleteBulkState', 'ExecuteStateTransaction'],
  'state.v1alpha1': ['QueryStateAlpha1'],
  'subscribe.v1alpha1': ['SubscribeTopicEventsAlpha1'],
  'subtlecrypto.v1alpha1': [
    'SubtleGetKeyAlpha1',
    'SubtleEncryptAlpha1',
    'SubtleDecryptAlpha1',
    'SubtleSignAlpha1',
    'SubtleVerifyAlpha1',
    'SubtleWrapKeyAlpha1',
    'SubtleUnwrapKeyAlpha1',
  ],
  'unlock.v1alpha1': ['UnlockAlpha1'],
  'workflows.v1alpha1': [
    'StartWorkflowAlpha1',
    'GetWorkflowAlpha1',
    'TerminateWorkflowAlpha1',
    'RaiseEventWorkflowAlpha1',
    'PurgeWorkflowAlpha1',
    'PauseWorkflowAlpha1',
    'ResumeWorkflowAlpha1',
  ],
  'workflows.v1beta1': [
    'StartWorkflowBeta1',
    'GetWorkflowBeta1',
    'TerminateWorkflowBeta1',
    'RaiseEventWorkflowBeta1',
    'PurgeWorkflowBeta1',
    'PauseWorkflowBeta1',
    'ResumeWorkflowBeta1',
  ],
};

const GROUP_OF_METHOD: ReadonlyMap<string, string> = new Map(
  Object.entries(GROUPS).flatMap(([group, methods]) => methods.map((method) => [method, group] as const)),
);
