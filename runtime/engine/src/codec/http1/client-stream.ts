/** One exchange of an HTTP/1.1 client connection: the request direction, and where the response goes. */
import type { PauseReason, Transport } from '../../network/transport.js';
import type { HeaderList } from '../http/headers.js';
import type { ClientReceiver, ClientStream, RequestHead, ResetReason, ResponseHead } from '../http/stream.js';
import type { Http1ClientConnection } from './client-connection.js';
import { Pauses } from './pauses.js';
import { declaredLength, OutKind } from './response-writer.js';
import {
  writeAscii,
  writeBytes,
  writeChunk,
  writeField,
  writeFields,
  writeRequestLine,
  writeTrailers,
} from './serializer.js';

/** Receives the answer to a request that asks for another protocol (RFC 9110 §7.8). */
export interface UpgradeReceiver extends ClientReceiver {
  /**
   * The server agreed with 101. Must set `transport.receiver`, which gets every byte that follows. Nothing else is
   * called on this receiver afterwards. Any other answer comes by `onHead` as usual.
   */
  onUpgrade(head: ResponseHead, transport: Transport): void;
}

/** Methods whose request says how long its body is even when there is none (RFC 9110 §8.6). */
const HAS_LENGTH = new Set(['POST', 'PUT', 'PATCH']);

export class Http1ClientStream implements ClientStream {
  readonly protocol = 'http/1.1';
  /** For the connection alone. */
  readonly method: string;
  readonly receiver: ClientReceiver;
  readonly upgrade: UpgradeReceiver | null;
  requestDone = false;
  dead = false;
  /** Bytes of the request written so far, framing included. */
  written = 0;
  readonly pauses: Pauses = new Pauses();

  private readonly connection: Http1ClientConnection;
  private kind: OutKind = OutKind.none;
  private left = 0;
  private awaitsDrain = false;

  constructor(
    connection: Http1ClientConnection,
    method: string,
    receiver: ClientReceiver,
    upgrade: UpgradeReceiver | null,
  ) {
    this.connection = connection;
    this.method = method;
    this.receiver = receiver;
    this.upgrade = upgrade;
  }

  get writable(): boolean {
    return !this.dead && !this.requestDone && this.connection.transport.writable;
  }

  /** For the connection alone: writes the head. Returns why it cannot be sent, or null. */
  begin(head: RequestHead, end: boolean, upgradeProtocol: string | null): string | null {
    const { transport } = this.connection;
    const { slab } = transport;
    const { headers } = head;
    const declared = declaredLength(headers);
    if (declared < -1) return 'content-length is not one plain decimal number';
    if (end && declared > 0) return 'content-length announces a body, but the request ends with its head';
    const mark = slab.end;
    if (!writeRequestLine(slab, head.method, head.path, head.authority)) {
      return 'the method, path or authority holds a character that cannot go on the wire';
    }
    const refused = writeFields(slab, headers, !end);
    if (refused !== null) {
      slab.end = mark;
      return `field ${JSON.stringify(refused)} has a name or value that cannot go on the wire`;
    }
    if (upgradeProtocol !== null) {
      writeAscii(slab, 'connection: upgrade\r\n');
      if (!writeField(slab, 'upgrade', upgradeProtocol)) {
        slab.end = mark;
        return 'the protocol to upgrade to holds a character that cannot go on the wire';
      }
    }
    if (end) {
      if (declared === 0 || HAS_LENGTH.has(head.method)) writeAscii(slab, 'content-length: 0\r\n');
      this.requestDone = true;
    } else if (declared >= 0) {
      this.kind = OutKind.length;
      this.left = declared;
    } else {
      this.kind = OutKind.chunked;
      writeAscii(slab, 'transfer-encoding: chunked\r\n');
    }
    writeAscii(slab, '\r\n');
    this.written = slab.end - mark;
    transport.markDirty();
    return null;
  }

  write(chunk: Uint8Array, start = 0, end: number = chunk.length): boolean {
    if (this.dead || this.requestDone) return false;
    const { transport } = this.connection;
    const length = end - start;
    if (length <= 0) return transport.writable;
    const mark = transport.slab.end;
    if (this.kind === OutKind.chunked) {
      writeChunk(transport.slab, chunk, start, end);
    } else {
      if (length > this.left) {
        this.connection.fail(this, 'protocol', 'the request body is longer than its content-length');
        return false;
      }
      this.left -= length;
      writeBytes(transport.slab, chunk, start, end);
    }
    this.written += transport.slab.end - mark;
    transport.markDirty();
    if (transport.writable) return true;
    this.awaitsDrain = true;
    return false;
  }

  end(trailers?: HeaderList): void {
    if (this.dead || this.requestDone) return;
    const { transport } = this.connection;
    if (this.kind === OutKind.chunked) {
      writeAscii(transport.slab, '0\r\n');
      const refused = trailers === undefined ? null : writeTrailers(transport.slab, trailers);
      if (refused !== null) {
        this.connection.fail(this, 'protocol', `trailer ${JSON.stringify(refused)} cannot go on the wire`);
        return;
      }
      writeAscii(transport.slab, '\r\n');
      transport.markDirty();
    } else if (this.left > 0) {
      this.connection.fail(this, 'protocol', 'the request body is shorter than its content-length');
      return;
    }
    this.requestDone = true;
  }

  /** Gives up the exchange, and with it the connection: HTTP/1.1 has no other way to say so. */
  reset(_reason: ResetReason): void {
    if (this.dead) return;
    this.connection.cut(this);
  }

  pause(reason: PauseReason): void {
    this.pauses.add(reason);
    this.connection.updateReading(this);
  }

  resume(reason: PauseReason): void {
    this.pauses.remove(reason);
    this.connection.updateReading(this);
  }

  /** For the connection alone. */
  drained(): void {
    if (!this.awaitsDrain || this.dead || this.requestDone) return;
    this.awaitsDrain = false;
    this.receiver.onDrain();
  }
}
