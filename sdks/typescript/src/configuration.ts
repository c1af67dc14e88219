/** Configuration: read, watch, and (through the Layotto dialect, which has it) save and delete. */
import type { ConfigurationItem as ItemMessage } from '@outrigger/proto/dapr/common/v1';
import type {
  GetConfigurationRequest,
  SubscribeConfigurationRequest,
  UnsubscribeConfigurationRequest,
} from '@outrigger/proto/dapr/runtime/v1';
import * as Dapr from '@outrigger/proto/dapr/runtime/v1/dapr';
import type { DeleteConfigurationRequest, SaveConfigurationRequest } from '@outrigger/proto/layotto/runtime/v1';
import * as Runtime from '@outrigger/proto/layotto/runtime/v1/runtime';
import type { Connection, RequestOptions } from './connection.js';

export interface ConfigurationItem {
  readonly value: string;
  readonly version: string;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface ConfigurationWatch {
  close(): Promise<void>;
  /** Resolves after `close`; rejects when the stream failed. */
  readonly ended: Promise<void>;
}

const itemsOf = (items: Readonly<Record<string, ItemMessage>>): Map<string, ConfigurationItem> =>
  new Map(Object.entries(items).map(([key, { value, version, metadata }]) => [key, { value, version, metadata }]));

export class Configuration {
  readonly #connection: Connection;
  readonly #storeName: string;

  constructor(connection: Connection, storeName: string) {
    this.#connection = connection;
    this.#storeName = storeName;
  }

  /** No keys: all of them. Keys that do not exist are absent from the result. */
  async get(keys: readonly string[] = [], options: RequestOptions = {}): Promise<Map<string, ConfigurationItem>> {
    const request: GetConfigurationRequest = {
      $typeName: 'dapr.proto.runtime.v1.GetConfigurationRequest',
      storeName: this.#storeName,
      keys: [...keys],
      metadata: {},
    };
    return itemsOf((await this.#connection.call(Dapr.getConfiguration, request, options)).items);
  }

  /** Resolves when the watch is in place; `onChange` gets what changed from then on. */
  async watch(
    keys: readonly string[],
    onChange: (items: Map<string, ConfigurationItem>) => void,
    options: RequestOptions = {},
  ): Promise<ConfigurationWatch> {
    const request: SubscribeConfigurationRequest = {
      $typeName: 'dapr.proto.runtime.v1.SubscribeConfigurationRequest',
      storeName: this.#storeName,
      keys: [...keys],
      metadata: {},
    };
    const abort = new AbortController();
    const signal = options.signal === undefined ? abort.signal : AbortSignal.any([options.signal, abort.signal]);
    const updates = this.#connection.transport
      .serverStream(Dapr.subscribeConfiguration, request, this.#connection.options({ ...options, signal }))
      [Symbol.asyncIterator]();
    // The first message carries the id of the subscription.
    const first = await updates.next();
    if (first.done) throw new Error(`the watch on '${this.#storeName}' ended before it began`);
    const { id } = first.value;
    if (Object.keys(first.value.items).length > 0) onChange(itemsOf(first.value.items));
    let closing = false;
    const receive = async (): Promise<void> => {
      try {
        for (;;) {
          const { done, value } = await updates.next();
          if (done) return;
          onChange(itemsOf(value.items));
        }
      } catch (error) {
        if (!closing) throw error;
      }
    };
    const ended = receive();
    ended.catch(() => {});
    return {
      ended,
      close: async () => {
        closing = true;
        const unsubscribe: UnsubscribeConfigurationRequest = {
          $typeName: 'dapr.proto.runtime.v1.UnsubscribeConfigurationRequest',
          storeName: this.#storeName,
          id,
        };
        await this.#connection.call(Dapr.unsubscribeConfiguration, unsubscribe).catch(() => {});
        abort.abort();
        await ended;
      },
    };
  }

  async save(items: Readonly<Record<string, string>>, options: RequestOptions = {}): Promise<void> {
    const request: SaveConfigurationRequest = {
      $typeName: 'spec.proto.runtime.v1.SaveConfigurationRequest',
      storeName: this.#storeName,
      appId: '',
      items: Object.entries(items).map(([key, content]) => ({
        $typeName: 'spec.proto.runtime.v1.ConfigurationItem',
        key,
        content,
        group: '',
        label: '',
        tags: {},
        metadata: {},
      })),
      metadata: {},
    };
    await this.#connection.call(Runtime.saveConfiguration, request, options);
  }

  async delete(keys: readonly string[], options: RequestOptions = {}): Promise<void> {
    const request: DeleteConfigurationRequest = {
      $typeName: 'spec.proto.runtime.v1.DeleteConfigurationRequest',
      storeName: this.#storeName,
      appId: '',
      group: '',
      label: '',
      keys: [...keys],
      metadata: {},
    };
    await this.#connection.call(Runtime.deleteConfiguration, request, options);
  }
}
