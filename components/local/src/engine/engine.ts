/** The owner's side of the namespace: its data, its log, and the operations on them. */
import {
  type ComponentClock,
  ComponentError,
  type ComponentLogger,
  type ComponentTimer,
  type MaybePromise,
} from '@outrigger/components-core';
import { createExpiryQueue, type ExpiryQueue } from '@outrigger/components-core/support';
import { compactBytesMin, compactSegmentsMax, consumerIdleMs, returnMs } from '../limits.js';
import type { LocalFs } from '../log/files.js';
import { Log } from '../log/log.js';
import { createPayloadCache, Payload, type PayloadCache } from '../log/payload.js';
import { type Recovery, recover } from '../log/recover.js';
import type { Operation, Reply, Request } from '../operation.js';
import type { Entry, LogRecord, Origin, Publish } from '../record.js';
import type { Group } from '../table/group.js';
import { Registry } from '../table/registry.js';
import type { Topic } from '../table/topic.js';
import { Committer, type Transaction } from './committer.js';
import { createHandlers, type Handlers } from './handlers.js';
import { createSession, type RequestId, type Session, type SessionPeer } from './session.js';
import { Tables } from './tables.js';

export interface EngineConfig {
  readonly directory: string;
  readonly fs: LocalFs;
  readonly clock: ComponentClock;
  readonly log: ComponentLogger;
}

/** Damaged places that are logged one by one. */
const damageLinesMax = 20;

export class Engine {
  readonly clock: ComponentClock;
  readonly logger: ComponentLogger;
  readonly tables: Tables;
  readonly registry: Registry = new Registry();
  readonly committer: Committer;
  readonly sessions: Set<Session> = new Set();
  /** Topics whose consumers may have something to get, since the last batch. */
  readonly touched: Set<Topic> = new Set();
  readonly recovery: Recovery;
  readonly #log: Log;
  readonly #handlers: Handlers;
  readonly #idleGroups: ExpiryQueue<Group>;
  #compacting: Promise<void> | undefined;
  #compactAt: number = compactBytesMin;
  #failure: ComponentError | undefined;
  #closing: Promise<void> | undefined;
  #returning: ComponentTimer | undefined;

