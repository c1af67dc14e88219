/** Configuration: read, watch, and (through the Layotto dialect, which has it) save and delete. */
import { create } from '@bufbuild/protobuf';
import { methodsOf } from '@outrigger/proto';
import type { ConfigurationItem as ItemMessage } from '@outrigger/proto/dapr/common/v1';
import {
  Dapr,
  GetConfigurationRequestSchema,
  SubscribeConfigurationRequestSchema,
  UnsubscribeConfigurationRequestSchema,
} from '@outrigger/proto/dapr/runtime/v1';
import {
  DeleteConfigurationRequestSchema,
  Runtime,
  SaveConfigurationRequestSchema,
} from '@outrigger/proto/layotto/runtime/v1';
import type { Connection, RequestOptions } from './connection.js';

const rpc = methodsOf(Dapr);
const layotto = methodsOf(Runtime);

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
    const request = create(GetConfigurationRequestSchema, { storeName: this.#storeName, keys: [...keys] });
    return itemsOf((await this.#connection.call(rpc.getConfiguration, request, options)).items);
  }

  /** Resolves when the watch is in place; `onChange` gets what changed from then on. */
  async watch(
    keys: readonly string[],
    onChange: (items: Map<string, ConfigurationItem>) => void,
    options: RequestOptions = {},
  ): Promise<ConfigurationWatch> {
    const request = create(SubscribeConfigurationRequestSchema, { storeName: this.#storeName, keys: [...keys] });
    const abort = new AbortController();
    const signal = options.signal === undefined ? abort.signal : AbortSignal.any([options.signal, abort.signal]);
    const updates = this.#connection.transport
      .serverStream(rpc.subscribeConfiguration, request, this.#connection.options({ ...options, signal }))
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
        const unsubscribe = create(UnsubscribeConfigurationRequestSchema, { storeName: this.#storeName, id });
        await this.#connection.call(rpc.unsubscribeConfiguration, unsubscribe).catch(() => {});
        abort.abort();
        await ended;
      },
    };
  }

  async save(items: Readonly<Record<string, string>>, options: RequestOptions = {}): Promise<void> {
    const request = create(SaveConfigurationRequestSchema, {
      storeName: this.#storeName,
      items: Object.entries(items).map(([key, content]) => ({ key, content })),
    });
    await this.#connection.call(layotto.saveConfiguration, request, options);
  }

  async delete(keys: readonly string[], options: RequestOptions = {}): Promise<void> {
    const request = create(DeleteConfigurationRequestSchema, { storeName: this.#storeName, keys: [...keys] });
    await this.#connection.call(layotto.deleteConfiguration, request, options);
  }
}
