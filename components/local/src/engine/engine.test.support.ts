/** Opens engines on a file system of memory, and a participant in them. */
import type { ComponentClock, ComponentLogger } from '@outrigger/components-core';
import { createManualClock, quietLog } from '@outrigger/components-core/conformance';
import type { CrashFs } from '../log/crash-fs.test.support.js';
import {
  type DeleteChange,
  type MessageBody,
  messageBody,
  type Operation,
  type Push,
  type Pushes,
  type Reply,
  type Request,
  type SetChange,
} from '../operation.js';
import { Reader } from '../wire/reader.js';
import { Engine } from './engine.js';
import type { RequestId, Session } from './session.js';

export interface TestParticipant {
  readonly session: Session;
  readonly pushed: { push: Push; message: Pushes[Push] }[];
  onPush: ((push: Push, message: Pushes[Push]) => void) | undefined;
  call<O extends Operation>(operation: O, request: Request<O>, id?: RequestId): Promise<Reply<O>>;
}

export function openEngine(
  fs: CrashFs,
  clock: ComponentClock = createManualClock(),
  more: { log?: ComponentLogger } = {},
): Promise<Engine> {
  return Engine.open({
    directory: '/data',
    fs,
    clock,
    log: more.log ?? quietLog,
  });
}

export function participate(engine: Engine, participant = 'participant'): TestParticipant {
  const joined: TestParticipant = {
    pushed: [],
    onPush: undefined,
    session: engine.join({
      participant,
      push: (push, message) => {
        joined.pushed.push({ push, message });
        joined.onPush?.(push, message);
      },
    }),
    call: async (operation, request, id) => engine.call(joined.session, operation, request, id),
  };
  return joined;
}

export function dataOf(message: Pushes['message']): string {
  return Buffer.from(messageBody.read(new Reader(Buffer.from(message.body))).data).toString();
}

export function upsert(key: string, value: string | Uint8Array, etag?: string): SetChange {
  return {
    operation: 'upsert',
    key,
    value: typeof value === 'string' ? new Uint8Array(Buffer.from(value)) : value,
    etag,
    concurrency: 'unspecified',
    expiresAtMs: undefined,
    contentType: undefined,
  };
}

export function removal(key: string, etag?: string): DeleteChange {
  return { operation: 'delete', key, etag, concurrency: 'unspecified' };
}

export function message(
  data: string | Uint8Array,
  expiresAtMs?: number,
): { readonly expiresAtMs: number | undefined; readonly body: MessageBody } {
  const bytes = typeof data === 'string' ? Buffer.from(data) : data;
  return { expiresAtMs, body: { contentType: undefined, metadata: {}, data: bytes } };
}
