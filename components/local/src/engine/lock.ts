/** Operations on locks. */
import { ComponentError } from '@outrigger/components-core';
import type { LockRecord } from '../record.js';
import type { LockTable } from '../table/lock-table.js';
import type { Transaction } from './committer.js';
import type { Engine } from './engine.js';
import { type Handler, mustName } from './handlers.js';
import type { RequestId, Session } from './session.js';

type LockOperation = 'lock.try' | 'lock.unlock' | 'lock.keep';

const lockBytes = 256;

export function lockHandlers(engine: Engine): { readonly [O in LockOperation]: Handler<O> } {
  const { requests } = engine.tables;

  const isApplied = (session: Session, id: RequestId | undefined): boolean =>
    id !== undefined && requests.result({ participant: session.peer.participant, request: id.request }) !== undefined;

  function put(
    transaction: Transaction,
    table: LockTable,
    record: LockRecord,
    session: Session,
    id: RequestId | undefined,
  ): void {
    const origin = engine.originOf(session, id);
    transaction.add(record, origin);
    engine.remember(transaction, origin);
    transaction.onFailure(table.stage(record));
  }

  function mustLast(resource: string, owner: string, expiresAtMs: number): void {
    mustName('lock resource', resource);
    mustName('lock owner', owner);
    if (expiresAtMs > engine.clock.wallMs()) return;
    throw new ComponentError('invalid', `the expiry of lock ${resource} is not in the future; it must be positive`);
  }

  return {
    'lock.try': ({ store, resource, owner, expiresAtMs }, session, id) => {
      mustLast(resource, owner, expiresAtMs);
      const table = engine.tables.locks(store);
      return engine.committer.submit(lockBytes, (transaction) => {
        if (isApplied(session, id)) return () => true;
        if (table.lease(resource) !== undefined) return () => false;
        table.mustFit();
        put(transaction, table, { kind: 'lock', store, resource, owner, expiresAtMs }, session, id);
        return () => true;
      });
    },
    'lock.unlock': ({ store, resource, owner }, session, id) => {
      const table = engine.tables.locks(store);
      return engine.committer.submit(lockBytes, (transaction) => {
        if (isApplied(session, id)) return () => 'success';
        const lease = table.lease(resource);
        if (lease === undefined) return () => 'does-not-exist';
        if (lease.owner !== owner) return () => 'belongs-to-others';
        put(transaction, table, { kind: 'lock', store, resource, owner: undefined, expiresAtMs: 0 }, session, id);
        return () => 'success';
      });
    },
    'lock.keep': ({ store, resource, owner, expiresAtMs }, session, id) => {
      mustLast(resource, owner, expiresAtMs);
      const table = engine.tables.locks(store);
      return engine.committer.submit(lockBytes, (transaction) => {
        if (isApplied(session, id)) return () => 'success';
        const lease = table.lease(resource);
        if (lease === undefined) return () => 'does-not-exist';
        if (lease.owner !== owner) return () => 'belongs-to-others';
        put(transaction, table, { kind: 'lock', store, resource, owner, expiresAtMs }, session, id);
        return () => 'success';
      });
    },
  };
}
