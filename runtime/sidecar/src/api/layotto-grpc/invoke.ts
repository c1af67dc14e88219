/**
 * Layotto's InvokeService: verb and query of the HTTP extension, data and content type, and a deadline from the metadata
 * `rpc_request_timeout` (milliseconds, default 3000; components/rpc of Layotto).
 */
import { GrpcCode, type GrpcMethod, GrpcStatusError } from '@outrigger/engine';
import { methodsOf } from '@outrigger/proto';
import { type InvokeResponse, Runtime, HTTPExtension_Verb as Verb } from '@outrigger/proto/layotto/runtime/v1';
import type { InvokeBlock } from '../../block/invoke/block.js';
import { grpcCodeOf } from '../../block/invoke/status-map.js';
import { statusText } from '../../block/invoke/status-text.js';
import { unary } from '../grpc-method.js';

export const INVOKE_TIMEOUT_DEFAULT_MS = 3_000;
const TIMEOUT_METADATA = 'rpc_request_timeout';

const verbNames: ReadonlyMap<number, string> = new Map(Object.entries(Verb).map(([name, value]) => [value, name]));

function timeoutOf(text: string | undefined, remainingMs: number | undefined): number {
  const asked = text === undefined ? Number.NaN : Number(text);
  const timeoutMs = Number.isFinite(asked) && asked > 0 ? asked : INVOKE_TIMEOUT_DEFAULT_MS;
  return remainingMs === undefined ? timeoutMs : Math.max(1, Math.min(timeoutMs, remainingMs));
}

export function createInvokeMethods(invoke: InvokeBlock, now: () => number): GrpcMethod[] {
  return [
    unary(methodsOf(Runtime).invokeService, async ({ id, message }, call): Promise<InvokeResponse> => {
      const extension = message?.httpExtension;
      const remainingMs = call.deadline === undefined ? undefined : call.deadline - now();
      const reply = await invoke.message(
        {
          method: message?.method ?? '',
          data: message?.data?.value ?? new Uint8Array(0),
          dataType: message?.data?.typeUrl ?? '',
          contentType: message?.contentType ?? '',
          http:
            extension === undefined
              ? undefined
              : { verb: verbNames.get(extension.verb) ?? 'NONE', query: extension.querystring },
        },
        {
          id,
          metadata: call.metadata.fields,
          timeoutMs: timeoutOf(call.metadata.get(TIMEOUT_METADATA), remainingMs),
          signal: call.signal,
        },
      );
      const { error, httpStatus } = reply;
      if (error !== undefined) throw new GrpcStatusError(error.code, error.message);
      const code = httpStatus === undefined ? GrpcCode.OK : grpcCodeOf(httpStatus);
      if (httpStatus !== undefined && code !== GrpcCode.OK) throw new GrpcStatusError(code, statusText(httpStatus));
      return {
        $typeName: 'spec.proto.runtime.v1.InvokeResponse' as const,
        contentType: reply.contentType,
        data: { $typeName: 'google.protobuf.Any' as const, typeUrl: reply.dataType, value: reply.data },
      };
    }),
  ];
}