  private constructor(config: EngineConfig, tables: Tables, log: Log, recovery: Recovery) {
    this.clock = config.clock;
    this.logger = config.log;
    this.tables = tables;
    this.recovery = recovery;
    this.#log = log;
    this.#handlers = createHandlers(this);
    this.committer = new Committer({
      commit: (batch) => log.commit(batch),
      onCommitted: () => this.#committed(),
      onFailed: (error) => this.#failed(error),
    });
    this.#idleGroups = createExpiryQueue<Group>({
      clock: config.clock,
      expiresAtMs: (group) => this.#idleEndOf(group),
      expire: (group) => this.#forget(group),
    });
  }

  /** Reads the log. Throws ComponentError when the files cannot be used. */
  static async open(config: EngineConfig): Promise<Engine> {
    const cache = createPayloadCache();
    let engine: Engine | undefined;
    let log: Log | undefined;
    const tables = new Tables({
      clock: config.clock,
      log: config.log,
      cache,
      load: (payload) => {
        payload.used = true;
        return payload.bytes ?? readInto(cache, log!, payload);
      },
      onIdle: (group) => engine?.noteIdle(group),
    });
    const recovery = await recover(config.directory, config.fs, (entry) => {
      detach(entry.record);
      tables.replay(entry);
    });
    log = new Log(config.directory, config.fs, config.log, recovery);
    engine = new Engine(config, tables, log, recovery);
    engine.#reportDamage();
    tables.replayed();
    return engine;
  }

  /** Admits a participant. */
  join(peer: SessionPeer): Session {
    // It lost its connection and was faster than our notice of it.
    for (const earlier of this.sessions) if (earlier.peer.participant === peer.participant) this.leave(earlier);
    const session = createSession({
      participant: peer.participant,
      // It runs in the middle of a batch; what goes wrong over there must not go wrong here.
      push: (push, message) => {
        try {
          peer.push(push, message);
        } catch (error) {
          this.logger.error({ err: error, push }, 'a participant of the local components could not be told something');
        }
      },
    });
    this.sessions.add(session);
    this.tables.requests.connected(peer.participant);
    return session;
  }

  /** The participant is gone: what it held is delivered to others, what it registered is not found any more. */
  leave(session: Session): void {
    if (!session.open) return;
    session.open = false;
    this.sessions.delete(session);
    if (session.names !== undefined) this.registry.unwatch(session.names);
    this.registry.leave(session.peer.participant);
    for (const { group, member } of session.subscriptions.values()) group.leave(member);
    session.subscriptions.clear();
    session.watches.clear();
    this.tables.requests.disconnected(session.peer.participant);
  }

  /** Throws or rejects with ComponentError. `id`: the request may be sent again, and must not be applied twice then. */
  call<O extends Operation>(
    session: Session,
    operation: O,
    request: Request<O>,
    id?: RequestId,
  ): MaybePromise<Reply<O>> {
    if (this.#closing !== undefined) throw new ComponentError('closed', 'the local components are closing');
    return this.#handlers[operation](request, session, id);
  }

  originOf(session: Session, id: RequestId | undefined, result = 0): Origin | undefined {
    return id && { participant: session.peer.participant, request: id.request, floor: id.floor, result };
  }

  /** Notes that the request is applied by the batch in hand. */
  remember(transaction: Transaction, origin: Origin | undefined): void {
    if (origin === undefined) return;
    this.tables.requests.apply(origin);
    transaction.onFailure(() => this.tables.requests.revoke(origin));
  }

  /** Health of the files: a full disk, or damage that was found. */
  health(): { readonly ok: boolean; readonly reason?: string } {
    if (this.#failure !== undefined) return { ok: false, reason: this.#failure.message };
    const corrupt = this.recovery.damage.filter(({ kind }) => kind === 'corrupt');
    if (corrupt.length === 0) return { ok: true };
    const [first] = corrupt;
    return {
      ok: true,
      reason: `${corrupt.length} places of the local log were damaged, the first in ${first!.file} at ${first!.offset}`,
    };
  }

  noteIdle(group: Group): void {
    const endMs = this.#idleEndOf(group);
    if (endMs !== undefined) this.#idleGroups.note(group, endMs);
  }

  /** Finishes what is being written, then closes the files. Calls from now on fail as `closed`. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      await this.committer.idle();
      this.#returning?.cancel();
      this.#idleGroups.close();
      this.tables.close();
      await this.#log.close();
      await this.#compacting;
    })();
    return this.#closing;
  }

  /** Rewrites the log with what is alive; resolves when done. For tests and for the trigger below. */
  compact(): Promise<void> {
    this.#compacting ??= this.#compact().finally(() => {
      this.#compacting = undefined;
    });
    return this.#compacting;
  }

  get logBytes(): number {
    return this.#log.bytes;
  }

  #committed(): void {
    this.#failure = undefined;
    const topics = [...this.touched];
    this.touched.clear();
    for (const topic of topics) topic.pump();
    const { bytes, segments } = this.#log;
    const isWorth = bytes > 2 * this.tables.context.live || segments > 2 * compactSegmentsMax;
    if (this.#compacting !== undefined || !isWorth) return;
    if (bytes > this.#compactAt || segments > compactSegmentsMax) void this.compact();
  }

  #failed(error: ComponentError): void {
    this.touched.clear();
    if (this.#failure?.kind !== error.kind) this.logger.error({ err: error }, 'the local components cannot write');
    this.#failure = error;
  }

  /** Begins between two batches: it is only called from `#committed`, or by a test when nothing is written. */
  async #compact(): Promise<void> {
    try {
      await this.#log.snapshot(this.#entries());
      this.#compactAt = Math.max(compactBytesMin, 2 * this.#log.bytes);
    } catch (error) {
      // Tried again when the log has grown further.
      this.#compactAt = this.#log.bytes + compactBytesMin;
      if (this.#closing === undefined)
        this.logger.warn({ err: error }, 'the local log could not be rewritten; it stays as it is');
    }
  }

  async *#entries(): AsyncGenerator<Entry> {
    for (const record of this.tables.snapshot()) {
      try {
        yield { origin: undefined, record: await this.#loaded(record) };
      } catch (error) {
        if (this.#closing !== undefined) throw error;
        // The file is set aside, not deleted; see Log.#retire.
        this.logger.error({ err: error, kind: record.kind }, 'a damaged entry is left out of the rewritten local log');
      }
    }
  }

  /** The record with bytes that stay, also when its value is replaced before they are written. */
  async #loaded(record: LogRecord): Promise<LogRecord> {
    const copy = async (payload: Payload): Promise<Payload> => {
      const copied = new Payload(payload.length, payload.crc);
      copied.bytes = payload.bytes ?? (await this.#log.read(payload));
      copied.source = payload;
      return copied;
    };
    if (record.kind === 'state-set') return { ...record, value: await copy(record.value) };
    if (record.kind !== 'publish') return record;
    const messages: Publish['messages'][number][] = [];
    for (const { expiresAtMs, body } of record.messages) messages.push({ expiresAtMs, body: await copy(body) });
    return { ...record, messages };
  }

  #idleEndOf(group: Group): number | undefined {
    const isThere = group.topic.groups.get(group.consumerId) === group;
    return isThere && group.members.length === 0 ? group.idleSinceMs + consumerIdleMs : undefined;
  }

  #forget(group: Group): void {
    const { bus, name: topic } = group.topic;
    const { consumerId } = group;
    this.logger.warn(
      { bus, topic, consumerId },
      'a consumer that did not come back for a week is forgotten, with its messages',
    );
    const dropped = this.committer.submit(0, (transaction) => {
      if (this.#idleEndOf(group) === undefined) return () => {};
      transaction.add({ kind: 'group-drop', bus, topic, consumerId }, undefined);
      return () => group.topic.dropGroup(consumerId);
    });
    // The next start, or the next time the consumer goes, tries again.
    dropped.catch(() => {});
  }

  /**
   * Another owner has just gone: deliveries and lists of names wait a moment for its participants to come back with what
   * they hold.
   */
  awaitReturn(): void {
    this.registry.paused = true;
    const groups: Group[] = [];
    for (const topic of this.tables.topics()) groups.push(...topic.groups.values());
    for (const group of groups) group.paused = true;
    this.#returning = this.clock.after(returnMs, () => {
      this.registry.paused = false;
      this.registry.announce();
      for (const group of groups) {
        group.paused = false;
        group.pump();
      }
    });
  }

  #reportDamage(): void {
    for (const [index, damage] of this.recovery.damage.entries()) {
      if (index === damageLinesMax) {
        this.logger.error(
          { places: this.recovery.damage.length },
          'further damaged places of the local log are not listed',
        );
        return;
      }
      if (damage.kind === 'torn') {
        this.logger.info({ ...damage }, 'the local log ended in a write that was never acknowledged; it is ignored');
      } else {
        this.logger.error(
          { ...damage },
          'the local log is damaged; what it held there is lost, the file will be set aside',
        );
      }
    }
  }
}

function* payloadsOf(record: LogRecord): Generator<Payload> {
  if (record.kind === 'state-set') yield record.value;
  else if (record.kind === 'state-many') for (const change of record.changes) yield* payloadsOf(change);
  else if (record.kind === 'publish') for (const { body } of record.messages) yield body;
}

/** Payloads just read are views into a buffer that is used again. Their bytes are read anew when they are asked for. */
function detach(record: LogRecord): void {
  for (const payload of payloadsOf(record)) payload.bytes = undefined;
}

async function readInto(cache: PayloadCache, log: Log, payload: Payload): Promise<Uint8Array> {
  const bytes = await log.read(payload);
  // Two readers at once: the first one's bytes stay.
  if (payload.bytes === undefined && !payload.isDropped) {
    payload.bytes = bytes;
    cache.add(payload);
  }
  return bytes;
}
