/** `sequencer.in-memory`: counters that begin at 1 with every start of the sidecar. */
import {
  type ComponentConfig,
  type ComponentDefinition,
  ComponentError,
  type IdSegment,
  type Sequencer,
} from '@outrigger/components-core';

const keysMax = 1_000_000;

class InMemorySequencer implements Sequencer {
  readonly #last = new Map<string, bigint>();
  readonly #name: string;

  constructor(config: ComponentConfig) {
    this.#name = config.name;
  }

  open(): void {}

  drain(): void {}

  close(): void {
    this.#last.clear();
  }

  health(): { ok: boolean } {
    return { ok: true };
  }

  nextId(key: string): bigint {
    return this.#take(key, 1n);
  }

  segment(key: string, size: number): IdSegment {
    if (!Number.isSafeInteger(size) || size < 1) {
      throw new ComponentError('invalid', `a segment of ${size} ids was asked for key ${key}; ask for one or more`);
    }
    const to = this.#take(key, BigInt(size));
    return { from: to - BigInt(size) + 1n, to };
  }

  #take(key: string, count: bigint): bigint {
    const last = this.#last.get(key);
    if (last === undefined && this.#last.size >= keysMax) {
      throw new ComponentError(
        'too-large',
        `component ${this.#name} (sequencer.in-memory) counts ${keysMax} keys already`,
      );
    }
    const next = (last ?? 0n) + count;
    this.#last.set(key, next);
    return next;
  }
}

export const sequencerInMemory: ComponentDefinition<Sequencer> = {
  type: 'sequencer.in-memory',
  kind: 'sequencer',
  versions: ['v1'],
  status: 'stable',
  description: 'Counters in the memory of this sidecar; they begin anew when it starts.',
  metadata: [],
  create: (config) => new InMemorySequencer(config),
};
