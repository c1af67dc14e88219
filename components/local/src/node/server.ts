/** The owner's end of the socket: admits participants, answers their requests, pushes to them. */
import type { Socket } from 'node:net';
import { ComponentError, type ComponentLogger } from '@outrigger/components-core';
import type { Engine } from '../engine/engine.js';
import type { Session } from '../engine/session.js';
import { connectionsMax, requestsMax } from '../limits.js';
import { type Operation, operationNames, operations, type Push, type Pushes, pushes, pushNames } from '../operation.js';
import { errorKinds, FrameReader, FrameSender, frameTypes, protocolMagic, protocolVersion } from '../wire/frame.js';
import { type Reader, WireError } from '../wire/reader.js';
import { number, type Shape, text } from '../wire/shape.js';
import type { Writer } from '../wire/writer.js';

export interface OwnerServerConfig {
  readonly generation: number;
  /** The owner itself as a participant. */
  readonly participant: string;
  readonly log: ComponentLogger;
}

export class OwnerServer {
  readonly #config: OwnerServerConfig;
  readonly #peers = new Set<Peer>();
  #engine: Engine | undefined;
  #isClosed = false;

  constructor(config: OwnerServerConfig) {
    this.#config = config;
  }

  /** Takes a connection; it is welcomed when the engine is ready. */
  accept(socket: Socket): void {
    if (this.#isClosed || this.#peers.size >= connectionsMax) {
      socket.destroy();
      return;
    }
    const peer = new Peer(socket, this.#config, () => this.#peers.delete(peer));
    this.#peers.add(peer);
    if (this.#engine !== undefined) peer.ready(this.#engine);
  }

  ready(engine: Engine): void {
    this.#engine = engine;
    for (const peer of this.#peers) peer.ready(engine);
  }

  /** What has been answered is sent; then the connections are closed. */
  close(): void {
    this.#isClosed = true;
    for (const peer of [...this.#peers]) peer.end();
  }

  get peers(): number {
    return this.#peers.size;
  }
}

class Peer {
  readonly #socket: Socket;
  readonly #sender: FrameSender;
  readonly #reader = new FrameReader();
  readonly #config: OwnerServerConfig;
  readonly #onClosed: () => void;
  #participant: string | undefined;
  #engine: Engine | undefined;
  #session: Session | undefined;
  /** Requests that are not answered. */
  #open = 0;

  constructor(socket: Socket, config: OwnerServerConfig, onClosed: () => void) {
    this.#socket = socket;
    this.#sender = new FrameSender(socket);
    this.#config = config;
    this.#onClosed = onClosed;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', () => {});
    socket.on('close', () => this.#closed());
    socket.resume();
  }

  ready(engine: Engine): void {
    this.#engine = engine;
    this.#welcome();
  }

  end(): void {
    this.#sender.flush();
    // What the participant has not read yet it still gets; it sends its open requests to the next owner.
    this.#socket.end();
    this.#socket.destroySoon();
  }

  #receive(chunk: Buffer): void {
    try {
      this.#reader.read(chunk, (type, reader) => this.#frame(type, reader));
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.#config.log.warn(
        { err: error },
        'a participant of the local components sent what cannot be read; its connection is closed',
      );
      this.#socket.destroy();
    }
  }

  #frame(type: number, reader: Reader): void {
    if (this.#socket.destroyed) return;
    if (type === frameTypes.hello && this.#participant === undefined) this.#hello(reader);
    else if (type === frameTypes.request && this.#session !== undefined) this.#request(reader);
    else throw new WireError(`frame type ${type} is not expected here`);
  }

  #hello(reader: Reader): void {
    if (reader.u32() !== protocolMagic) throw new WireError('this is no participant of the local components');
    const version = reader.u8();
    if (version !== protocolVersion) {
      const sentence = `the owner of this namespace speaks version ${protocolVersion} of the local protocol, this sidecar version ${version}; run one version of Outrigger in a namespace`;
      this.#sender.send(frameTypes.refused, (writer) => text.write(writer, sentence));
      this.end();
      this.#participant = '';
      return;
    }
    const participant = text.read(reader);
    if (!/^[0-9a-f]{16}$/.test(participant)) throw new WireError('the participant has no valid name');
    reader.mustEnd();
    this.#participant = participant;
    this.#welcome();
  }

  #welcome(): void {
    if (this.#engine === undefined || !this.#participant || this.#session !== undefined) return;
    this.#session = this.#engine.join({
      participant: this.#participant,
      push: (push, message) => this.#push(push, message),
    });
    this.#sender.send(frameTypes.welcome, (writer) => {
      number.write(writer, this.#config.generation);
      text.write(writer, this.#config.participant);
    });
  }

  #push<P extends Push>(push: P, message: Pushes[P]): void {
    this.#sender.send(frameTypes.push, (writer) => {
      writer.u8(pushNames.indexOf(push));
      pushes[push].write(writer, message);
    });
  }

  #request(reader: Reader): void {
    const request = number.read(reader);
    const floor = number.read(reader);
    const operation = operationNames[reader.u8()];
    if (operation === undefined) throw new WireError('an operation is not known');
    if (++this.#open > requestsMax) throw new WireError(`more than ${requestsMax} requests are open`);
    const shapes = operations[operation] as { request: Shape<never>; reply: Shape<unknown> };
    const body = shapes.request.read(reader);
    reader.mustEnd();
    const done = (reply: unknown): void => this.#answer(request, shapes.reply, reply);
    const failed = (error: unknown): void => this.#fail(request, operation, error);
    try {
      const reply = this.#engine!.call(this.#session!, operation, body, { request, floor }) as unknown;
      if (reply instanceof Promise) reply.then(done, failed);
      else done(reply);
    } catch (error) {
      failed(error);
    }
  }

  #answer(request: number, shape: Shape<unknown>, reply: unknown): void {
    this.#open--;
    try {
      this.#sender.send(frameTypes.reply, (writer: Writer) => {
        number.write(writer, request);
        shape.write(writer, reply);
      });
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      const message = `the answer is too large for the local socket; ask for less at once (${error.message})`;
      this.#send(request, new ComponentError('too-large', message));
    }
  }

  #fail(request: number, operation: Operation, error: unknown): void {
    this.#open--;
    if (error instanceof ComponentError) {
      // This owner is closing: the participant will ask the next one.
      if (error.kind !== 'closed') this.#send(request, error);
      return;
    }
    this.#config.log.error({ err: error, operation }, 'an operation of the local components failed unexpectedly');
    this.#send(
      request,
      new ComponentError('unavailable', `the owner failed at ${operation}: ${(error as Error).message}`),
    );
  }

  #send(request: number, error: ComponentError): void {
    this.#sender.send(frameTypes.failure, (writer) => {
      number.write(writer, request);
      writer.u8(errorKinds.indexOf(error.kind));
      text.write(writer, error.message);
    });
  }

  #closed(): void {
    if (this.#session !== undefined) this.#engine?.leave(this.#session);
    this.#session = undefined;
    this.#onClosed();
  }
}
