/** Every operation of the owner, by name. */
import { ComponentError, type MaybePromise } from '@outrigger/components-core';
import { nameBytesMax, valueBytesMax } from '../limits.js';
import type { Operation, Reply, Request } from '../operation.js';
import { configurationHandlers } from './configuration.js';
import type { Engine } from './engine.js';
import { lockHandlers } from './lock.js';
import { namesHandlers } from './names.js';
import { pubsubHandlers } from './pubsub.js';
import { sequenceHandlers } from './sequence.js';
import type { RequestId, Session } from './session.js';
import { stateHandlers } from './state.js';

export type Handler<O extends Operation> = (
  request: Request<O>,
  session: Session,
  id: RequestId | undefined,
) => MaybePromise<Reply<O>>;

export type Handlers = { readonly [O in Operation]: Handler<O> };

export function createHandlers(engine: Engine): Handlers {
  return {
    ...stateHandlers(engine),
    ...pubsubHandlers(engine),
    ...configurationHandlers(engine),
    ...lockHandlers(engine),
    ...sequenceHandlers(engine),
    ...namesHandlers(engine),
  };
}

/** Throws `invalid` for an empty name and `too-large` for a long one. */
export function mustName(what: string, name: string): void {
  if (name === '') throw new ComponentError('invalid', `the ${what} is empty`);
  // A string of n characters has at most 3 n bytes in UTF-8.
  if (name.length * 3 <= nameBytesMax || Buffer.byteLength(name) <= nameBytesMax) return;
  throw new ComponentError('too-large', `the ${what} '${name.slice(0, 40)}…' is longer than ${nameBytesMax} bytes`);
}

export function mustBeValue(what: string, length: number): void {
  if (length <= valueBytesMax) return;
  throw new ComponentError(
    'too-large',
    `${what} has ${length} bytes; the local components take at most ${valueBytesMax}`,
  );
}
