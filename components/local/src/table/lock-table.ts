/** The leases of one lock store. They are in the log like state: a lock that a crash gives away early protects nothing. */
import { ComponentError } from '@outrigger/components-core';
import { createExpiryQueue, type ExpiryQueue } from '@outrigger/components-core/support';
import { locksMax } from '../limits.js';
import type { LockRecord, LogRecord } from '../record.js';
import { recordOverheadBytes, type TableContext } from './context.js';

export interface Lease {
  readonly owner: string;
  readonly expiresAtMs: number;
}

export class LockTable {
  readonly name: string;
  readonly #context: TableContext;
  readonly #leases = new Map<string, Lease>();
  readonly #expiry: ExpiryQueue<string>;

  constructor(name: string, context: TableContext) {
    this.name = name;
    this.#context = context;
    this.#expiry = createExpiryQueue<string>({
      clock: context.clock,
      expiresAtMs: (resource) => this.#leases.get(resource)?.expiresAtMs,
      expire: (resource) => this.#set(resource, undefined),
    });
  }

  close(): void {
    this.#expiry.close();
  }

  /** The lease as the batch in hand leads to. */
  lease(resource: string): Lease | undefined {
    const lease = this.#leases.get(resource);
    return lease !== undefined && lease.expiresAtMs > this.#context.clock.wallMs() ? lease : undefined;
  }

  mustFit(): void {
    if (this.#leases.size < locksMax) return;
    throw new ComponentError('too-large', `store ${this.name} (lock.local) holds ${locksMax} locks already`);
  }

  /** Changes the table and answers how to take it back. */
  stage(record: LockRecord): () => void {
    const before = this.#leases.get(record.resource);
    this.apply(record);
    return () => this.#set(record.resource, before);
  }

  apply({ resource, owner, expiresAtMs }: LockRecord): void {
    this.#set(resource, owner === undefined ? undefined : { owner, expiresAtMs });
  }

  *snapshot(): Generator<LogRecord> {
    for (const [resource, { owner, expiresAtMs }] of this.#leases) {
      yield { kind: 'lock', store: this.name, resource, owner, expiresAtMs };
    }
  }

  #set(resource: string, lease: Lease | undefined): void {
    const had = this.#leases.has(resource);
    if (lease === undefined) this.#leases.delete(resource);
    else {
      this.#leases.set(resource, lease);
      this.#expiry.note(resource, lease.expiresAtMs);
    }
    this.#context.live += (Number(lease !== undefined) - Number(had)) * (resource.length + recordOverheadBytes);
  }
}
