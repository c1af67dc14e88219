import type { ComponentDefinition } from '@outrigger/components-core';
import { configurationInMemory } from './configuration.js';
import { lockInMemory } from './lock.js';
import { pubsubInMemory } from './pubsub.js';
import { sequencerInMemory } from './sequencer.js';
import { stateInMemory } from './state.js';

export { configurationInMemory, lockInMemory, pubsubInMemory, sequencerInMemory, stateInMemory };

/** Every component of this package. */
export const definitions: readonly ComponentDefinition[] = [
  stateInMemory,
  pubsubInMemory,
  configurationInMemory,
  lockInMemory,
  sequencerInMemory,
];
