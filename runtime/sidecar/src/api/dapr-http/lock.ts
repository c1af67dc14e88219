/** Locks on Dapr's HTTP API; bodies are the JSON of the protobuf messages. */
import { type DescMessage, fromJsonString, type MessageShape } from '@bufbuild/protobuf';
import { TryLockRequestSchema, UnlockRequestSchema } from '@outrigger/proto/dapr/runtime/v1';
import { whenReady } from '../../block/component-call.js';
import { LOCK_STATUS_NUMBERS, type LockBlock } from '../../block/lock.js';
import { fail } from '../../errors.js';
import type { HttpCall, HttpRoute } from './route.js';

/** An empty body is an empty message, as in Dapr. */
function messageOf<Desc extends DescMessage>(schema: Desc, call: HttpCall): MessageShape<Desc> {
  const text = call.body.toString('utf8');
  try {
    return fromJsonString(schema, text === '' ? '{}' : text, { ignoreUnknownFields: true });
  } catch (error) {
    throw fail('API_MALFORMED_BODY', { error: (error as Error).message }, { cause: error });
  }
}

export function createLockRoutes(lock: LockBlock): HttpRoute[] {
  const common = { methods: ['POST'], version: 'v1.0-alpha1', body: 'buffer' } as const;
  return [
    {
      ...common,
      pattern: '/v1.0-alpha1/lock/{store}',
      api: 'lock',
      name: 'TryLock',
      handle(call) {
        const { resourceId, lockOwner: owner, expiryInSeconds: expirySeconds } = messageOf(TryLockRequestSchema, call);
        const { store: storeName = '' } = call.params;
        const held = lock.tryLock({ storeName, resourceId, owner, expirySeconds }, call.context);
        return whenReady(held, (success) => ({ status: 200, body: { success } }));
      },
    },
    {
      ...common,
      pattern: '/v1.0-alpha1/unlock/{store}',
      api: 'unlock',
      name: 'Unlock',
      handle(call) {
        const { resourceId, lockOwner: owner } = messageOf(UnlockRequestSchema, call);
        const { store: storeName = '' } = call.params;
        const released = lock.unlock({ storeName, resourceId, owner }, call.context);
        return whenReady(released, (status) => ({ status: 200, body: { status: LOCK_STATUS_NUMBERS[status] } }));
      },
    },
  ];
}
