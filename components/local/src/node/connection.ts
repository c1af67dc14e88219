/** A participant's end of the socket. */
import type { Socket } from 'node:net';
import { ComponentError } from '@outrigger/components-core';
import {
  type Operation,
  operationNames,
  operations,
  type Push,
  type Pushes,
  pushes,
  pushNames,
  type Reply,
  type Request,
} from '../operation.js';
import { errorKinds, FrameReader, FrameSender, frameTypes, protocolMagic, protocolVersion } from '../wire/frame.js';
import { type Reader, WireError } from '../wire/reader.js';
import { number, type Shape, text } from '../wire/shape.js';

/** The connection ended before there was an answer: ask the next owner. */
export class LinkLost extends Error {
  constructor() {
    super('the owner of the local components is gone');
    this.name = 'LinkLost';
  }
}

export interface Welcome {
  readonly generation: number;
  /** The owner as a participant. */
  readonly owner: string;
}

export interface ConnectionConfig {
  readonly participant: string;
  onPush<P extends Push>(push: P, message: Pushes[P]): void;
  /** Once, also when `welcome` was never reached. */
  onClosed(): void;
}

interface Waiting {
  readonly reply: Shape<unknown>;
  readonly resolve: (reply: never) => void;
  readonly reject: (error: Error) => void;
}

export class Connection {
  readonly #socket: Socket;
  readonly #sender: FrameSender;
  readonly #reader = new FrameReader();
  readonly #config: ConnectionConfig;
  readonly #waiting = new Map<number, Waiting>();
  #welcomed: { resolve: (welcome: Welcome) => void; reject: (error: Error) => void } | undefined;

  constructor(socket: Socket, config: ConnectionConfig) {
    this.#socket = socket;
    this.#sender = new FrameSender(socket);
    this.#config = config;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', () => {});
    socket.on('close', () => this.#closed());
    socket.resume();
  }

  /** Rejects with LinkLost, or with ComponentError `unsupported` when the owner refuses. */
  hello(): Promise<Welcome> {
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) {
        reject(new LinkLost());
        return;
      }
      this.#welcomed = { resolve, reject };
      this.#sender.send(frameTypes.hello, (writer) => {
        writer.u32(protocolMagic);
        writer.u8(protocolVersion);
        text.write(writer, this.#config.participant);
      });
    });
  }

  /** Sent in the order of the calls. Rejects with LinkLost or what the owner says. */
  request<O extends Operation>(id: number, floor: number, operation: O, body: Request<O>): Promise<Reply<O>> {
    return new Promise<Reply<O>>((resolve, reject) => {
      if (this.#socket.destroyed) {
        reject(new LinkLost());
        return;
      }
      try {
        this.#sender.send(frameTypes.request, (writer) => {
          number.write(writer, id);
          number.write(writer, floor);
          writer.u8(operationNames.indexOf(operation));
          (operations[operation].request as Shape<Request<O>>).write(writer, body);
        });
      } catch (error) {
        reject(
          error instanceof WireError
            ? new ComponentError('too-large', `the request is too large for the local socket: ${error.message}`)
            : (error as Error),
        );
        return;
      }
      this.#waiting.set(id, { reply: operations[operation].reply as Shape<unknown>, resolve, reject });
    });
  }

  close(): void {
    this.#sender.flush();
    this.#socket.end();
    this.#socket.destroySoon();
  }

  #receive(chunk: Buffer): void {
    try {
      this.#reader.read(chunk, (type, reader) => this.#frame(type, reader));
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.#socket.destroy();
    }
  }

  #frame(type: number, reader: Reader): void {
    switch (type) {
      case frameTypes.welcome: {
        const generation = number.read(reader);
        this.#welcomed?.resolve({ generation, owner: text.read(reader) });
        this.#welcomed = undefined;
        return;
      }
      case frameTypes.refused:
        this.#welcomed?.reject(new ComponentError('unsupported', text.read(reader)));
        this.#welcomed = undefined;
        return;
      case frameTypes.reply: {
        const waiting = this.#take(number.read(reader));
        waiting?.resolve(waiting.reply.read(reader) as never);
        return;
      }
      case frameTypes.failure: {
        const waiting = this.#take(number.read(reader));
        const kind = errorKinds[reader.u8()] ?? 'unavailable';
        waiting?.reject(new ComponentError(kind, text.read(reader)));
        return;
      }
      case frameTypes.push: {
        const push = pushNames[reader.u8()];
        if (push === undefined) throw new WireError('a push is not known');
        this.#config.onPush(push, (pushes[push] as Shape<Pushes[Push]>).read(reader) as never);
        return;
      }
      default:
        throw new WireError(`frame type ${type} is not expected here`);
    }
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }

  #closed(): void {
    const lost = new LinkLost();
    this.#welcomed?.reject(lost);
    for (const { reject } of this.#waiting.values()) reject(lost);
    this.#waiting.clear();
    this.#config.onClosed();
  }
}
