/**
 * What two sidecars say to each other. The hop is the app's own request on HTTP/2, not wrapped (D4): method, path,
 * headers and body are the app's, and these fields beside them. None of them reaches an app, none is taken from a caller.
 */
import { type GrpcCode, HeaderList, type RequestHead, type ResponseHead } from '@outrigger/engine';
import { httpStatusOf } from './status-map.js';

/** `http`, `grpc`, or `message:<verb>` (a Dapr InvokeRequest; `message:` without an HTTP extension). */
export const WIRE_KIND = 'outrigger-invoke';
/** type_url of a message's data, in both directions. */
export const WIRE_DATA_TYPE = 'outrigger-data-type';
/** `error`: the sidecar answers, not its app. `grpc`: a gRPC app answered a message. Absent: the app's own HTTP response. */
export const WIRE_REPLY = 'outrigger-reply';
export const WIRE_STATUS = 'outrigger-status';
export const WIRE_MESSAGE = 'outrigger-message';
/** google.rpc.Status of a gRPC app's error, base64. */
export const WIRE_DETAILS = 'outrigger-details-bin';

export const CALLER_APP_ID = 'dapr-caller-app-id';
export const CALLER_NAMESPACE = 'dapr-caller-namespace';
export const CALLEE_APP_ID = 'dapr-callee-app-id';

export const KIND_HTTP = 'http';
export const KIND_GRPC = 'grpc';
export const KIND_MESSAGE = 'message:';

/** How Dapr words a failure between the callee's sidecar and its app. */
export const channelError = (message: string): string => `error invoking app channel: ${message}`;

/** An error of a sidecar on the way, as the caller's sidecar reads it. */
export interface WireError {
  readonly code: GrpcCode;
  readonly message: string;
}

/** Without lone surrogates, which have no UTF-8 form. */
const wellFormed = (text: string): string => text.replace(/[\ud800-\udfff]/gu, '\ufffd');

/** Field values are printable ASCII: everything else is percent-encoded UTF-8. */
export function encodeText(text: string): string {
  return encodeURIComponent(wellFormed(text)).replace(/%20/g, ' ');
}

export function decodeText(text: string | undefined): string {
  if (text === undefined) return '';
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function errorHead(code: GrpcCode, message: string): ResponseHead {
  const flat = [
    WIRE_REPLY,
    'error',
    WIRE_STATUS,
    String(code),
    WIRE_MESSAGE,
    encodeText(message),
    'content-length',
    '0',
  ];
  return { status: httpStatusOf(code), headers: new HeaderList(flat) };
}

/** The error that a sidecar answered, or null when the app did. */
export function errorOf(head: ResponseHead): WireError | null {
  if (head.headers.get(WIRE_REPLY) !== 'error') return null;
  const code = Number(head.headers.get(WIRE_STATUS)) as GrpcCode;
  return { code: code >= 1 && code <= 16 ? code : 2, message: decodeText(head.headers.get(WIRE_MESSAGE)) };
}

/** The gRPC error of a call that never reached its app, as a response of headers only. */
export function grpcErrorHead(code: GrpcCode, message: string): ResponseHead {
  const flat = ['content-type', 'application/grpc', 'grpc-status', String(code), 'grpc-message', grpcMessage(message)];
  return { status: 200, headers: new HeaderList(flat) };
}

/** `grpc-message` is percent-encoded UTF-8; printable ASCII but `%` stands for itself (gRPC over HTTP/2). */
export function grpcMessage(message: string): string {
  return wellFormed(message).replace(/[^\x20-\x24\x26-\x7e]+/g, encodeURIComponent);
}

export function kindOf(head: RequestHead): string | undefined {
  return head.headers.get(WIRE_KIND);
}
