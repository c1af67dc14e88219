/**
 * This process's part in a namespace: owner or participant, whichever the moment asks for. The components of a process
 * that name the same directory share one. Requests that have no answer when the owner goes are sent to the next one, in
 * the same order, with the same numbers.
 */
import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import {
  type ComponentClock,
  ComponentError,
  type ComponentLogger,
  type MaybePromise,
} from '@outrigger/components-core';
import { Engine } from '../engine/engine.js';
import type { Session } from '../engine/session.js';
import { electionPauseMs } from '../limits.js';
import { type LocalFs, nodeFs } from '../log/files.js';
import type { Operation, Push, Pushes, Reply, Request } from '../operation.js';
import { Connection, LinkLost, type Welcome } from './connection.js';
import { openSharedDirectory, type SharedDirectory } from './directory.js';
import { elect, settle } from './election.js';
import { PendingRequests } from './pending.js';
import { OwnerServer } from './server.js';

/** Sends one request to the owner of the moment; it is lost with that owner, since what it sets up is set up again. */
export type Send = <O extends Operation>(operation: O, request: Request<O>) => MaybePromise<Reply<O>>;

/** Something that each new owner has to be told: a subscription, a watch, a name. */
export interface Standing {
  /** Tells it; called anew for every owner. What it sends now arrives before anything that waits for an answer. */
  establish(send: Send): void;
  onPush?<P extends Push>(push: P, message: Pushes[P]): void;
  /** The owner is gone, which was this participant. */
  onOwnerLost?(participant: string): void;
}

export interface NodeConfig {
  readonly directory: string;
  readonly clock: ComponentClock;
  readonly log: ComponentLogger;
  readonly fs?: LocalFs;
}

type Role =
  | { readonly name: 'electing' }
  | {
      readonly name: 'owner';
      readonly generation: number;
      readonly session: Session;
    }
  | {
      readonly name: 'participant';
      readonly generation: number;
      readonly owner: string;
      readonly connection: Connection;
    };

const electing: Role = { name: 'electing' };

export class LocalNode {
  readonly #config: NodeConfig;
  readonly participant: string;
  readonly #standing = new Set<Standing>();
  readonly #pending: PendingRequests;
  #directory: SharedDirectory | undefined;
  #openingDirectory: Promise<SharedDirectory> | undefined;
  #role: Role = electing;
  #engine: Engine | undefined;
  /** Was a participant of the owner before: it may hold messages, as others may. */
  #hadOwner = false;
  /** Ends what `run` waits for, so that it sees that the node is closed. */
  #interrupt: (() => void) | undefined;
  #lastFailure: Error | undefined;
  #running: Promise<void> | undefined;
  #isClosed = false;
  #onRole: (() => void)[] = [];

  constructor(config: NodeConfig) {
    this.#config = config;
    // Not from the clock: two processes whose clocks are alike must not have one name.
    this.participant = randomBytes(8).toString('hex');
    const { clock, directory } = config;
    this.#pending = new PendingRequests({ clock, directory, reason: () => this.#lastFailure?.message });
  }

  /** The data itself, when this process owns it: reads need no promise then. */
  get engine(): Engine | undefined {
    return this.#engine;
  }

  get role(): 'electing' | 'owner' | 'participant' {
    return this.#role.name;
  }

  /** Of the owner; 0 while there is none. */
  get generation(): number {
    return this.#role.name === 'electing' ? 0 : this.#role.generation;
  }

