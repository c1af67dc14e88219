/** Calling another app by its id: the sidecars find it, whatever language it is written in. */
import { create } from '@bufbuild/protobuf';
import { methodsOf } from '@outrigger/proto';
import { HTTPExtension_Verb as Verb } from '@outrigger/proto/dapr/common/v1';
import { Dapr, InvokeServiceRequestSchema } from '@outrigger/proto/dapr/runtime/v1';
import type { Connection, RequestOptions } from './connection.js';
import { Body, encodePayload, type Payload } from './value.js';

const rpc = methodsOf(Dapr);

export type HttpVerb = 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE' | 'OPTIONS';

export interface InvokeOptions extends RequestOptions {
  /** Default POST. What an HTTP app sees; gRPC apps may read it as well. */
  readonly verb?: HttpVerb;
  readonly query?: Readonly<Record<string, string>>;
  readonly contentType?: string;
}

export class Invoker {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Rejects with GrpcStatusError when the app cannot be reached or answers with an error. */
  async invoke(appId: string, method: string, payload?: Payload, options: InvokeOptions = {}): Promise<Body> {
    const { data, contentType } =
      payload === undefined
        ? { data: new Uint8Array(0), contentType: options.contentType ?? '' }
        : encodePayload(payload, options.contentType);
    const request = create(InvokeServiceRequestSchema, {
      id: appId,
      message: {
        method,
        data: { typeUrl: '', value: data },
        contentType,
        httpExtension: {
          verb: Verb[options.verb ?? 'POST'],
          querystring: new URLSearchParams(options.query).toString(),
        },
      },
    });
    const response = await this.#connection.call(rpc.invokeService, request, options);
    return new Body(response.data?.value ?? new Uint8Array(0), response.contentType);
  }
}
