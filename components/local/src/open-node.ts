/** What the local components have in common: one node of the directory, opened and released with the component. */
import {
  type ComponentConfig,
  type ComponentDeps,
  ComponentError,
  type ComponentHealth,
  type MetadataField,
  metadataOf,
} from '@outrigger/components-core';
import { acquireNode, type HeldNode } from './node/acquire.js';
import type { LocalNode } from './node/node.js';

export const storeField: MetadataField = {
  name: 'store',
  type: 'string',
  description:
    'Name of the data in the namespace; components with one name share it. Default: the name of the component.',
};

export class NodeHolder {
  readonly #deps: ComponentDeps;
  readonly #label: string;
  /** Name of the data within the namespace. */
  readonly store: string;
  #held: HeldNode | undefined;

  constructor(config: ComponentConfig, deps: ComponentDeps) {
    this.#deps = deps;
    this.#label = `component ${config.name} (${config.type})`;
    this.store = metadataOf(config, 'store') ?? config.name;
  }

  async open(signal: AbortSignal): Promise<void> {
    if (this.#held !== undefined) return;
    const held = acquireNode(this.#deps);
    try {
      await held.node.open(signal);
    } catch (error) {
      await held.release();
      throw error;
    }
    this.#held = held;
  }

  /** Throws `closed` when the component is not open. */
  get node(): LocalNode {
    if (this.#held === undefined) throw new ComponentError('closed', `${this.#label} is not open`);
    return this.#held.node;
  }

  get isOpen(): boolean {
    return this.#held !== undefined;
  }

  async close(): Promise<void> {
    const held = this.#held;
    this.#held = undefined;
    await held?.release();
  }

  health(): ComponentHealth {
    return this.#held?.node.health() ?? { ok: false, reason: `${this.#label} is not open` };
  }
}
