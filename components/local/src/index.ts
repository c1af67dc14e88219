import type { ComponentDefinition } from '@outrigger/components-core';
import { configurationLocal } from './configuration.js';
import { lockLocal } from './lock.js';
import { nameresolutionLocal } from './names.js';
import { pubsubLocal } from './pubsub.js';
import { secretstoresLocalEnv } from './secret-env.js';
import { secretstoresLocalFile } from './secret-file.js';
import { sequencerLocal } from './sequencer.js';
import { stateLocal } from './state.js';

export {
  configurationLocal,
  lockLocal,
  nameresolutionLocal,
  pubsubLocal,
  secretstoresLocalEnv,
  secretstoresLocalFile,
  sequencerLocal,
  stateLocal,
};

/** Every component of this package. */
export const definitions: readonly ComponentDefinition[] = [
  stateLocal,
  pubsubLocal,
  configurationLocal,
  lockLocal,
  sequencerLocal,
  nameresolutionLocal,
  secretstoresLocalEnv,
  secretstoresLocalFile,
];
