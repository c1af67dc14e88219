/** Short ways to answer an exchange and to take in its body, for handlers that do not stream. */
import { errorsOf, type OutriggerError } from '../../base/error.js';
import { HeaderList } from './headers.js';
import type { ServerStream, StreamReceiver, StreamReset } from './stream.js';

export const BODY_ERRORS = {
  BODY_TOO_LARGE: {
    grpc: 'RESOURCE_EXHAUSTED',
    http: 413,
    text: 'the request body is larger than the limit of {limit} bytes',
    hint: 'send less, or raise the body size limit',
  },
  BODY_INTERRUPTED: {
    grpc: 'CANCELLED',
    http: 400,
    text: 'the request body did not arrive whole: {message}',
  },
} as const;

const fail = errorsOf(BODY_ERRORS);

/** First room for a body of unknown length; a declared length is trusted only up to this, then the buffer doubles. */
const BODY_FIRST_BYTES = 16 * 1024;

/** Answers with `body` and its content-length. `headers` follow content-type and content-length. */
export function respondBytes(
  stream: ServerStream,
  status: number,
  contentType: string,
  body: Uint8Array,
  headers?: HeaderList,
): void {
  const flat = ['content-type', contentType, 'content-length', String(body.length)];
  if (headers !== undefined) for (const part of headers.flat) flat.push(part);
  const head = { status, headers: new HeaderList(flat) };
  const empty = body.length === 0;
  stream.respond(head, empty);
  if (empty) return;
  stream.write(body);
  stream.end();
}

export function respondText(stream: ServerStream, status: number, text: string, headers?: HeaderList): void {
  respondBytes(stream, status, 'text/plain; charset=utf-8', Buffer.from(text), headers);
}

/** `value` must be serializable; `undefined` is sent as `null`. */
export function respondJson(stream: ServerStream, status: number, value: unknown, headers?: HeaderList): void {
  respondBytes(stream, status, 'application/json', Buffer.from(JSON.stringify(value) ?? 'null'), headers);
}

/** Answers without a body, such as 204. */
export function respondEmpty(stream: ServerStream, status: number, headers?: HeaderList): void {
  stream.respond({ status, headers: headers ?? new HeaderList() }, true);
}

/** `body` when it arrived whole (the callee owns it), else `error`: BODY_TOO_LARGE or BODY_INTERRUPTED. */
export type BodyCallback = (
  error: OutriggerError | null,
  body: Buffer,
  /** Trailer fields, when the request had any. */
  trailers: HeaderList | null,
) => void;

const NO_BYTES = Buffer.alloc(0);

class BodyCollector implements StreamReceiver {
  private readonly bytesMax: number;
  private readonly declared: number;
  private done: BodyCallback | null;
  private buffer: Buffer = NO_BYTES;
  private length = 0;

  /** `declared`: the content-length, -1 without one. */
  constructor(declared: number, bytesMax: number, done: BodyCallback) {
    this.declared = declared;
    this.bytesMax = bytesMax;
    this.done = done;
  }

  onData(chunk: Buffer, start: number, end: number): void {
    if (this.done === null) return;
    const length = this.length + (end - start);
    if (length > this.bytesMax) {
      this.finish(fail('BODY_TOO_LARGE', { limit: this.bytesMax }), null);
      return;
    }
    if (length > this.buffer.length) this.grow(length);
    chunk.copy(this.buffer, this.length, start, end);
    this.length = length;
  }

  onEnd(trailers: HeaderList | null): void {
    this.finish(null, trailers);
  }

  onReset(reset: StreamReset): void {
    this.finish(fail('BODY_INTERRUPTED', { message: reset.message }), null);
  }

  onDrain(): void {}

  private grow(needed: number): void {
    let room = Math.max(needed, this.buffer.length * 2);
    if (this.declared >= needed) room = Math.max(needed, Math.min(this.declared, Math.max(room, BODY_FIRST_BYTES)));
    const buffer = Buffer.allocUnsafe(Math.min(room, this.bytesMax));
    this.buffer.copy(buffer, 0, 0, this.length);
    this.buffer = buffer;
  }

  private finish(error: OutriggerError | null, trailers: HeaderList | null): void {
    const { done, buffer, length } = this;
    if (done === null) return;
    this.done = null;
    this.buffer = NO_BYTES;
    if (error !== null) done(error, NO_BYTES, null);
    else done(null, length === buffer.length ? buffer : buffer.subarray(0, length), trailers);
  }
}

/**
 * Collects the request body and calls `done` exactly once; takes over `stream.receiver`. Above `bytesMax` it reports
 * BODY_TOO_LARGE at once (inside this call when the declared length says so, which saves the client from sending it)
 * and drops the rest; the caller answers (`error.row.http`).
 */
export function collectBody(stream: ServerStream, bytesMax: number, done: BodyCallback): void {
  const declared = stream.headOnly ? undefined : stream.head.headers.get('content-length');
  if (declared !== undefined && Number(declared) > bytesMax) {
    stream.receiver = discardReceiver;
    done(fail('BODY_TOO_LARGE', { limit: bytesMax }), NO_BYTES, null);
    return;
  }
  stream.receiver = new BodyCollector(declared === undefined ? -1 : Number(declared), bytesMax, done);
}

/** `collectBody` as a promise; rejects with BODY_TOO_LARGE or BODY_INTERRUPTED. */
export function readBody(stream: ServerStream, bytesMax: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    collectBody(stream, bytesMax, (error, body) => (error === null ? resolve(body) : reject(error)));
  });
}

/**
 * Calls `answer` once the request has come to its end, its body dropped, or has brought more than `bytesMax`: for
 * handlers that want no body but must see that the request is well formed before they answer it (h2spec: RFC 9113 §8.1).
 */
export function afterRequest(stream: ServerStream, bytesMax: number, answer: () => void): void {
  if (stream.headOnly) {
    stream.receiver = discardReceiver;
    answer();
    return;
  }
  let left = bytesMax;
  const finish = (): void => {
    stream.receiver = discardReceiver;
    answer();
  };
  stream.receiver = {
    onData(_chunk, start, end) {
      left -= end - start;
      if (left < 0) finish();
    },
    onEnd: finish,
    onReset() {},
    onDrain() {},
  };
}

/** Drops whatever arrives: the receiver of handlers that do not want a body. */
export const discardReceiver: StreamReceiver = {
  onData() {},
  onEnd() {},
  onReset() {},
  onDrain() {},
};
