/** The client: one connection to the sidecar beside the app, one object per building block. */

import { createChannel, GrpcCode, GrpcStatusError, sleep, systemClock } from '@outrigger/engine';
import type { GetMetadataResponse } from '@outrigger/proto/dapr/runtime/v1';
import * as Dapr from '@outrigger/proto/dapr/runtime/v1/dapr';
import { Configuration } from './configuration.js';
import { Connection, type RequestOptions, type RpcTransport } from './connection.js';
import { type InvokeOptions, Invoker } from './invoke.js';
import { Lock } from './lock.js';
import { PubSub } from './pubsub.js';
import { Secrets } from './secrets.js';
import { Sequencer } from './sequencer.js';
import { State } from './state.js';
import type { Body, Payload } from './value.js';

const DEFAULT_ADDRESS = '127.0.0.1:50001';
const READY_POLL_MS = 50;

export interface ClientOptions {
  /** `127.0.0.1:50001`, or `unix:/path`. Default: DAPR_GRPC_ENDPOINT, else 127.0.0.1 with DAPR_GRPC_PORT, else 127.0.0.1:50001. */
  readonly address?: string;
  /** Sent as `dapr-api-token`. Default: DAPR_API_TOKEN. */
  readonly apiToken?: string;
  /** Deadline of unary calls; none by default. */
  readonly timeoutMs?: number;
  /** Another transport than the built-in engine: `createGrpcJsTransport(…)`, `fromConnect(…)`. */
  readonly transport?: RpcTransport;
}

export class Client {
  readonly #connection: Connection;
  readonly #invoker: Invoker;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#invoker = new Invoker(connection);
  }

  /** The names are those of the embedded components, which exist when no document declares others. */
  state(storeName: string = 'statestore'): State {
    return new State(this.#connection, storeName);
  }

  pubsub(pubsubName: string = 'pubsub'): PubSub {
    return new PubSub(this.#connection, pubsubName);
  }

  configuration(storeName: string = 'configstore'): Configuration {
    return new Configuration(this.#connection, storeName);
  }

  lock(storeName: string = 'lockstore'): Lock {
    return new Lock(this.#connection, storeName);
  }

  sequencer(storeName: string = 'sequencer'): Sequencer {
    return new Sequencer(this.#connection, storeName);
  }

  secrets(storeName: string = 'secretstore'): Secrets {
    return new Secrets(this.#connection, storeName);
  }

  invoke(appId: string, method: string, payload?: Payload, options?: InvokeOptions): Promise<Body> {
    return this.#invoker.invoke(appId, method, payload, options);
  }

  metadata(options: RequestOptions = {}): Promise<GetMetadataResponse> {
    return this.#connection.call(
      Dapr.getMetadata,
      { $typeName: 'dapr.proto.runtime.v1.GetMetadataRequest' as const },
      options,
    );
  }

  async setMetadata(key: string, value: string, options: RequestOptions = {}): Promise<void> {
    const request = { $typeName: 'dapr.proto.runtime.v1.SetMetadataRequest', key, value } as const;
    await this.#connection.call(Dapr.setMetadata, request, options);
  }

  /** Ends the sidecar. */
  async shutdownSidecar(options: RequestOptions = {}): Promise<void> {
    await this.#connection.call(
      Dapr.shutdown,
      { $typeName: 'dapr.proto.runtime.v1.ShutdownRequest' as const },
      options,
    );
  }

  /** Resolves when the sidecar answers; rejects with the last error after `timeoutMs` (default 60 s). */
  async waitForSidecar(timeoutMs: number = 60_000): Promise<void> {
    const deadline = systemClock.now() + timeoutMs;
    for (;;) {
      try {
        await this.metadata({ timeoutMs: Math.max(1, deadline - systemClock.now()) });
        return;
      } catch (error) {
        const startingUp = error instanceof GrpcStatusError && error.code === GrpcCode.UNAVAILABLE;
        if (!startingUp || systemClock.now() >= deadline) throw error;
      }
      await sleep(systemClock, READY_POLL_MS);
    }
  }

  async close(): Promise<void> {
    await this.#connection.transport.close();
  }
}

export function createClient(options: ClientOptions = {}): Client {
  const { env } = process;
  const address =
    options.address ??
    env['DAPR_GRPC_ENDPOINT']?.replace(/^(https?|dns|tcp):\/*/, '') ??
    (env['DAPR_GRPC_PORT'] === undefined ? DEFAULT_ADDRESS : `127.0.0.1:${env['DAPR_GRPC_PORT']}`);
  const transport = options.transport ?? createChannel({ target: address, clock: systemClock });
  return new Client(new Connection(transport, options.apiToken ?? env['DAPR_API_TOKEN'], options.timeoutMs));
}
