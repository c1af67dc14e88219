/** Ids that only grow, shared by every app that asks for the same key. */
import type { GetNextIdRequest } from '@outrigger/proto/layotto/runtime/v1';
import { SequencerOptions_AutoIncrement as Increment } from '@outrigger/proto/layotto/runtime/v1/enums';
import * as Runtime from '@outrigger/proto/layotto/runtime/v1/runtime';
import type { Connection, RequestOptions } from './connection.js';

export class Sequencer {
  readonly #connection: Connection;
  readonly #storeName: string;

  constructor(connection: Connection, storeName: string) {
    this.#connection = connection;
    this.#storeName = storeName;
  }

  /** Unique, growing in the long run; with `strong`, larger than every id handed out before. */
  async next(key: string, options: RequestOptions & { readonly strong?: boolean } = {}): Promise<bigint> {
    const request: GetNextIdRequest = {
      $typeName: 'spec.proto.runtime.v1.GetNextIdRequest',
      storeName: this.#storeName,
      key,
      options: {
        $typeName: 'spec.proto.runtime.v1.SequencerOptions',
        increment: options.strong ? Increment.STRONG : Increment.WEAK,
      },
      metadata: {},
    };
    return BigInt((await this.#connection.call(Runtime.getNextId, request, options)).nextId);
  }
}
