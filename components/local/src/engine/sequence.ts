/** Operations on sequences. */
import { ComponentError } from '@outrigger/components-core';
import type { Engine } from './engine.js';
import { type Handler, mustName } from './handlers.js';

/** Ids of one request. */
const countMax = 1_000_000n;
const sequenceBytes = 256;

export function sequenceHandlers(engine: Engine): { readonly 'sequence.take': Handler<'sequence.take'> } {
  return {
    // Sent again after a takeover it takes new ids; the ones before are skipped.
    'sequence.take': ({ store, key, count }) => {
      mustName('sequence key', key);
      if (count < 1n || count > countMax) {
        throw new ComponentError('invalid', `${count} ids were asked for; ask for 1 to ${countMax}`);
      }
      const table = engine.tables.sequences(store);
      const last = table.take(key, count);
      if (last !== undefined) return last;
      return engine.committer.submit(sequenceBytes, (transaction) => {
        const record = table.promise(key, count);
        try {
          transaction.add(record, undefined);
        } catch (error) {
          table.redeem(record, count, false);
          throw error;
        }
        transaction.onFailure(() => table.redeem(record, count, false));
        return () => {
          const taken = table.redeem(record, count, true);
          if (taken === undefined)
            throw new ComponentError('unavailable', `sequence ${key} is short of ids; try again`);
          return taken;
        };
      });
    },
  };
}
