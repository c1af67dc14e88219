/** Secrets by name; one secret holds one or several key/value pairs. */
import type { GetBulkSecretRequest, GetSecretRequest } from '@outrigger/proto/dapr/runtime/v1';
import * as Dapr from '@outrigger/proto/dapr/runtime/v1/dapr';
import type { Connection, RequestOptions } from './connection.js';

export class Secrets {
  readonly #connection: Connection;
  readonly #storeName: string;

  constructor(connection: Connection, storeName: string) {
    this.#connection = connection;
    this.#storeName = storeName;
  }

  async get(name: string, options: RequestOptions = {}): Promise<Readonly<Record<string, string>>> {
    const request: GetSecretRequest = {
      $typeName: 'dapr.proto.runtime.v1.GetSecretRequest',
      storeName: this.#storeName,
      key: name,
      metadata: {},
    };
    return (await this.#connection.call(Dapr.getSecret, request, options)).data;
  }

  async all(options: RequestOptions = {}): Promise<Map<string, Readonly<Record<string, string>>>> {
    const request: GetBulkSecretRequest = {
      $typeName: 'dapr.proto.runtime.v1.GetBulkSecretRequest',
      storeName: this.#storeName,
      metadata: {},
    };
    const { data } = await this.#connection.call(Dapr.getBulkSecret, request, options);
    return new Map(Object.entries(data).map(([name, { secrets }]) => [name, secrets]));
  }
}
