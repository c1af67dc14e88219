/** Calling another app by its id: the sidecars find it, whatever language it is written in. */
import { HTTPExtension_Verb as Verb } from '@outrigger/proto/dapr/common/v1/enums';
import type { InvokeServiceRequest } from '@outrigger/proto/dapr/runtime/v1';
import * as Dapr from '@outrigger/proto/dapr/runtime/v1/dapr';
import type { Connection, RequestOptions } from './connection.js';
import { Body, encodePayload, type Payload } from './value.js';

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
    const request: InvokeServiceRequest = {
      $typeName: 'dapr.proto.runtime.v1.InvokeServiceRequest',
      id: appId,
      message: {
        $typeName: 'dapr.proto.common.v1.InvokeRequest',
        method,
        data: { $typeName: 'google.protobuf.Any', typeUrl: '', value: data },
        contentType,
        httpExtension: {
          $typeName: 'dapr.proto.common.v1.HTTPExtension',
          verb: Verb[options.verb ?? 'POST'],
          querystring: new URLSearchParams(options.query).toString(),
        },
      },
    };
    const response = await this.#connection.call(Dapr.invokeService, request, options);
    return new Body(response.data?.value ?? new Uint8Array(0), response.contentType);
  }
}
