/** Configuration items: Dapr's keys with versions, and Layotto's groups, labels and tags, in one contract. */
import type { Component, MaybePromise } from './component.js';

export interface ConfigurationItem {
  readonly key: string;
  readonly value: string;
  readonly version: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly group?: string | undefined;
  readonly label?: string | undefined;
  readonly tags?: Readonly<Record<string, string>> | undefined;
}

export interface ConfigurationSelector {
  /** Empty: every key the selector reaches. */
  readonly keys: readonly string[];
  /** Layotto's `app_id`; undefined for Dapr calls, whose keys are shared by all apps. */
  readonly appId?: string | undefined;
  readonly group?: string | undefined;
  readonly label?: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface ConfigurationWatch {
  close(): MaybePromise<void>;
}

/** A deleted item arrives with `value` '' and `deleted` true. */
export type ConfigurationChange = ConfigurationItem & { readonly deleted?: boolean };

export interface ConfigurationStore extends Component {
  get(selector: ConfigurationSelector): MaybePromise<readonly ConfigurationItem[]>;
  /** Resolves when the watch is in place; a change made afterwards is reported. Current values are not sent. */
  subscribe(
    selector: ConfigurationSelector,
    onChange: (items: readonly ConfigurationChange[]) => void,
  ): Promise<ConfigurationWatch>;
  save?(
    selector: Omit<ConfigurationSelector, 'keys'>,
    items: readonly (Pick<ConfigurationItem, 'key' | 'value'> & Partial<ConfigurationItem>)[],
  ): MaybePromise<void>;
  remove?(selector: ConfigurationSelector): MaybePromise<void>;
}