  /** Resolves when there is an owner, this process or another. Rejects when the directory cannot be used. */
  async open(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    // Components open at the same time: one directory for all of them, and a failure is not kept.
    this.#openingDirectory ??= openSharedDirectory(this.#config.directory).catch((error: unknown) => {
      this.#openingDirectory = undefined;
      throw error;
    });
    this.#directory = await this.#openingDirectory;
    this.#running ??= this.#run();
    while (this.#role.name === 'electing') {
      if (this.#isClosed) throw new ComponentError('closed', 'the local components are closed');
      await new Promise<void>((resolve, reject) => {
        const onAbort = (): void => reject(signal.reason);
        signal.addEventListener('abort', onAbort, { once: true });
        this.#onRole.push(() => {
          signal.removeEventListener('abort', onAbort);
          if (this.#role.name === 'electing' && this.#lastFailure !== undefined) reject(this.#lastFailure);
          else resolve();
        });
      });
    }
  }

  /** Every new owner is told of it, the one of now at once. */
  stand(standing: Standing): void {
    this.#standing.add(standing);
    this.#establish(standing);
  }

  unstand(standing: Standing): void {
    this.#standing.delete(standing);
  }

  nextNumber(): number {
    return this.#pending.nextNumber();
  }

  /** Throws or rejects with ComponentError. Waits for the next owner when there is none, for a time. */
  call<O extends Operation>(operation: O, request: Request<O>, bytes = 256): MaybePromise<Reply<O>> {
    if (this.#role.name === 'owner' && this.#engine !== undefined) {
      return this.#engine.call(this.#role.session, operation, request);
    }
    const { number, reply } = this.#pending.add(operation, request, bytes);
    if (this.#role.name === 'participant') this.#send(this.#role.connection, number);
    return reply;
  }

  health(): { readonly ok: boolean; readonly reason?: string } {
    if (this.#engine !== undefined) return this.#engine.health();
    if (this.#role.name === 'participant') return { ok: true };
    return { ok: false, reason: this.#lastFailure?.message ?? `${this.#config.directory} has no owner at the moment` };
  }

  /** For tests: as if the connection had broken, with the owner alive. */
  breakConnection(): void {
    if (this.#role.name === 'participant') this.#role.connection.close();
  }

  /** Writes what is in hand, lets the next owner take over, and closes. What has no answer fails as `closed`. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#interrupt?.();
    await this.#running;
    this.#wake();
    this.#pending.close();
    const directory = await this.#openingDirectory?.catch(() => undefined);
    this.#openingDirectory = undefined;
    this.#directory = undefined;
    await directory?.close();
  }

  /** Elects, serves until that is over, and again. */
  async #run(): Promise<void> {
    while (!this.#isClosed) {
      try {
        await this.#term(this.#directory!);
        this.#lastFailure = undefined;
      } catch (error) {
        this.#role = electing;
        if (this.#isClosed) break;
        if (error instanceof LinkLost) continue;
        const failure = error instanceof ComponentError ? error : this.#unexpected(error);
        if (this.#lastFailure?.message !== failure.message) {
          this.#config.log.error(
            { err: failure, directory: this.#config.directory },
            'the local components have no owner',
          );
        }
        this.#lastFailure = failure;
        this.#wake();
        await this.#rest();
      }
    }
  }

  #unexpected(error: unknown): ComponentError {
    const { message } = error as Error;
    return new ComponentError('unavailable', `${this.#config.directory} cannot be used: ${message}`, { cause: error });
  }

  /** Until the next attempt, or until closed. */
  #rest(): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#config.clock.after(electionPauseMs, resolve);
      this.#interrupt = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  /** One term of an owner: ours, or that of another. */
  async #term(directory: SharedDirectory): Promise<void> {
    let peers: OwnerServer | undefined;
    const early: Socket[] = [];
    const result = await elect(directory, (socket) =>
      peers === undefined ? early.push(socket) : peers.accept(socket),
    );
    if (result.role === 'participant') {
      await this.#participate(result.socket);
      return;
    }
    const { server, generation } = result;
    peers = new OwnerServer({ generation, participant: this.participant, log: this.#config.log });
    for (const socket of early) peers.accept(socket);
    try {
      await this.#own(directory, generation, peers);
    } finally {
      // Last of all: as long as this socket accepts, nobody else becomes the owner.
      peers.close();
      server.close();
    }
  }

  async #own(directory: SharedDirectory, generation: number, peers: OwnerServer): Promise<void> {
    const { clock, log, fs = nodeFs } = this.#config;
    const engine = await Engine.open({ directory: directory.path, fs, clock, log });
    try {
      await settle(directory, generation).catch((error: unknown) => {
        // Only tidying; the next owner does it.
        log.warn({ err: error, generation }, 'the names of former owners could not be removed');
      });
      if (this.#isClosed) return;
      const session = engine.join({
        participant: this.participant,
        push: (push, message) => this.#push(push, message),
      });
      // Survivors of the owner before come back with what they hold.
      if (this.#hadOwner || peers.peers > 0) engine.awaitReturn();
      // In this order, and in one go: what stands, what waits, what comes.
      this.#role = { name: 'owner', generation, session };
      this.#engine = engine;
      for (const standing of this.#standing) this.#establish(standing);
      const { floor } = this.#pending;
      for (const number of this.#pending.numbers) this.#apply(engine, session, number, floor);
      peers.ready(engine);
      log.info(
        { directory: directory.path, generation, records: engine.recovery.records },
        'this sidecar owns the local data',
      );
      this.#wake();
      await new Promise<void>((resolve) => {
        this.#interrupt = resolve;
        if (this.#isClosed) resolve();
      });
    } finally {
      await engine.close();
      this.#engine = undefined;
      this.#role = electing;
    }
  }

  async #participate(socket: Socket): Promise<void> {
    let connection: Connection;
    let welcome: Welcome;
    const closed = new Promise<void>((resolve) => {
      connection = new Connection(socket, {
        participant: this.participant,
        onPush: (push, message) => this.#push(push, message),
        onClosed: resolve,
      });
    });
    this.#interrupt = () => connection.close();
    if (this.#isClosed) connection!.close();
    try {
      welcome = await connection!.hello();
    } catch (error) {
      connection!.close();
      throw error;
    }
    if (this.#isClosed) connection!.close();
    this.#hadOwner = true;
    this.#role = { name: 'participant', connection: connection!, ...welcome };
    for (const standing of this.#standing) this.#establish(standing);
    for (const number of this.#pending.numbers) this.#send(connection!, number);
    this.#wake();
    await closed;
    this.#role = electing;
    for (const standing of this.#standing) standing.onOwnerLost?.(welcome.owner);
  }

  #establish(standing: Standing): void {
    const role = this.#role;
    const engine = this.#engine;
    if (role.name === 'owner' && engine !== undefined) {
      standing.establish((operation, request) => engine.call(role.session, operation, request));
    } else if (role.name === 'participant') {
      standing.establish((operation, request) =>
        role.connection.request(this.nextNumber(), this.#pending.floor, operation, request),
      );
    }
  }

  #send(connection: Connection, number: number): void {
    const pending = this.#pending.get(number);
    if (pending === undefined) return;
    connection.request(number, this.#pending.floor, pending.operation, pending.request).then(
      (reply) => this.#pending.take(number)?.resolve(reply as never),
      (error: unknown) => {
        // It stays, for the next owner.
        if (!(error instanceof LinkLost)) this.#pending.take(number)?.reject(error);
      },
    );
  }

  /** A request that waited is applied in this process, unless the owner before has done so. */
  #apply(engine: Engine, session: Session, number: number, floor: number): void {
    const pending = this.#pending.get(number);
    if (pending === undefined) return;
    const failed = (error: unknown): void => this.#pending.take(number)?.reject(error);
    try {
      const reply = engine.call(session, pending.operation, pending.request, { request: number, floor }) as unknown;
      if (reply instanceof Promise)
        reply.then((value: unknown) => this.#pending.take(number)?.resolve(value as never), failed);
      else this.#pending.take(number)?.resolve(reply as never);
    } catch (error) {
      failed(error);
    }
  }

  #push<P extends Push>(push: P, message: Pushes[P]): void {
    for (const standing of this.#standing) standing.onPush?.(push, message);
  }

  #wake(): void {
    for (const wake of this.#onRole.splice(0)) wake();
  }
}
