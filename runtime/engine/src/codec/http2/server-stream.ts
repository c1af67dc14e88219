/** The server's side of one HTTP/2 exchange. */
import type { PeerAddress, TlsInfo } from '../../network/transport.js';
import type { HeaderList } from '../http/headers.js';
import type { RequestHead, ResponseHead, ServerStream } from '../http/stream.js';
import type { HeaderBlock } from './header-block.js';
import { encodeFields, encodeStatus } from './hpack-encoder.js';
import type { Http2ServerConnection } from './server-connection.js';
import { Http2Stream } from './stream.js';

export class Http2ServerStream extends Http2Stream implements ServerStream {
  /** Shared with other requests of the same bytes: not to be changed. */
  readonly block: HeaderBlock;
  readonly headOnly: boolean;
  responded = false;
  #head: RequestHead | null = null;

  constructor(connection: Http2ServerConnection, id: number, block: HeaderBlock, headOnly: boolean) {
    super(connection, id);
    this.block = block;
    this.headOnly = headOnly;
  }

  get head(): RequestHead {
    this.#head ??= this.block.toRequestHead();
    return this.#head;
  }

  get remote(): PeerAddress {
    return this.connection.transport.remote;
  }

  get local(): PeerAddress {
    return this.connection.transport.local;
  }

  get tls(): TlsInfo | null {
    return this.connection.transport.tls;
  }

  /** Throws FieldError, before anything is sent, when a field may not be sent. */
  respond(head: ResponseHead, end: boolean): void {
    if (this.closed) return;
    if (this.responded) throw new Error('the response head was sent already');
    const { sender } = this.connection;
    const slab = sender.beginHeaders(this);
    try {
      encodeStatus(slab, head.status);
      encodeFields(slab, head.headers.flat);
    } catch (error) {
      sender.cancelHeaders();
      throw error;
    }
    this.responded = true;
    if (end) this.localEnded = true;
    sender.endHeaders(this, end);
  }

  inform(status: number): void {
    if (this.closed || this.responded) return;
    if (status < 100 || status > 199 || status === 101) throw new Error(`${status} is not an informational status`);
    const { sender } = this.connection;
    encodeStatus(sender.beginHeaders(this), status);
    sender.endHeaders(this, false);
  }

  override end(trailers?: HeaderList): void {
    if (!this.responded && !this.closed) throw new Error('the response ended before its head');
    super.end(trailers);
  }

  override write(chunk: Uint8Array, start = 0, end: number = chunk.length): boolean {
    if (!this.responded && !this.closed) throw new Error('the body was begun before the response head');
    return super.write(chunk, start, end);
  }
}
