/** Secrets by name; one secret holds one or several key/value pairs. */
import type { Component, MaybePromise } from './component.js';

export type SecretFeature = 'MULTIPLE_KEY_VALUES_PER_SECRET';

export interface SecretStore extends Component {
  readonly features: ReadonlySet<SecretFeature>;
  /** Throws ComponentError `not-found`. */
  get(name: string, metadata: Readonly<Record<string, string>>): MaybePromise<Readonly<Record<string, string>>>;
  bulkGet(
    metadata: Readonly<Record<string, string>>,
  ): MaybePromise<Readonly<Record<string, Readonly<Record<string, string>>>>>;
}
