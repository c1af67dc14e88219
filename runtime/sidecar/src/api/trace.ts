/** W3C trace context of a request: `traceparent`, `tracestate`, `baggage`, and OpenCensus' binary form on gRPC. */
import type { HeaderList, Metadata } from '@outrigger/engine';
import type { TraceContext } from '../block/context.js';

const none: TraceContext = { traceparent: undefined, tracestate: undefined, baggage: undefined };

export function traceOfHeaders(headers: HeaderList): TraceContext {
  const traceparent = headers.get('traceparent');
  const baggage = headers.get('baggage');
  if (traceparent === undefined && baggage === undefined) return none;
  return { traceparent, tracestate: headers.get('tracestate'), baggage };
}

/**
 * `grpc-trace-bin`: version 0, then fields 0 (16 bytes of trace id), 1 (8 bytes of span id), 2 (1 byte of flags)
 * (census-instrumentation/opencensus-specs encodings/BinaryEncoding.md). Clients that know no `traceparent` send it.
 */
export function traceparentOfBinary(bytes: Uint8Array): string | undefined {
  const laidOut = bytes.length >= 29 && bytes[0] === 0 && bytes[1] === 0 && bytes[18] === 1 && bytes[27] === 2;
  if (!laidOut) return undefined;
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
  return `00-${hex.slice(4, 36)}-${hex.slice(38, 54)}-${hex.slice(56, 58)}`;
}

export function traceOfMetadata(metadata: Metadata): TraceContext {
  const trace = traceOfHeaders(metadata.fields);
  if (trace.traceparent !== undefined) return trace;
  const binary = metadata.getBinary('grpc-trace-bin');
  const traceparent = binary === undefined ? undefined : traceparentOfBinary(binary);
  return traceparent === undefined ? trace : { ...trace, traceparent };
}
