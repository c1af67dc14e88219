/**
 * What an app hands over and gets back. JSON is the default form; bytes and text pass as they are. The content type says
 * which it was, so that an app in another language reads the same.
 */

/** Anything that can be sent: bytes as they are, a string as text, everything else as JSON. */
export type Payload = Uint8Array | string | number | boolean | null | object;

export interface Encoded {
  readonly data: Uint8Array;
  readonly contentType: string;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/** Events and invokes: a string is text/plain, bytes are application/octet-stream, the rest JSON. */
export function encodePayload(payload: Payload, contentType?: string): Encoded {
  if (payload instanceof Uint8Array) return { data: payload, contentType: contentType ?? 'application/octet-stream' };
  if (typeof payload === 'string' && !isJson(contentType)) {
    return { data: encoder.encode(payload), contentType: contentType ?? 'text/plain' };
  }
  return { data: encoder.encode(JSON.stringify(payload)), contentType: contentType ?? 'application/json' };
}

export function isJson(contentType: string | undefined): boolean {
  return contentType !== undefined && /^application\/(?:[\w.+-]+\+)?json\b/i.test(contentType);
}

/** Received bytes with the ways to read them. */
export class Body {
  readonly bytes: Uint8Array;
  readonly contentType: string;

  constructor(bytes: Uint8Array, contentType: string) {
    this.bytes = bytes;
    this.contentType = contentType;
  }

  /** Throws a TypeError when the bytes are not UTF-8. */
  text(): string {
    return decoder.decode(this.bytes);
  }

  /** Throws a SyntaxError when the bytes are not JSON. */
  json<T = unknown>(): T {
    return JSON.parse(this.text()) as T;
  }
}

/** State values are JSON unless they are bytes: the form that the HTTP API and the other SDKs write. */
export function encodeState(value: Payload): Uint8Array {
  return value instanceof Uint8Array ? value : encoder.encode(JSON.stringify(value));
}
