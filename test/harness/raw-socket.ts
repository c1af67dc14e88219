/** A TCP client without a protocol: it sends what it is told, and says what came and when the other side had enough. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** Bytes received that are kept for the test to look at. */
const KEPT_BYTES_MAX = 64 * 1024;

export class RawSocket {
  readonly socket: Socket;
  closed = false;
  /** Everything received, counted. */
  receivedBytes = 0;
  #received = Buffer.alloc(0);
  readonly #ended: Promise<void>;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      this.receivedBytes += chunk.length;
      if (this.#received.length < KEPT_BYTES_MAX) this.#received = Buffer.concat([this.#received, chunk]);
    });
    // The other side has said its last word: nobody waits for us to say ours.
    socket.on('end', () => socket.destroy());
    this.#ended = new Promise((resolve) => {
      socket.on('close', () => {
        this.closed = true;
        resolve();
      });
    });
  }

  static async open(port: number, { read = true }: { read?: boolean } = {}): Promise<RawSocket> {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    const raw = new RawSocket(socket);
    if (!read) socket.pause();
    await once(socket, 'connect');
    return raw;
  }

  /** The beginning of what came. */
  get text(): string {
    return this.#received.toString('latin1');
  }

  send(bytes: Uint8Array | string): boolean {
    if (this.closed || this.socket.destroyed) return false;
    return this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes);
  }

  /** Resolves when the socket takes bytes again, or is closed. */
  async writable(): Promise<void> {
    if (this.closed || !this.socket.writableNeedDrain) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        this.socket.off('drain', done);
        this.socket.off('close', done);
        resolve();
      };
      this.socket.on('drain', done);
      this.socket.on('close', done);
    });
  }

  ended(): Promise<void> {
    return this.#ended;
  }

  destroy(): void {
    this.socket.destroy();
  }
}
