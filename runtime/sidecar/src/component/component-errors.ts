/** Errors of components that are not there to answer, and Dapr's words for one that cannot be started. */
import { errorsOf } from '@outrigger/engine';

export const COMPONENT_ERRORS = {
  COMPONENT_NOT_READY: {
    grpc: 'UNAVAILABLE',
    http: 503,
    text: 'component {name} ({type}) is not ready: {reason}',
    hint: 'the sidecar goes on trying; its log says each attempt',
  },
  COMPONENT_CLOSED: {
    grpc: 'UNAVAILABLE',
    http: 503,
    text: 'component {name} ({type}) is closed: it was removed, or the sidecar stops',
  },
} as const;

export const fail: ReturnType<typeof errorsOf<typeof COMPONENT_ERRORS>> = errorsOf(COMPONENT_ERRORS);

/** `statestore (state.redis/v1)`, as Dapr names components in logs and errors. */
export function logName(component: { readonly name: string; readonly type: string; readonly version: string }): string {
  const { name, type, version } = component;
  return version === '' ? `${name} (${type})` : `${name} (${type}/${version})`;
}

export type InitFailure = 'CREATE_COMPONENT_FAILURE' | 'INIT_COMPONENT_FAILURE';

/** Why a component could not be created or opened. `permanent`: no attempt with the same document will do better. */
export class ComponentInitError extends Error {
  readonly failure: InitFailure;
  readonly permanent: boolean;
  /** It waits for a secret store that nobody declared; Dapr lets such a component wait and does not end for it. */
  readonly parked: boolean;

  constructor(
    failure: InitFailure,
    message: string,
    options: { permanent?: boolean; parked?: boolean; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ComponentInitError';
    this.failure = failure;
    this.permanent = options.permanent ?? false;
    this.parked = options.parked ?? false;
  }
}

/** The sentence daprd ends with (pkg/runtime/errors and pkg/runtime/processor). */
export function daprFatalText(
  component: { readonly name: string; readonly type: string; readonly version: string },
  error: ComponentInitError,
): string {
  const entity = logName(component);
  const inner = `[${error.failure}]: initialization error occurred for ${entity}: ${error.message}`;
  return `process component ${component.name} error: [INIT_COMPONENT_FAILURE]: initialization error occurred for ${entity}: ${inner}`;
}

const DAPR_KIND_NAMES: Readonly<Record<string, string>> = {
  state: 'state store',
  pubsub: 'message bus',
  configuration: 'configuration store',
  lock: 'lock store',
  sequencer: 'sequencer',
  secretstores: 'secret store',
  nameresolution: 'name resolver',
};

/** Dapr's sentence for a type that it does not know. */
export function unknownTypeText(kind: string, type: string, version: string): string {
  const what = Object.hasOwn(DAPR_KIND_NAMES, kind) ? DAPR_KIND_NAMES[kind] : undefined;
  return what === undefined ? `incorrect type ${type}` : `couldn't find ${what} ${type}/${version}`;
}
