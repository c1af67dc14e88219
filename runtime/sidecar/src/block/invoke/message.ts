/** Dapr's InvokeService in neutral terms: what Dapr's and Layotto's gRPC surfaces hand in and get back. */
import type { GrpcCode, HeaderList } from '@outrigger/engine';

export interface InvokeMessage {
  readonly method: string;
  readonly data: Uint8Array;
  /** type_url of the data; '' when it has none. */
  readonly dataType: string;
  readonly contentType: string;
  /** Verb (`GET`, `NONE`, …) and query string; undefined: the request has no HTTP extension, an HTTP app cannot serve it. */
  readonly http: { readonly verb: string; readonly query: string } | undefined;
}

export interface InvokeCall {
  /** App id, `appid.namespace`, name of an HTTPEndpoint, or absolute URL. */
  readonly id: string;
  /** Metadata of the call, as on the wire. */
  readonly metadata: HeaderList;
  /** 0: none. */
  readonly timeoutMs: number;
  /** Aborts when the caller gives up. */
  readonly signal?: AbortSignal;
}

export interface InvokeReply {
  /** HTTP status of an HTTP app; undefined when a gRPC app answered. */
  readonly httpStatus: number | undefined;
  /** A gRPC app's error. HTTP statuses are left to the surface. */
  readonly error:
    | { readonly code: GrpcCode; readonly message: string; readonly details: Uint8Array | undefined }
    | undefined;
  readonly contentType: string;
  readonly dataType: string;
  readonly data: Buffer;
  /** Header fields of the HTTP response, or the gRPC app's header metadata. */
  readonly headers: HeaderList;
  /** The gRPC app's trailer metadata. */
  readonly trailers: HeaderList;
}

/** The content type of data that has a type of its own, whatever its sender says (dapr/dapr invoke_method_request.go). */
export const PROTOBUF_CONTENT_TYPE = 'application/x-protobuf';

/** A verb that an HTTP request can have; Dapr refuses CONNECT as well. */
export const isSendable = (verb: string): boolean => verb !== '' && verb !== 'NONE' && verb !== 'CONNECT';
