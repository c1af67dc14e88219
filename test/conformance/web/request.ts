/** One request made by hand, with whatever header fields a browser, or somebody worse, would send. */
import { once } from 'node:events';
import { request as request1 } from 'node:http';
import { connect } from 'node:http2';
import { buffer } from 'node:stream/consumers';

export interface RawRequest {
  readonly port: number;
  readonly http: '1.1' | '2';
  /** Default POST. */
  readonly method?: string;
  readonly path: string;
  /** `host` is the authority. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

export async function send(request: RawRequest): Promise<RawAnswer> {
  return request.http === '2' ? sendHttp2(request) : sendHttp1(request);
}

async function sendHttp1({ port, method = 'POST', path, headers = {}, body = '' }: RawRequest): Promise<RawAnswer> {
  const request = request1({ host: '127.0.0.1', port, method, path, headers, agent: false });
  request.end(body);
  const [response] = await once(request, 'response');
  return { status: response.statusCode, headers: response.headers, body: await buffer(response) };
}

async function sendHttp2({ port, method = 'POST', path, headers = {}, body = '' }: RawRequest): Promise<RawAnswer> {
  const session = connect(`http://127.0.0.1:${port}`);
  try {
    const { host, ...fields } = headers;
    const authority = host === undefined ? {} : { ':authority': host };
    const stream = session.request({ ':method': method, ':path': path, ...authority, ...fields });
    // A GET has ended with its head.
    if (!stream.writableEnded) stream.end(body);
    const [head] = await once(stream, 'response');
    return { status: Number(head[':status']), headers: head, body: await buffer(stream) };
  } finally {
    session.destroy();
  }
}

/** A message behind its prefix, as gRPC-Web and Connect's streams have them. */
export function envelope(message: Uint8Array, flags = 0): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = flags;
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

export interface Envelope {
  readonly flags: number;
  readonly message: Buffer;
}

export function envelopes(body: Buffer): Envelope[] {
  const all: Envelope[] = [];
  for (let at = 0; at < body.length; ) {
    const end = at + 5 + body.readUInt32BE(at + 1);
    all.push({ flags: body[at] as number, message: body.subarray(at + 5, end) });
    at = end;
  }
  return all;
}

/** Fields of a gRPC-Web trailer: `name:value` lines, percent-encoded message. */
export function trailerFields(message: Buffer): Readonly<Record<string, string>> {
  const lines = message.toString('latin1').split('\r\n').filter(Boolean);
  return Object.fromEntries(
    lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
}
