/** Locks on Dapr's HTTP API; bodies are the JSON of the protobuf messages. */
import { whenReady } from '../../block/component-call.js';
import { LOCK_STATUS_NUMBERS, type LockBlock, type LockRequest } from '../../block/lock.js';
import { fail } from '../../errors.js';
import { type ProtoFields, protoFieldsOf, protoInt32, protoText } from './proto-json.js';
import type { HttpCall, HttpRoute } from './route.js';

function messageOf<T>(call: HttpCall, read: (fields: ProtoFields) => T): T {
  try {
    return read(protoFieldsOf(call.body));
  } catch (error) {
    throw fail('API_MALFORMED_BODY', { error: (error as Error).message }, { cause: error });
  }
}

function holderOf({ params }: HttpCall, fields: ProtoFields): LockRequest {
  return {
    storeName: params['store'] ?? '',
    resourceId: protoText(fields, 'resourceId'),
    owner: protoText(fields, 'lockOwner'),
  };
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
        const request = messageOf(call, (fields) => ({
          ...holderOf(call, fields),
          expirySeconds: protoInt32(fields, 'expiryInSeconds'),
        }));
        const held = lock.tryLock(request, call.context);
        return whenReady(held, (success) => ({ status: 200, body: { success } }));
      },
    },
    {
      ...common,
      pattern: '/v1.0-alpha1/unlock/{store}',
      api: 'unlock',
      name: 'Unlock',
      handle(call) {
        const request = messageOf(call, (fields) => holderOf(call, fields));
        const released = lock.unlock(request, call.context);
        return whenReady(released, (status) => ({ status: 200, body: { status: LOCK_STATUS_NUMBERS[status] } }));
      },
    },
  ];
}
