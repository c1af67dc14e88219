import type { ComponentDefinition } from '@outrigger/components-core';
import { secretstoresLocalEnv } from './secret-env.js';
import { secretstoresLocalFile } from './secret-file.js';

export { secretstoresLocalEnv, secretstoresLocalFile };

/** Every component of this package. */
export const definitions: readonly ComponentDefinition[] = [secretstoresLocalEnv, secretstoresLocalFile];
