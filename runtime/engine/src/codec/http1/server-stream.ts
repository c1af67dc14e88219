/** One exchange of an HTTP/1.1 server connection: the response direction, and the handler's view of the request. */
import type { PauseReason, PeerAddress, TlsInfo, Transport } from '../../network/transport.js';
import type { HeaderList } from '../http/headers.js';
import { discardReceiver } from '../http/respond.js';
import type { RequestHead, ResetReason, ResponseHead, ServerStream, StreamReceiver } from '../http/stream.js';
import { Pauses } from './pauses.js';
import type { ParsedRequest } from './request-parser.js';
import { OutKind, type ResponseFraming, writeResponseHead } from './response-writer.js';
import {
  writeAscii,
  writeBytes,
  writeChunk,
  writeField,
  writeFields,
  writeStatusLine,
  writeTrailers,
} from './serializer.js';
import type { Http1ServerConnection } from './server-connection.js';

/** Status of the answer when a handler gives up before it answered; other reasons cut the connection. */
const RESET_STATUS: Partial<Record<ResetReason, number>> = {
  refused: 503,
  internal: 500,
  'too-large': 413,
  timeout: 504,
};

export class Http1ServerStream implements ServerStream {
  readonly protocol = 'http/1.1';
  readonly head: RequestHead;
  readonly headOnly: boolean;
  receiver: StreamReceiver = discardReceiver;
  responded = false;
  /**
   * Value of the Upgrade field when the client asks for another protocol on this connection (RFC 9110 §7.8), else null.
   * A handler may ignore it and respond, or call `acceptUpgrade`.
   */
  readonly upgrade: string | null;
  /** Value of HTTP2-Settings, when exactly one came with the upgrade (RFC 7540 §3.2.1). */
  readonly http2Settings: string | null;

  /** For the connection alone: the request has arrived whole. */
  requestDone: boolean;
  /** For the connection alone: our direction has ended. */
  responseDone = false;
  /** For the connection alone: 100 has not been sent, and the client may wait for it. */
  awaitsContinue: boolean;
  /** For the connection alone: nothing more is called or sent. */
  dead = false;
  readonly framing: ResponseFraming = { kind: OutKind.none, left: 0, persist: true };
  readonly pauses: Pauses = new Pauses();
  readonly minor: number;

  private readonly connection: Http1ServerConnection;
  private awaitsDrain = false;

