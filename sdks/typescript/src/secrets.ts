/** Secrets by name; one secret holds one or several key/value pairs. */
import { create } from '@bufbuild/protobuf';
import { methodsOf } from '@outrigger/proto';
import { Dapr, GetBulkSecretRequestSchema, GetSecretRequestSchema } from '@outrigger/proto/dapr/runtime/v1';
import type { Connection, RequestOptions } from './connection.js';

const rpc = methodsOf(Dapr);

export class Secrets {
  readonly #connection: Connection;
  readonly #storeName: string;

  constructor(connection: Connection, storeName: string) {
    this.#connection = connection;
    this.#storeName = storeName;
  }

  async get(name: string, options: RequestOptions = {}): Promise<Readonly<Record<string, string>>> {
    const request = create(GetSecretRequestSchema, { storeName: this.#storeName, key: name });
    return (await this.#connection.call(rpc.getSecret, request, options)).data;
  }

  async all(options: RequestOptions = {}): Promise<Map<string, Readonly<Record<string, string>>>> {
    const request = create(GetBulkSecretRequestSchema, { storeName: this.#storeName });
    const { data } = await this.#connection.call(rpc.getBulkSecret, request, options);
    return new Map(Object.entries(data).map(([name, { secrets }]) => [name, secrets]));
  }
}
