/** The answer of methods that have nothing to say. */
import type { Empty } from '@bufbuild/protobuf/wkt';
import type { MaybePromise } from '../../block/context.js';

const EMPTY: Empty = Object.freeze({ $typeName: 'google.protobuf.Empty' });

/** Empty now, or when the promise resolves. */
export function empty(done: MaybePromise<void>): MaybePromise<Empty> {
  return done instanceof Promise ? done.then(() => EMPTY) : EMPTY;
}
