/** Output and input bindings: contract only, implementations come with the technologies. */
import type { Component, MaybePromise } from './component.js';

export interface BindingResult {
  readonly data: Uint8Array;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface OutputBinding extends Component {
  readonly operations: readonly string[];
  invoke(operation: string, data: Uint8Array, metadata: Readonly<Record<string, string>>): MaybePromise<BindingResult>;
}
