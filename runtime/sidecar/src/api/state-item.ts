/** State messages of Dapr and Layotto have one shape under two names; here they become the block's requests. */
import type { Concurrency, Consistency } from '@outrigger/components-core';
import type { StateSave } from '../block/state.js';

interface OptionsMessage {
  readonly concurrency: number;
  readonly consistency: number;
}

interface ItemMessage {
  readonly key: string;
  readonly value: Uint8Array;
  readonly etag?: { readonly value: string } | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  readonly options?: OptionsMessage | undefined;
}

const CONSISTENCIES: readonly Consistency[] = ['unspecified', 'eventual', 'strong'];
const CONCURRENCIES: readonly Concurrency[] = ['unspecified', 'first-write', 'last-write'];

/** A number that the enum does not know counts as unspecified, as in Dapr. */
export function consistencyOf(value: number | undefined): Consistency {
  return CONSISTENCIES[value ?? 0] ?? 'unspecified';
}

function concurrencyOf(value: number | undefined): Concurrency {
  return CONCURRENCIES[value ?? 0] ?? 'unspecified';
}

export function stateItemOf(message: ItemMessage): StateSave {
  return {
    key: message.key,
    value: message.value,
    etag: message.etag?.value,
    concurrency: concurrencyOf(message.options?.concurrency),
    consistency: consistencyOf(message.options?.consistency),
    metadata: message.metadata,
  };
}
