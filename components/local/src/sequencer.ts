/** `sequencer.local`: ids that grow over all sidecars of a namespace and over restarts, which skip up to 100. */
import type {
  ComponentConfig,
  ComponentDefinition,
  ComponentDeps,
  ComponentHealth,
  IdSegment,
  MaybePromise,
  Sequencer,
} from '@outrigger/components-core';
import { ComponentError } from '@outrigger/components-core';
import { NodeHolder, storeField } from './open-node.js';

class LocalSequencer implements Sequencer {
  readonly #holder: NodeHolder;

  constructor(config: ComponentConfig, deps: ComponentDeps) {
    this.#holder = new NodeHolder(config, deps);
  }

  open(signal: AbortSignal): Promise<void> {
    return this.#holder.open(signal);
  }

  drain(): void {}

  close(): Promise<void> {
    return this.#holder.close();
  }

  health(): ComponentHealth {
    return this.#holder.health();
  }

  nextId(key: string): MaybePromise<bigint> {
    return this.#holder.node.call('sequence.take', { store: this.#holder.store, key, count: 1n });
  }

  async segment(key: string, size: number): Promise<IdSegment> {
    if (!Number.isSafeInteger(size) || size < 1) {
      throw new ComponentError('invalid', `a segment of ${size} ids was asked for key ${key}; ask for one or more`);
    }
    const count = BigInt(size);
    const to = await this.#holder.node.call('sequence.take', { store: this.#holder.store, key, count });
    return { from: to - count + 1n, to };
  }
}

export const sequencerLocal: ComponentDefinition<Sequencer> = {
  type: 'sequencer.local',
  kind: 'sequencer',
  versions: ['v1'],
  status: 'beta',
  description: 'Growing ids on the disk of this machine, shared by the sidecars of a namespace.',
  metadata: [storeField],
  create: (config, deps) => new LocalSequencer(config, deps),
};
