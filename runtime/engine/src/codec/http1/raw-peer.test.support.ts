/** The other end of a connection, written by hand: sends bytes, keeps what it gets. */
import { FakeClock } from '../../base/fake-clock.js';
import { silentLogger } from '../../base/log.js';
import {
  createMemoryPair,
  type MemoryPair,
  type MemoryPairOptions,
  type MemoryTransport,
} from '../../network/memory-transport.js';
import type { TransportReceiver } from '../../network/transport.js';
import { HeaderList } from '../http/headers.js';
import type { ClientReceiver, HttpHandler, RequestHead, ResponseHead, StreamReset } from '../http/stream.js';
import type { Http1Failure } from './failure.js';
import { type Http1Limits, http1Limits } from './limits.js';
import { Http1ServerConnection } from './server-connection.js';
import type { Http1ServerOptions } from './server-options.js';

export class RawPeer implements TransportReceiver {
  readonly transport: MemoryTransport;
  bytes = '';
  /** The other side sent its end of stream. */
  ended = false;
  closed = false;
  error: Error | null = null;
  private readonly pump: () => void;

  constructor(transport: MemoryTransport, pump: () => void) {
    this.transport = transport;
    this.pump = pump;
    transport.receiver = this;
  }

  /** Queues without delivering, so that several sends arrive in one read. */
  write(text: string): void {
    const { slab } = this.transport;
    slab.ensure(text.length);
    slab.end += slab.buffer.write(text, slab.end, 'latin1');
    this.transport.markDirty();
  }

  send(text: string): void {
    this.write(text);
    this.pump();
  }

  end(): void {
    this.transport.end();
    this.pump();
  }

  /** What came since the last call. */
  take(): string {
    const { bytes } = this;
    this.bytes = '';
    return bytes;
  }

  onBytes(buffer: Buffer, start: number, end: number): void {
    this.bytes += buffer.toString('latin1', start, end);
  }

  onDrain(): void {}

  onEnd(): void {
    this.ended = true;
  }

  onClose(error: Error | null): void {
    this.closed = true;
    this.error = error;
  }
}

export interface Served {
  readonly pair: MemoryPair;
  readonly client: RawPeer;
  readonly clock: FakeClock;
  readonly connection: Http1ServerConnection;
  readonly refused: Http1Failure[];
  /** Moves time on and delivers what comes of it. */
  advance(ms: number): void;
}

export interface ServeOptions extends MemoryPairOptions {
  readonly limits?: Partial<Http1Limits>;
  readonly bodyBytesMax?: NonNullable<Http1ServerOptions['bodyBytesMax']>;
}

export function serve(handler: HttpHandler, options: ServeOptions = {}): Served {
  const pair = createMemoryPair({ ...options, manual: true });
  const clock = new FakeClock();
  const refused: Http1Failure[] = [];
  const connection = new Http1ServerConnection(pair.server, {
    handler,
    clock,
    log: silentLogger,
    limits: { ...http1Limits, ...options.limits },
    onRefused: (failure) => refused.push(failure),
    ...(options.bodyBytesMax === undefined ? {} : { bodyBytesMax: options.bodyBytesMax }),
  });
  const client = new RawPeer(pair.client, pair.pump);
  const advance = (ms: number): void => {
    clock.advance(ms);
    pair.pump();
  };
  return { pair, client, clock, connection, refused, advance };
}

/** Writes down everything that a stream tells its receiver. */
export class RecordingReceiver implements ClientReceiver {
  head: ResponseHead | null = null;
  headEnds = false;
  body = '';
  trailers: HeaderList | null = null;
  ends = 0;
  drains = 0;
  reset: StreamReset | null = null;

  onHead(head: ResponseHead, end: boolean): void {
    this.head = head;
    this.headEnds = end;
  }

  onData(chunk: Buffer, start: number, end: number): void {
    this.body += chunk.toString('latin1', start, end);
  }

  onEnd(trailers: HeaderList | null): void {
    this.ends++;
    this.trailers = trailers;
  }

  onReset(reset: StreamReset): void {
    this.reset = reset;
  }

  onDrain(): void {
    this.drains++;
  }

  get resetReason(): string | null {
    return this.reset?.reason ?? null;
  }

  /** One line that says what happened, for comparisons. */
  get summary(): string {
    if (this.reset !== null) return `reset ${this.reset.reason}: ${this.reset.message}`;
    return `${this.head?.status ?? '-'} ${JSON.stringify(this.head?.headers.flat ?? [])} ${this.body} x${this.ends}`;
  }
}

export function request(method: string, path: string, fields: Readonly<Record<string, string>> = {}): RequestHead {
  return { method, scheme: 'http', authority: 'x', path, headers: HeaderList.of(fields) };
}
