/**
 * The items of one state store. A write changes the table when it is put into a batch, so that the writes behind it in
 * the batch see it; what is read from outside is the state before, until the batch is on disk.
 */
import { ComponentError, type Concurrency } from '@outrigger/components-core';
import { createExpiryQueue, type ExpiryQueue } from '@outrigger/components-core/support';
import { stateKeysMax } from '../limits.js';
import type { Payload } from '../log/payload.js';
import type { LogRecord, StateDelete, StateSet } from '../record.js';
import { recordOverheadBytes, type TableContext } from './context.js';

export interface StateEntry {
  readonly revision: number;
  readonly expiresAtMs: number | undefined;
  readonly contentType: string | undefined;
  readonly value: Payload;
}

/** Content types repeat; those of two million entries should not be two million strings. */
const contentTypes = new Map<string, string>();
const contentTypesMax = 256;

function entryOf(change: StateSet): StateEntry {
  const { revision, expiresAtMs, value } = change;
  let { contentType } = change;
  if (contentType !== undefined) {
    const known = contentTypes.get(contentType);
    if (known !== undefined) contentType = known;
    else if (contentTypes.size < contentTypesMax) contentTypes.set(contentType, contentType);
  }
  return { revision, expiresAtMs, contentType, value };
}

export class StateTable {
  readonly name: string;
  readonly #context: TableContext;
  readonly #entries = new Map<string, StateEntry>();
  /** What the keys that the batch in hand changed had before it. */
  readonly #before = new Map<string, StateEntry | undefined>();
  readonly #expiry: ExpiryQueue<string>;

  constructor(name: string, context: TableContext) {
    this.name = name;
    this.#context = context;
    this.#expiry = createExpiryQueue<string>({
      clock: context.clock,
      expiresAtMs: (key) => (this.#before.has(key) ? undefined : this.#entries.get(key)?.expiresAtMs),
      expire: (key) => this.#replace(key, undefined),
    });
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0 && this.#before.size === 0;
  }

  close(): void {
    this.#expiry.close();
  }

  /** The item as the disk has it. */
  get(key: string): StateEntry | undefined {
    const entry = this.#before.size > 0 && this.#before.has(key) ? this.#before.get(key) : this.#entries.get(key);
    return this.#alive(entry);
  }

  /** Throws `etag-mismatch`, judged by the state that the batch in hand leads to. */
  check(key: string, etag: string | undefined, concurrency: Concurrency): void {
    const entry = this.#alive(this.#entries.get(key));
    if (etag === undefined) {
      if (concurrency !== 'first-write' || entry === undefined) return;
      throw new ComponentError('etag-mismatch', 'item already exists and no etag was passed');
    }
    if (entry === undefined) throw new ComponentError('etag-mismatch', `state not exist or expired for key=${key}`);
    if (String(entry.revision) === etag) return;
    throw new ComponentError(
      'etag-mismatch',
      `state etag not match for key=${key}: current=${entry.revision}, expect=${etag}`,
    );
  }

  /** Throws `too-large` when `count` more keys may be more than the table takes. */
  mustFit(count: number): void {
    if (this.#entries.size + count <= stateKeysMax) return;
    throw new ComponentError(
      'too-large',
      `store ${this.name} (state.local) holds ${this.#entries.size} keys and may hold ${stateKeysMax}`,
    );
  }

  has(key: string): boolean {
    return this.#alive(this.#entries.get(key)) !== undefined;
  }

  /** Keys the batch in hand leads to. */
  keys(): IterableIterator<string> {
    return this.#entries.keys();
  }

  /** Changes the table for the batch in hand. */
  stage(change: StateSet | StateDelete): void {
    if (!this.#before.has(change.key)) this.#before.set(change.key, this.#entries.get(change.key));
    if (change.kind === 'state-set') this.#entries.set(change.key, entryOf(change));
    else this.#entries.delete(change.key);
  }

  /** The batch is on disk. */
  commit(): void {
    for (const [key, before] of this.#before) this.#account(key, before, this.#entries.get(key));
    this.#before.clear();
  }

  /** The batch failed: everything is as before it. */
  rollback(): void {
    for (const [key, before] of this.#before) {
      if (before === undefined) this.#entries.delete(key);
      else {
        this.#entries.set(key, before);
        if (before.expiresAtMs !== undefined) this.#expiry.note(key, before.expiresAtMs);
      }
    }
    this.#before.clear();
  }

  /** A record of the log, after a start. */
  replay(change: StateSet | StateDelete): void {
    this.#replace(change.key, change.kind === 'state-set' ? this.#alive(entryOf(change)) : undefined);
  }

  /** Live items in the order of the map; the keys of the batch in hand as before it. */
  *items(): Generator<readonly [string, StateEntry]> {
    for (const key of this.#entries.keys()) {
      const entry = this.get(key);
      if (entry !== undefined) yield [key, entry];
    }
    // Deleted by the batch in hand, which may yet fail.
    for (const [key, before] of this.#before) {
      if (before !== undefined && !this.#entries.has(key) && this.#alive(before) !== undefined) yield [key, before];
    }
  }

  *snapshot(): Generator<LogRecord> {
    for (const [key, entry] of this.items()) {
      const { revision, expiresAtMs, contentType, value } = entry;
      yield { kind: 'state-set', store: this.name, key, revision, expiresAtMs, contentType, value };
    }
  }

  #alive(entry: StateEntry | undefined): StateEntry | undefined {
    if (entry?.expiresAtMs === undefined || entry.expiresAtMs > this.#context.clock.wallMs()) return entry;
    return undefined;
  }

  #replace(key: string, entry: StateEntry | undefined): void {
    const before = this.#entries.get(key);
    if (entry === undefined) this.#entries.delete(key);
    else this.#entries.set(key, entry);
    this.#account(key, before, entry);
  }

  #account(key: string, before: StateEntry | undefined, after: StateEntry | undefined): void {
    if (before === after) return;
    if (before !== undefined) {
      this.#context.live -= key.length + before.value.length + recordOverheadBytes;
      this.#context.cache.drop(before.value);
    }
    if (after === undefined) return;
    this.#context.live += key.length + after.value.length + recordOverheadBytes;
    this.#context.cache.add(after.value);
    if (after.expiresAtMs !== undefined) this.#expiry.note(key, after.expiresAtMs);
  }
}
