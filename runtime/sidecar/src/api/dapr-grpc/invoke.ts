/** gRPC invoke: Dapr's InvokeService, and transparent proxying of every service that the sidecar does not serve itself. */
import {
  encodeStatusDetails,
  GrpcCode,
  type GrpcMethod,
  GrpcStatusError,
  HeaderList,
  type HttpHandler,
  Metadata,
  type ServerCall,
} from '@outrigger/engine';
import type { InvokeResponse } from '@outrigger/proto/dapr/common/v1';
import { HTTPExtension_Verb } from '@outrigger/proto/dapr/common/v1/enums';
import type { InvokeServiceRequest } from '@outrigger/proto/dapr/runtime/v1';
import * as Dapr from '@outrigger/proto/dapr/runtime/v1/dapr';
import type { InvokeBlock } from '../../block/invoke/block.js';
import type { InvokeReply } from '../../block/invoke/message.js';
import { httpToMetadata } from '../../block/invoke/metadata-map.js';
import { grpcCodeOf } from '../../block/invoke/status-map.js';
import { statusText } from '../../block/invoke/status-text.js';
import { grpcErrorHead } from '../../block/invoke/wire.js';
import { unary } from '../grpc-method.js';
import { traceOfMetadata } from '../trace.js';

export interface GrpcInvokeDeps {
  readonly invoke: InvokeBlock;
  /** Remaining time of a call with a deadline. */
  readonly now: () => number;
}

/** Metadata entry that names the app a proxied call is for. */
export const APP_ID_METADATA = 'dapr-app-id';
/** Header metadata with the status of an HTTP app. */
const HTTP_STATUS_METADATA = 'dapr-http-status';
/** ErrorInfo values are cut here (dapr/dapr pkg/messaging/v1/util.go). */
const INFO_VALUE_CHARS = 63;

export function invokeMethods({ invoke, now }: GrpcInvokeDeps): readonly GrpcMethod[] {
  return [unary(Dapr.invokeService, (request, call) => serve(invoke, request, call, now))];
}

async function serve(
  invoke: InvokeBlock,
  request: InvokeServiceRequest,
  call: ServerCall,
  now: () => number,
): Promise<InvokeResponse> {
  const { message } = request;
  const extension = message?.httpExtension;
  const timeoutMs = call.deadline === undefined ? 0 : Math.max(1, call.deadline - now());
  const reply = await invoke.message(
    {
      method: message?.method ?? '',
      data: message?.data?.value ?? new Uint8Array(0),
      dataType: message?.data?.typeUrl ?? '',
      contentType: message?.contentType ?? '',
      http:
        extension === undefined
          ? undefined
          : { verb: VERB_NAMES.get(extension.verb) ?? 'NONE', query: extension.querystring },
    },
    { id: request.id, metadata: tracedFields(call.metadata), timeoutMs, signal: call.signal },
  );
  sendHeaders(reply, call);
  throwFailure(reply);
  return {
    $typeName: 'dapr.proto.common.v1.InvokeResponse',
    contentType: reply.contentType,
    data: { $typeName: 'google.protobuf.Any', typeUrl: reply.dataType, value: reply.data },
  };
}

/** Metadata with the trace in W3C's form as well: an HTTP app cannot read the binary one. */
function tracedFields(metadata: Metadata): HeaderList {
  const { fields } = metadata;
  if (fields.has('traceparent') || !fields.has('grpc-trace-bin')) return fields;
  const { traceparent } = traceOfMetadata(metadata);
  return traceparent === undefined ? fields : fields.clone().append('traceparent', traceparent);
}

function sendHeaders(reply: InvokeReply, call: ServerCall): void {
  const fields = new HeaderList(
    reply.httpStatus === undefined ? reply.headers.flat : httpToMetadata(reply.headers.flat),
  );
  if (reply.httpStatus !== undefined) fields.append(HTTP_STATUS_METADATA, String(reply.httpStatus));
  call.sendMetadata(new Metadata(fields));
  for (const [name, value] of reply.trailers) call.trailers.append(name, value);
}

/** An HTTP app's status outside 2xx and a gRPC app's error become the status of this call. */
function throwFailure(reply: InvokeReply): void {
  const { error, httpStatus } = reply;
  if (error !== undefined) {
    throw new GrpcStatusError(error.code, error.message, error.details === undefined ? {} : { details: error.details });
  }
  const code = httpStatus === undefined ? GrpcCode.OK : grpcCodeOf(httpStatus);
  if (httpStatus === undefined || code === GrpcCode.OK) return;
  const text = statusText(httpStatus);
  const metadata = {
    'http.code': String(httpStatus),
    'http.error_message': reply.data.toString('utf8', 0, INFO_VALUE_CHARS),
  };
  const info = { type: 'ErrorInfo', reason: text, domain: 'dapr.io', metadata } as const;
  throw new GrpcStatusError(code, text, { details: encodeStatusDetails(code, text, [info]) });
}

const VERB_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(HTTPExtension_Verb).map(([name, verb]) => [verb, name]),
);

const dropping = { onData() {}, onEnd() {}, onReset() {}, onDrain() {} };

/**
 * For every gRPC path that no method of ours has (`grpc.unknown`). Without `dapr-app-id` the sentence is Dapr's, but the
 * code is UNIMPLEMENTED, as every gRPC peer expects of an unknown method (Dapr answers UNKNOWN).
 */
export function grpcProxyHandler({ invoke }: { readonly invoke: InvokeBlock }): HttpHandler {
  return (stream) => {
    const appId = stream.head.headers.get(APP_ID_METADATA);
    if (appId !== undefined && appId !== '') return invoke.grpc(stream, appId);
    stream.receiver = dropping;
    const text = 'failed to proxy request: required metadata dapr-callee-app-id or dapr-app-id not found';
    stream.respond(grpcErrorHead(GrpcCode.UNIMPLEMENTED, `unknown method ${stream.head.path}: ${text}`), true);
  };
}
