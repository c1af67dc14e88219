/**
 * Layotto's InvokeService: data and content type, a deadline from the metadata `rpc_request_timeout` (milliseconds, default
 * 3000; components/rpc of Layotto). Verb and query come from the HTTP extension or, where a client has none, from the
 * metadata `verb` and `query_string`; without either it is a GET (components/rpc/invoker/mosn/channel/httpchannel.go).
 */
import { GrpcCode, type GrpcMethod, GrpcStatusError, HeaderList, Metadata, type ServerCall } from '@outrigger/engine';
import type { CommonInvokeRequest, InvokeResponse } from '@outrigger/proto/layotto/runtime/v1';
import { HTTPExtension_Verb as Verb } from '@outrigger/proto/layotto/runtime/v1/enums';
import * as Runtime from '@outrigger/proto/layotto/runtime/v1/runtime';
import type { InvokeBlock } from '../../block/invoke/block.js';
import type { InvokeMessage, InvokeReply } from '../../block/invoke/message.js';
import { httpToMetadata } from '../../block/invoke/metadata-map.js';
import { unary } from '../grpc-method.js';

export const INVOKE_TIMEOUT_DEFAULT_MS = 3_000;
const TIMEOUT_METADATA = 'rpc_request_timeout';
const VERB_METADATA = 'verb';
const QUERY_METADATA = 'query_string';
const VERB_DEFAULT = 'GET';
/** Of an app's failed answer this much is quoted: status messages travel in a header. */
const QUOTED_BODY_BYTES_MAX = 1024;

const verbNames: ReadonlyMap<number, string> = new Map(Object.entries(Verb).map(([name, value]) => [value, name]));

function timeoutOf(text: string | undefined, remainingMs: number | undefined): number {
  const asked = text === undefined ? Number.NaN : Number(text);
  const timeoutMs = Number.isFinite(asked) && asked > 0 ? asked : INVOKE_TIMEOUT_DEFAULT_MS;
  return remainingMs === undefined ? timeoutMs : Math.max(1, Math.min(timeoutMs, remainingMs));
}

/** Method and HTTP part of a call. The method is a request target and may carry the query, if nothing else does. */
function targetOf(
  message: CommonInvokeRequest | undefined,
  metadata: Metadata,
): Required<Pick<InvokeMessage, 'method' | 'http'>> {
  const [method = '', ...rest] = (message?.method ?? '').split('?');
  const inline = rest.join('?');
  const extension = message?.httpExtension;
  const verb =
    extension === undefined ? metadata.get(VERB_METADATA) || VERB_DEFAULT : (verbNames.get(extension.verb) ?? 'NONE');
  const query = extension === undefined ? metadata.get(QUERY_METADATA) : extension.querystring;
  return { method, http: { verb, query: query || inline } };
}

/** An HTTP app's header fields and a gRPC app's metadata become header metadata, as Layotto hands them on. */
function sendHeaders({ httpStatus, headers }: InvokeReply, call: ServerCall): void {
  const flat = httpStatus === undefined ? headers.flat : httpToMetadata(headers.flat);
  call.sendMetadata(new Metadata(new HeaderList(flat)));
}

/** Layotto calls every answer but 200 unavailable; here a 2xx is a success, the rest are failed as there. */
function throwFailure({ error, httpStatus, data }: InvokeReply): void {
  if (error !== undefined) throw new GrpcStatusError(error.code, error.message);
  if (httpStatus === undefined || (httpStatus >= 200 && httpStatus < 300)) return;
  const body = data.toString('utf8', 0, QUOTED_BODY_BYTES_MAX);
  throw new GrpcStatusError(GrpcCode.UNAVAILABLE, `http response code ${httpStatus}, body: ${body}`);
}

export function createInvokeMethods(invoke: Pick<InvokeBlock, 'message'>, now: () => number): GrpcMethod[] {
  return [
    unary(Runtime.invokeService, async ({ id, message }, call): Promise<InvokeResponse> => {
      const remainingMs = call.deadline === undefined ? undefined : call.deadline - now();
      const fields = call.metadata.fields.clone();
      for (const name of [VERB_METADATA, QUERY_METADATA]) fields.delete(name);
      const reply = await invoke.message(
        {
          ...targetOf(message, call.metadata),
          data: message?.data?.value ?? new Uint8Array(0),
          dataType: message?.data?.typeUrl ?? '',
          contentType: message?.contentType ?? '',
        },
        {
          id,
          metadata: fields,
          timeoutMs: timeoutOf(call.metadata.get(TIMEOUT_METADATA), remainingMs),
          signal: call.signal,
        },
      );
      sendHeaders(reply, call);
      throwFailure(reply);
      return {
        $typeName: 'spec.proto.runtime.v1.InvokeResponse' as const,
        contentType: reply.contentType,
        data: { $typeName: 'google.protobuf.Any' as const, typeUrl: reply.dataType, value: reply.data },
      };
    }),
  ];
}
