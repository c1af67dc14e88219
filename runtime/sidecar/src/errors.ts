/**
 * The sidecar's extension of the error table (D2), blocks in alphabetical order. Surfaces turn rows into their dialect's
 * codes and texts (`api/error-view.ts`); docs derive from it. Dapr's codes, texts and statuses: dapr/dapr pkg/api/errors,
 * pkg/messages; Layotto's: mosn/layotto pkg/messages. Where Dapr's gRPC API attaches an ErrorInfo that its HTTP API does
 * not send, the reason stands under `grpcApi`.
 */
import { errorsOf } from '@outrigger/engine';

export const SIDECAR_ERRORS = {
  // api
  API_BODY_TOO_LARGE: {
    grpc: 'RESOURCE_EXHAUSTED',
    http: 413,
    text: 'failed to read request body: it is larger than the limit of {limit} bytes (max-body-size)',
    hint: 'send less, or raise max-body-size',
    dapr: { code: 'ERR_BODY_READ', category: 'common' },
  },
  API_HOST_REFUSED: {
    grpc: 'PERMISSION_DENIED',
    http: 403,
    text: 'requests to host {host} are refused: use localhost or an IP address, or allow an origin of that host with --allowed-origins',
    dapr: { code: 'ERR_HOST_REFUSED', category: 'common' },
  },
  API_INTERNAL: {
    grpc: 'INTERNAL',
    http: 500,
    text: 'internal error; the log of the sidecar says more',
    dapr: { code: 'ERR_INTERNAL', category: 'common' },
  },
  API_MALFORMED_BODY: {
    grpc: 'INVALID_ARGUMENT',
    http: 400,
    text: 'failed deserializing HTTP body: {error}',
    dapr: { code: 'ERR_MALFORMED_REQUEST', category: 'common' },
  },
  API_MALFORMED_REQUEST: {
    grpc: 'INVALID_ARGUMENT',
    http: 400,
    text: '{error}',
    dapr: { code: 'ERR_MALFORMED_REQUEST', category: 'common' },
  },
  API_NOT_SERVED: {
    grpc: 'UNIMPLEMENTED',
    http: 501,
    text: 'this API is currently not implemented: {method} is not served by this sidecar yet',
    dapr: { code: 'ERR_API_UNIMPLEMENTED', category: 'common' },
  },
  API_ORIGIN_REFUSED: {
    grpc: 'PERMISSION_DENIED',
    http: 403,
    text: 'requests of a page from {origin} are refused: allow its origin with --allowed-origins',
    dapr: { code: 'ERR_ORIGIN_REFUSED', category: 'common' },
  },

  // configuration
  CONFIGURATION_GET_FAILED: {
    grpc: 'INTERNAL',
    http: 500,
    text: 'failed to get {keys} from Configuration store {name}: {error}',
    dapr: {
      code: 'ERR_CONFIGURATION_GET',
      category: 'configuration',
      grpcApi: { reason: 'ERR_CONFIGURATION_GET' },
    },
    layotto: { grpc: 'UNKNOWN', text: 'get configuration failed with error: {error}' },
  },
  CONFIGURATION_REMOVE_FAILED: {
    grpc: 'INTERNAL',
    http: 500,
    text: 'failed to delete {keys} from Configuration store {name}: {error}',
    dapr: { code: 'ERR_CONFIGURATION_DELETE', category: 'configuration' },
    layotto: { grpc: 'UNKNOWN', text: '{error}' },
  },
  CONFIGURATION_SAVE_FAILED: {
    grpc: 'INTERNAL',
    http: 500,
    text: 'failed to save {keys} in Configuration store {name}: {error}',
    dapr: { code: 'ERR_CONFIGURATION_SAVE', category: 'configuration' },
    layotto: { grpc: 'UNKNOWN', text: '{error}' },
  },
  CONFIGURATION_STORE_NOT_FOUND: {
    grpc: 'INVALID_ARGUMENT',
    http: 400,
    text: 'configuration store {name} not found',
    hint: 'check the name against `outrigger components`',
    dapr: {
      code: 'ERR_CONFIGURATION_STORE_NOT_FOUND',
      category: 'configuration',
      grpcApi: { reason: 'ERR_CONFIGURATION_STORE_NOT_FOUND' },
    },
    layotto: { grpc: 'UNKNOWN', text: "configure store [{name}] don't support now" },
  },
  CONFIGURATION_STORES_NOT_CONFIGURED: {
    grpc: 'FAILED_PRECONDITION',
    http: 500,
    text: 'configuration stores not configured',
    hint: 'add a Component document of a configuration.* type to the resources folder',
    dapr: {
      code: 'ERR_CONFIGURATION_STORE_NOT_CONFIGURED',
      category: 'configuration',
      grpcApi: { reason: 'ERR_CONFIGURATION_STORE_NOT_CONFIGURED' },
    },
    layotto: { grpc: 'UNKNOWN', text: "configure store [{name}] don't support now" },
  },
  CONFIGURATION_SUBSCRIBE_FAILED: {
    grpc: 'INTERNAL',
    http: 500,
    text: 'failed to subscribe {keys} from Configuration store {name}: {error}',
    dapr: {
      code: 'ERR_CONFIGURATION_SUBSCRIBE',
      category: 'configuration',
      grpcApi: { grpc: 'INVALID_ARGUMENT', reason: 'ERR_CONFIGURATION_SUBSCRIBE' },
    },
  },
  CONFIGURATION_SUBSCRIBE_NO_APP: {
    grpc: 'FAILED_PRECONDITION',
    http: 500,
    text: 'app channel is not initialized. cannot subscribe to configuration updates',
    hint: 'start the sidecar with --app-port, or subscribe over gRPC',
    dapr: { code: 'ERR_APP_CHANNEL_NIL', category: 'common' },
  },
  CONFIGURATION_TOO_MANY_SUBSCRIPTIONS: {
    grpc: 'RESOURCE_EXHAUSTED',
    http: 500,
    text: 'failed to subscribe {keys} from Configuration store {name}: this sidecar holds {limit} subscriptions already',
    hint: 'end subscriptions that are no longer needed',
    dapr: { code: 'ERR_CONFIGURATION_SUBSCRIBE', category: 'configuration' },
  },
  CONFIGURATION_UNSUPPORTED: {
    grpc: 'UNIMPLEMENTED',
    http: 501,
    text: 'configuration store {name} cannot {operation} items',
    dapr: { code: 'ERR_API_UNIMPLEMENTED', category: 'configuration' },
  },

  // health
  HEALTH_APP_ID_MISMATCH: {
    grpc: 'INTERNAL',
    http: 500,
    text: 'dapr app-id does not match',
    dapr: { code: 'ERR_HEALTH_APPID_NOT_MATCH', category: 'health' },
  },
  HEALTH_NOT_READY: {
    grpc: 'INTERNAL',
    http: 500,
    text: 'dapr is not ready: {targets}',
    dapr: { code: 'ERR_HEALTH_NOT_READY', category: 'health' },
  },
  HEALTH_OUTBOUND_NOT_READY: {
    grpc: 'INTERNAL',
    http: 500,
    text: 'dapr outbound is not ready',
    dapr: { code: 'ERR_OUTBOUND_HEALTH_NOT_READY', category: 'health' },
  },

  // invoke
  INVOKE_FAILED: {
    grpc: 'INTERNAL',
    http: 500,
    text: 'failed to invoke, id: {id}, err: {error}',
    dapr: { code: 'ERR_DIRECT_INVOKE', category: 'service-invocation' },
    layotto: { grpc: 'UNAVAILABLE', text: '{error}' },
  },
  INVOKE_NO_APP_ID: {
    grpc: 'NOT_FOUND',
    http: 404,
    text: 'failed getting app id either from the URL path or the header dapr-app-id',
    hint: 'call /v1.0/invoke/<app-id>/method/<method>, or any path with the header dapr-app-id',
    dapr: { code: 'ERR_DIRECT_INVOKE', category: 'service-invocation' },
  },
  INVOKE_NOT_READY: {
    grpc: 'INTERNAL',
    http: 500,
    text: 'invoke API is not ready',
    dapr: { code: 'ERR_DIRECT_INVOKE', category: 'service-invocation' },
  },
  INVOKE_PERMISSION_DENIED: {
    grpc: 'INTERNAL',
    http: 403,
    text: 'failed to invoke, id: {id}, err: {error}',
    dapr: { code: 'ERR_DIRECT_INVOKE', category: 'service-invocation' },
    layotto: { grpc: 'PERMISSION_DENIED', text: '{error}' },
  },
  INVOKE_TIMEOUT: {
    grpc: 'DEADLINE_EXCEEDED',
    http: 500,
    text: 'failed to invoke, id: {id}, err: context deadline exceeded',
    dapr: { code: 'ERR_DIRECT_INVOKE', category: 'service-invocation' },
    layotto: { grpc: 'UNAVAILABLE', text: 'no answer from {id} within {timeoutMs} ms' },
  },

  // lock
  LOCK_EXPIRY_NOT_POSITIVE: {
    grpc: 'INVALID_ARGUMENT',
    http: 400,
    text: 'ExpiryInSeconds is not positive in lock store {name}',
    dapr: { code: 'ERR_MALFORMED_REQUEST', category: 'common' },
    layotto: { text: 'Expire is not positive in lock store {name}' },
  },
  LOCK_KEEP_ALIVE_FAILED: {
    grpc: 'INTERNAL',
    http: 500,
    text: 'failed to keep lock alive: {error}',
    dapr: { code: 'ERR_LOCK_KEEP_ALIVE', category: 'lock' },
    layotto: { grpc: 'UNKNOWN', text: '{error}' },
  },
  LOCK_KEEP_ALIVE_UNSUPPORTED: {
    grpc: 'UNIMPLEMENTED',
    http: 501,
    text: 'lock store {name} cannot keep locks alive',
    dapr: { code: 'ERR_API_UNIMPLEMENTED', category: 'lock' },
  },
  LOCK_OWNER_EMPTY: {
    grpc: 'INVALID_ARGUMENT',
    http: 400,
    text: 'LockOwner is empty in lock store {name}',
    dapr: { code: 'ERR_MALFORMED_REQUEST', category: 'common' },
  },
  LOCK_RESOURCE_EMPTY: {
    grpc: 'INVALID_ARGUMENT',
    http: 400,
    text: 'ResourceId is empty in lock store {name}',
    dapr: { code: 'ERR_MALFORMED_REQUEST', category: 'common' },
  },
  LOCK_STORE_NOT_FOUND: {
    grpc: 'INVALID_ARGUMENT',
    http: 400,
    text: 'lock store {name} not found',
    hint: 'check the name against `outrigger components`',
    dapr: { code: 'ERR_LOCK_STORE_NOT_FOUND', category: 'lock' },
  },
  LOCK_STORES_NOT_CONFIGURED: {
    grpc: 'FAILED_PRECONDITION',
    http: 500,
    text: 'lock store is not configured',
    hint: 'add a Component document of a lock.* type to the resources folder',
    dapr: { code: 'ERR_LOCK_STORE_NOT_CONFIGURED', category: 'lock' },
  },
  LOCK_TRY_FAILED: {
    grpc: 'INTERNAL',
    http: 500,
    text: 'failed to try acquiring lock: {error}',
    dapr: { code: 'ERR_TRY_LOCK', category: 'lock' },
    layotto: { grpc: 'UNKNOWN', text: '{error}' },
  },
  LOCK_UNLOCK_FAILED: {
    grpc: 'INTERNAL',
    http: 500,
    text: 'failed to release lock: {error}',
    dapr: { code: 'ERR_UNLOCK', category: 'lock' },
    layotto: { grpc: 'UNKNOWN', text: '{error}' },
  },

  // metadata
  METADATA_TOO_MANY_ENTRIES: {
    grpc: 'RESOURCE_EXHAUSTED',
    http: 400,
    text: 'extended metadata holds {limit} entries already',
    hint: 'overwrite an entry instead of adding one',
    dapr: { code: 'ERR_BAD_REQUEST', category: 'common' },
  },

  // pub/sub; details: block/pubsub/errors.ts
  PUBSUB_CLOUD_EVENT_INVALID: {
    grpc: 'INVALID_ARGUMENT',
    http: 500,
    text: 'cannot create cloudevent',
    hint: 'with content type application/cloudevents+json the data must be a JSON object',
    dapr: { code: 'ERR_PUBSUB_CLOUD_EVENTS_SER', reason: 'DAPR_PUBSUB_CLOUD_EVENT_CREATION', category: 'pubsub' },
    layotto: { text: 'cannot create cloudevent: {error}' },
  },
  PUBSUB_ENTRY_INVALID: {
    grpc: 'INVALID_ARGUMENT',
    http: 400,
    text: 'error marshaling events to bytes for topic {topic} pubsub {name}. error: {error}',
    dapr: { code: 'ERR_PUBSUB_EVENTS_SER', reason: 'DAPR_PUBSUB_MARSHAL_EVENTS', category: 'pubsub' },
  },
  PUBSUB_ENTRY_TYPE_MISMATCH: {
    grpc: 'INVALID_ARGUMENT',
    http: 400,
    text: 'error when marshalling cloud event envelope for topic {topic} pubsub {name}: {error}',
    dapr: { code: 'ERR_PUBSUB_EVENTS_SER', reason: 'DAPR_PUBSUB_MARSHAL_ENVELOPE', category: 'pubsub' },
  },
  PUBSUB_ENTRIES_MALFORMED: {
    grpc: 'INVALID_ARGUMENT',
    http: 400,
    text: 'error when unmarshaling the request for topic {topic} pubsub {name}: {error}',
    dapr: { code: 'ERR_PUBSUB_EVENTS_SER', reason: 'DAPR_PUBSUB_UNMARSHAL_EVENTS', category: 'pubsub' },
  },
  PUBSUB_FORBIDDEN: {
    grpc: 'PERMISSION_DENIED',
    http: 403,
    text: 'topic {topic} is not allowed for app id {appId}',
    hint: "see allowedTopics, protectedTopics and publishingScopes in the component's metadata",
    dapr: { code: 'ERR_PUBSUB_FORBIDDEN', reason: 'DAPR_PUBSUB_FORBIDDEN', category: 'pubsub' },
  },
  PUBSUB_METADATA_INVALID: {
    grpc: 'INVALID_ARGUMENT',
    http: 400,
    text: 'failed deserializing metadata. Error: {error}',
    dapr: { code: 'ERR_PUBSUB_REQUEST_METADATA', reason: 'DAPR_PUBSUB_METADATA_DESERIALIZATION', category: 'pubsub' },
  },
  PUBSUB_NAME_EMPTY: {
    grpc: 'INVALID_ARGUMENT',
    http: 404,
    text: 'pubsub name is empty',
    dapr: { code: 'ERR_PUBSUB_EMPTY', reason: 'DAPR_PUBSUB_NAME_EMPTY', category: 'pubsub' },
  },
  PUBSUB_NOT_FOUND: {
    grpc: 'INVALID_ARGUMENT',
    http: 404,
    text: 'pubsub {name} is not found',
    hint: 'check the name against `outrigger components`',
    dapr: { code: 'ERR_PUBSUB_NOT_FOUND', reason: 'DAPR_PUBSUB_NOT_FOUND', category: 'pubsub' },
    layotto: { text: 'pubsub {name} not found' },
  },
  PUBSUB_PUBLISH_FAILED: {
    grpc: 'INTERNAL',
    http: 500,
    text: 'error when publishing to topic {topic} in pubsub {name}: {error}',
    dapr: { code: 'ERR_PUBSUB_PUBLISH_MESSAGE', reason: 'DAPR_PUBSUB_PUBLISH_MESSAGE', category: 'pubsub' },
    layotto: { text: 'error when publish to topic {topic} in pubsub {name}: {error}' },
  },
  PUBSUB_TOPIC_EMPTY: {
    grpc: 'INVALID_ARGUMENT',
    http: 404,
    text: 'topic is empty in pubsub {name}',
    dapr: { code: 'ERR_TOPIC_NAME_EMPTY', reason: 'DAPR_PUBSUB_TOPIC_NAME_EMPTY', category: 'pubsub' },
  },
  PUBSUB_STREAM_DUPLICATE: {
    grpc: 'UNKNOWN',
    http: 400,
    text: 'already subscribed to pubsub "{name}" topic "{topic}"',
  },
  PUBSUB_STREAM_ENDED: {
    grpc: 'UNAVAILABLE',
    http: 500,
    text: 'the stream of pubsub {name}, topic {topic} ends: {reason}',
  },
  PUBSUB_STREAM_REFUSED: {
    grpc: 'UNKNOWN',
    http: 400,
    text: 'failed to create subscription for {name}: {error}',
    layotto: { text: '{error}' },
  },
  PUBSUB_STREAM_REQUEST_INVALID: {
    grpc: 'UNKNOWN',
    http: 400,
    text: '{error}',
  },

  // secret
  SECRET_BULK_GET_FAILED: {
    grpc: 'INTERNAL',
    http: 500,
    text: 'failed getting secrets from secret store {name}: {error}',
    dapr: { code: 'ERR_SECRET_GET', category: 'secret' },
    layotto: { text: 'error when bulk get secret {name}: {error}' },
  },
  SECRET_GET_FAILED: {
    grpc: 'INTERNAL',
    http: 500,
    text: 'failed getting secret with key {key} from secret store {name}: {error}',
    dapr: { code: 'ERR_SECRET_GET', category: 'secret' },
    layotto: { text: 'error when get secret : secret name => {key},store name =>{name},error => {error}' },
  },
  SECRET_PERMISSION_DENIED: {
    grpc: 'PERMISSION_DENIED',
    http: 403,
    text: 'access denied by policy to get "{key}" from "{name}"',
    hint: 'see secrets.scopes of the Configuration document',
    dapr: { code: 'ERR_PERMISSION_DENIED', category: 'secret' },
    layotto: { text: 'access denied by policy to get {key} from {name}' },
  },
  SECRET_STORE_NOT_FOUND: {
    grpc: 'INVALID_ARGUMENT',
    http: 401,
    text: 'failed finding secret store with key {name}',
    hint: 'check the name against `outrigger components`',
    dapr: { code: 'ERR_SECRET_STORE_NOT_FOUND', category: 'secret' },
    layotto: { text: 'error when get secret but not find : {name}' },
  },
  SECRET_STORES_NOT_CONFIGURED: {
    grpc: 'FAILED_PRECONDITION',
    http: 500,
    text: 'secret store is not configured',
    hint: 'add a Component document of a secretstores.* type to the resources folder',
    dapr: { code: 'ERR_SECRET_STORES_NOT_CONFIGURED', category: 'secret' },
    layotto: { text: 'error when get secret but not find configured' },
  },

  // sequencer; Layotto's alone, it answers what its component says without a status
  SEQUENCER_FAILED: {
    grpc: 'UNKNOWN',
    http: 500,
    text: '{error}',
  },
  SEQUENCER_KEY_EMPTY: {
    grpc: 'INVALID_ARGUMENT',
    http: 400,
    text: 'Key is empty in sequencer store {name}',
  },
  SEQUENCER_STORE_NOT_FOUND: {
    grpc: 'INVALID_ARGUMENT',
    http: 400,
    text: 'Sequencer store {name} not found',
    hint: 'check the name against `outrigger components`',
  },
  SEQUENCER_STORES_NOT_CONFIGURED: {
    grpc: 'FAILED_PRECONDITION',
    http: 500,
    text: 'Sequencer store is not configured',
    hint: 'add a Component document of a sequencer.* type to the resources folder',
  },

  // state
  STATE_BULK_DELETE_ETAG_INVALID: {
    grpc: 'INVALID_ARGUMENT',
    http: 400,
    text: 'failed deleting state in state store {name}: {error}',
    dapr: { code: 'ERR_STATE_BULK_DELETE', category: 'state', grpcApi: { reason: 'ERR_STATE_BULK_DELETE' } },
    layotto: { grpc: 'UNKNOWN', text: '{error}' },
  },
  STATE_BULK_DELETE_ETAG_MISMATCH: {
    grpc: 'ABORTED',
    http: 409,
    text: 'failed deleting state in state store {name}: {error}',
    dapr: { code: 'ERR_STATE_BULK_DELETE', category: 'state', grpcApi: { reason: 'ERR_STATE_BULK_DELETE' } },
    layotto: { grpc: 'UNKNOWN', text: '{error}' },
  },
  STATE_BULK_DELETE_FAILED: {
    grpc: 'INTERNAL',
    http: 500,
    text: 'failed deleting state in state store {name}: {error}',
    dapr: { code: 'ERR_STATE_BULK_DELETE', category: 'state', grpcApi: { reason: 'ERR_STATE_BULK_DELETE' } },
    layotto: { grpc: 'UNKNOWN', text: '{error}' },
  },
  STATE_BULK_GET_FAILED: {
    grpc: 'UNKNOWN',
    http: 500,
    text: '{error}',
    dapr: { code: 'ERR_STATE_BULK_GET', category: 'state' },
  },
  STATE_DELETE_ETAG_INVALID: {
    grpc: 'INVALID_ARGUMENT',
    http: 400,
    text: 'failed deleting state with key {key}: {error}',
    dapr: { code: 'ERR_STATE_DELETE', category: 'state', grpcApi: { reason: 'ERR_STATE_DELETE' } },
  },
  STATE_DELETE_ETAG_MISMATCH: {
    grpc: 'ABORTED',
    http: 409,
    text: 'failed deleting state with key {key}: {error}',
    dapr: { code: 'ERR_STATE_DELETE', category: 'state', grpcApi: { reason: 'ERR_STATE_DELETE' } },
  },
  STATE_DELETE_FAILED: {
    grpc: 'INTERNAL',
    http: 500,
    text: 'failed deleting state with key {key}: {error}',
    dapr: { code: 'ERR_STATE_DELETE', category: 'state', grpcApi: { reason: 'ERR_STATE_DELETE' } },
  },
  STATE_ENCRYPTION_UNSUPPORTED: {
    grpc: 'UNIMPLEMENTED',
    http: 501,
    text: 'state store {name} asks for encryption (primaryEncryptionKey), which this sidecar cannot do yet',
    hint: 'values would be stored in clear text; remove primaryEncryptionKey only if that is acceptable',
    dapr: { code: 'ERR_API_UNIMPLEMENTED', category: 'state' },
  },
  STATE_GET_FAILED: {
    grpc: 'INTERNAL',
    http: 500,
    text: 'fail to get {key} from state store {name}: {error}',
    dapr: { code: 'ERR_STATE_GET', category: 'state', grpcApi: { reason: 'ERR_STATE_GET' } },
  },
  STATE_KEY_EMPTY: {
    grpc: 'INVALID_ARGUMENT',
    http: 400,
    text: 'state key cannot be empty',
    dapr: {
      code: 'ERR_MALFORMED_REQUEST',
      category: 'state',
      grpcApi: { reason: 'ERR_STATE_SAVE' },
      httpApi: { text: '"key" is a required field' },
    },
  },
  STATE_KEY_ILLEGAL: {
    grpc: 'INVALID_ARGUMENT',
    http: 400,
    text: "input key/keyPrefix '{key}' can't contain '||'",
    dapr: {
      code: 'ERR_MALFORMED_REQUEST',
      reason: 'DAPR_STATE_ILLEGAL_KEY',
      category: 'state',
      httpApi: { text: "api error: code = InvalidArgument desc = input key/keyPrefix '{key}' can't contain '||'" },
    },
    layotto: { grpc: 'UNKNOWN' },
  },
  STATE_OPERATION_UNKNOWN: {
    grpc: 'UNIMPLEMENTED',
    http: 400,
    text: 'operation type {operation} not supported',
    dapr: {
      code: 'ERR_NOT_SUPPORTED_STATE_OPERATION',
      category: 'state',
      grpcApi: { reason: 'ERR_NOT_SUPPORTED_STATE_OPERATION' },
    },
  },
  STATE_OUTBOX_UNSUPPORTED: {
    grpc: 'UNIMPLEMENTED',
    http: 501,
    text: 'state store {name} asks for an outbox (outboxPublishPubsub), which this sidecar cannot do yet',
    hint: 'the events of the transaction would be lost; remove the outbox metadata only if that is acceptable',
    dapr: { code: 'ERR_PUBLISH_OUTBOX', category: 'pubsub' },
  },
  STATE_QUERY_FAILED: {
    grpc: 'INTERNAL',
    http: 500,
    text: 'state store {name} query failed: {error}',
    dapr: { code: 'ERR_STATE_QUERY', reason: 'DAPR_STATE_QUERY_FAILED', category: 'state' },
    layotto: { text: 'failed query in state store {name}: {error}' },
  },
  STATE_QUERY_UNSUPPORTED: {
    grpc: 'INTERNAL',
    http: 500,
    text: 'state store does not support querying',
    dapr: { code: 'ERR_STATE_STORE_NOT_SUPPORTED', reason: 'DAPR_STATE_QUERYING_NOT_SUPPORTED', category: 'state' },
  },
  STATE_SAVE_ETAG_INVALID: {
    grpc: 'INVALID_ARGUMENT',
    http: 400,
    text: 'failed saving state in state store {name}: {error}',
    dapr: { code: 'ERR_STATE_SAVE', category: 'state', grpcApi: { reason: 'ERR_STATE_SAVE' } },
  },
  STATE_SAVE_ETAG_MISMATCH: {
    grpc: 'ABORTED',
    http: 409,
    text: 'failed saving state in state store {name}: {error}',
    dapr: { code: 'ERR_STATE_SAVE', category: 'state', grpcApi: { reason: 'ERR_STATE_SAVE' } },
  },
  STATE_SAVE_FAILED: {
    grpc: 'INTERNAL',
    http: 500,
    text: 'failed saving state in state store {name}: {error}',
    dapr: { code: 'ERR_STATE_SAVE', category: 'state', grpcApi: { reason: 'ERR_STATE_SAVE' } },
  },
  STATE_STORE_NOT_FOUND: {
    grpc: 'INVALID_ARGUMENT',
    http: 400,
    text: 'state store {name} is not found',
    hint: 'check the name against `outrigger components`',
    dapr: {
      code: 'ERR_STATE_STORE_NOT_FOUND',
      reason: 'DAPR_STATE_NOT_FOUND',
      category: 'state',
      httpApi: { info: ['appID'] },
    },
  },
  STATE_STORES_NOT_CONFIGURED: {
    grpc: 'FAILED_PRECONDITION',
    http: 500,
    text: 'state store {name} is not configured',
    hint: 'add a Component document of a state.* type to the resources folder',
    dapr: {
      code: 'ERR_STATE_STORE_NOT_CONFIGURED',
      reason: 'DAPR_STATE_NOT_CONFIGURED',
      category: 'state',
      httpApi: { info: ['appID'] },
    },
    layotto: { text: 'state store is not configured' },
  },
  STATE_TRANSACTION_FAILED: {
    grpc: 'INTERNAL',
    http: 500,
    text: 'error while executing state transaction: {error}',
    dapr: { code: 'ERR_STATE_TRANSACTION', category: 'state', grpcApi: { reason: 'ERR_STATE_TRANSACTION' } },
  },
  STATE_TRANSACTION_TOO_LARGE: {
    grpc: 'INVALID_ARGUMENT',
    http: 400,
    text: 'the transaction contains {currentOpsTransaction} operations, which is more than what the state store supports: {maxOpsPerTransaction}',
    dapr: {
      code: 'ERR_STATE_STORE_TOO_MANY_TRANSACTIONS',
      reason: 'DAPR_STATE_TOO_MANY_TRANSACTIONS',
      info: ['currentOpsTransaction', 'maxOpsPerTransaction'],
      category: 'state',
    },
  },
  STATE_TRANSACTIONS_UNSUPPORTED: {
    grpc: 'UNIMPLEMENTED',
    http: 500,
    text: "state store {name} doesn't support transactions",
    dapr: {
      code: 'ERR_STATE_STORE_NOT_SUPPORTED',
      reason: 'DAPR_STATE_TRANSACTIONS_NOT_SUPPORTED',
      category: 'state',
    },
    layotto: { text: "state store {name} doesn't support transaction" },
  },
  STATE_VALUE_NOT_JSON: {
    grpc: 'UNKNOWN',
    http: 500,
    text: '{error}',
    hint: 'the item says contentType application/json, but its value is no JSON document',
    dapr: { code: 'ERROR', category: 'common' },
  },
} as const;

export const fail: ReturnType<typeof errorsOf<typeof SIDECAR_ERRORS>> = errorsOf(SIDECAR_ERRORS);
