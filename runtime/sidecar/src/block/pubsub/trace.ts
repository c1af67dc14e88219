/** W3C trace context on its way through a broker (https://www.w3.org/TR/trace-context/). */

export interface EventTrace {
  readonly traceparent: string | undefined;
  readonly tracestate: string | undefined;
}

/** Longest tracestate passed on; the specification asks for at least 512 characters. */
export const TRACESTATE_CHARS_MAX = 1024;

const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** `value` when it is a traceparent that others will accept, else undefined. */
export function validTraceparent(value: unknown): string | undefined {
  return typeof value === 'string' && TRACEPARENT.test(value) ? value : undefined;
}

export function validTracestate(value: unknown): string | undefined {
  if (typeof value !== 'string' || value === '' || value.length > TRACESTATE_CHARS_MAX) return undefined;
  return /^[\x20-\x7e]*$/.test(value) ? value : undefined;
}

/** The trace of an event: `traceparent`, else the older `traceid` when it is one, then the message's own metadata. */
export function traceOf(
  event: Readonly<Record<string, unknown>>,
  metadata: Readonly<Record<string, string>>,
): EventTrace {
  const traceparent =
    validTraceparent(event['traceparent']) ??
    validTraceparent(event['traceid']) ??
    validTraceparent(metadata['traceparent']) ??
    validTraceparent(metadata['traceid']);
  if (traceparent === undefined) return { traceparent: undefined, tracestate: undefined };
  return {
    traceparent,
    tracestate: validTracestate(event['tracestate']) ?? validTracestate(metadata['tracestate']),
  };
}

/** `grpc-trace-bin`: the older binary form, which Dapr sends to gRPC apps beside traceparent. */
export function traceBinary(traceparent: string): Buffer {
  const [, traceId, spanId, flags] = traceparent.split('-') as [string, string, string, string];
  return Buffer.from(`0000${traceId}01${spanId}02${flags}`, 'hex');
}
