/** Ids that only grow, shared by every app that asks for the same key. */
import { create } from '@bufbuild/protobuf';
import { methodsOf } from '@outrigger/proto';
import {
  GetNextIdRequestSchema,
  SequencerOptions_AutoIncrement as Increment,
  Runtime,
} from '@outrigger/proto/layotto/runtime/v1';
import type { Connection, RequestOptions } from './connection.js';

const rpc = methodsOf(Runtime);

export class Sequencer {
  readonly #connection: Connection;
  readonly #storeName: string;

  constructor(connection: Connection, storeName: string) {
    this.#connection = connection;
    this.#storeName = storeName;
  }

  /** Unique, growing in the long run; with `strong`, larger than every id handed out before. */
  async next(key: string, options: RequestOptions & { readonly strong?: boolean } = {}): Promise<bigint> {
    const request = create(GetNextIdRequestSchema, {
      storeName: this.#storeName,
      key,
      options: { increment: options.strong ? Increment.STRONG : Increment.WEAK },
    });
    return BigInt((await this.#connection.call(rpc.getNextId, request, options)).nextId);
  }
}