  constructor(connection: Http1ServerConnection, head: RequestHead, parsed: ParsedRequest, headOnly: boolean) {
    this.connection = connection;
    this.head = head;
    this.headOnly = headOnly;
    this.requestDone = headOnly;
    this.minor = parsed.minor;
    this.upgrade = parsed.upgrade;
    this.http2Settings = parsed.http2Settings;
    this.awaitsContinue = parsed.expectContinue;
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

  get method(): string {
    return this.head.method;
  }

  get writable(): boolean {
    return !this.dead && !this.responseDone && this.connection.transport.writable;
  }

  respond(head: ResponseHead, end: boolean): void {
    if (this.dead || this.responded) return;
    this.responded = true;
    const { connection, framing } = this;
    framing.persist = connection.wouldPersist(this);
    const wrong = writeResponseHead(connection.transport.slab, head, end, this, framing);
    if (wrong !== null) {
      this.responded = false;
      connection.abandon(this, 500, 'the handler of this request gave a response that cannot be sent', wrong);
      return;
    }
    connection.transport.markDirty();
    if (end) this.finish();
  }

  inform(status: number): void {
    if (this.dead || this.responded || this.minor === 0) return;
    if (!Number.isInteger(status) || status < 100 || status > 199 || status === 101) return;
    if (status === 100) this.awaitsContinue = false;
    const { slab } = this.connection.transport;
    writeStatusLine(slab, status);
    writeAscii(slab, '\r\n');
    this.connection.transport.markDirty();
  }

  write(chunk: Uint8Array, start = 0, end: number = chunk.length): boolean {
    if (this.dead || this.responseDone) return false;
    const { connection, framing } = this;
    if (!this.responded) {
      connection.abandon(this, 500, 'the handler of this request failed', 'write came before respond');
      return false;
    }
    const length = end - start;
    const { transport } = connection;
    if (length <= 0 || framing.kind === OutKind.none) return transport.writable;
    if (framing.kind === OutKind.length) {
      if (length > framing.left) {
        connection.abandon(
          this,
          500,
          '',
          `the body is longer than its content-length by ${length - framing.left} bytes`,
        );
        return false;
      }
      framing.left -= length;
      writeBytes(transport.slab, chunk, start, end);
    } else if (framing.kind === OutKind.chunked) {
      writeChunk(transport.slab, chunk, start, end);
    } else {
      writeBytes(transport.slab, chunk, start, end);
    }
    transport.markDirty();
    if (transport.writable) return true;
    this.awaitsDrain = true;
    connection.watchWrites();
    return false;
  }

  end(trailers?: HeaderList): void {
    if (this.dead || this.responseDone) return;
    const { connection, framing } = this;
    if (!this.responded) {
      connection.abandon(this, 500, 'the handler of this request failed', 'end came before respond');
      return;
    }
    if (framing.kind === OutKind.length && framing.left > 0) {
      connection.abandon(this, 500, '', `the body is shorter than its content-length by ${framing.left} bytes`);
      return;
    }
    if (framing.kind === OutKind.chunked) {
      const { slab } = connection.transport;
      const mark = slab.end;
      writeAscii(slab, '0\r\n');
      const refused = trailers === undefined ? null : writeTrailers(slab, trailers);
      if (refused !== null) {
        slab.end = mark;
        connection.abandon(this, 500, '', `trailer ${JSON.stringify(refused)} cannot go on the wire`);
        return;
      }
      writeAscii(slab, '\r\n');
      connection.transport.markDirty();
    }
    this.finish();
  }

  reset(reason: ResetReason): void {
    if (this.dead) return;
    if (this.responseDone) {
      // The response is on its way; only the rest of the request is given up.
      if (!this.requestDone) this.connection.dropRequest(this);
      return;
    }
    const status = this.responded ? undefined : RESET_STATUS[reason];
    if (status === undefined) this.connection.cut(this);
    else this.connection.abandon(this, status, 'the request was given up', null);
  }

  pause(reason: PauseReason): void {
    this.pauses.add(reason);
    this.connection.updateReading(this);
  }

  resume(reason: PauseReason): void {
    this.pauses.remove(reason);
    this.connection.updateReading(this);
  }

  /**
   * Sends 101 with `fields` besides Connection and Upgrade, then calls `takeOver`, which must set `transport.receiver`:
   * that one gets every byte that follows the request, and everything the transport says from then on. False, and
   * nothing sent, when that cannot be: no upgrade asked for, already responded, or the request body has not ended.
   * Afterwards nothing is called on this stream's receiver.
   */
  acceptUpgrade(protocol: string, fields: HeaderList | null, takeOver: (transport: Transport) => void): boolean {
    if (this.dead || this.responded || this.upgrade === null || !this.requestDone) return false;
    const { slab } = this.connection.transport;
    const mark = slab.end;
    writeStatusLine(slab, 101);
    const refused =
      !writeField(slab, 'connection', 'upgrade') ||
      !writeField(slab, 'upgrade', protocol) ||
      (fields !== null && writeFields(slab, fields, false) !== null);
    if (refused) {
      slab.end = mark;
      return false;
    }
    writeAscii(slab, '\r\n');
    this.responded = true;
    this.dead = true;
    this.connection.handOver(takeOver);
    return true;
  }

  /** For the connection alone. */
  drained(): void {
    if (!this.awaitsDrain || this.dead || this.responseDone) return;
    this.awaitsDrain = false;
    try {
      this.receiver.onDrain();
    } catch (error) {
      this.connection.receiverFailed(this, error);
    }
  }

  private finish(): void {
    this.responseDone = true;
    this.connection.responseEnded(this);
  }
}
