/** Operations on configuration. */
import { ComponentError } from '@outrigger/components-core';
import { configurationMatcher } from '@outrigger/components-core/support';
import { operationsMax } from '../limits.js';
import type { ConfigurationEntry } from '../record.js';
import type { ConfigurationTable } from '../table/configuration-table.js';
import type { Transaction } from './committer.js';
import type { Engine } from './engine.js';
import { type Handler, mustBeValue, mustName } from './handlers.js';
import type { RequestId, Session } from './session.js';

type ConfigurationOperation =
  | 'configuration.get'
  | 'configuration.save'
  | 'configuration.remove'
  | 'configuration.watch'
  | 'configuration.unwatch';

/** Watches of one participant. */
const watchesMax = 10_000;
const itemOverheadBytes = 512;

export function configurationHandlers(engine: Engine): { readonly [O in ConfigurationOperation]: Handler<O> } {
  const { context, requests } = engine.tables;

  function announce(table: ConfigurationTable, changed: readonly ConfigurationEntry[]): void {
    for (const session of engine.sessions) {
      for (const [watch, { store, matches }] of session.watches) {
        if (store !== table.name) continue;
        const items = changed.filter(matches);
        if (items.length > 0) session.peer.push('configuration', { watch, items, revision: table.revision });
      }
    }
  }

  /** Records the items; they are in the table, and watchers told, when they are on the disk. */
  function put(
    transaction: Transaction,
    table: ConfigurationTable,
    items: readonly ConfigurationEntry[],
    session: Session,
    id: RequestId | undefined,
  ): () => undefined {
    const origin = engine.originOf(session, id);
    transaction.add({ kind: 'configuration', store: table.name, items }, origin);
    engine.remember(transaction, origin);
    transaction.touched.add(`configuration:${table.name}`);
    return () => {
      table.apply(items);
      announce(table, items);
      return undefined;
    };
  }

  const isApplied = (session: Session, id: RequestId | undefined): boolean =>
    id !== undefined && requests.result({ participant: session.peer.participant, request: id.request }) !== undefined;

  const save: Handler<'configuration.save'> = ({ store, items }, session, id) => {
    if (items.length > operationsMax) {
      throw new ComponentError('too-large', `${items.length} items are more than the ${operationsMax} of one save`);
    }
    let bytes = 0;
    for (const item of items) {
      mustName('configuration key', item.key);
      mustBeValue(`the configuration item ${item.key}`, item.value.length * 3);
      bytes += item.value.length + itemOverheadBytes;
    }
    if (items.length === 0) return undefined;
    const table = engine.tables.configuration(store);
    return engine.committer.submit(bytes, (transaction) => {
      if (isApplied(session, id)) return () => undefined;
      table.mustFit(items.length);
      const numbered = items.map((item) => ({ ...item, deleted: false, revision: ++context.revision }));
      return put(transaction, table, numbered, session, id);
    });
  };

  const remove: Handler<'configuration.remove'> = ({ store, selector }, session, id) => {
    const table = engine.tables.configuration(store);
    return engine.committer.submit(itemOverheadBytes, (transaction) => {
      if (isApplied(session, id)) return () => undefined;
      // What the batch in hand saves is not in the table yet, and may be what is to be removed.
      if (transaction.touched.has(`configuration:${table.name}`)) return 'later';
      const removed = table
        .select(selector)
        .map((item) => ({ ...item, value: '', deleted: true, revision: ++context.revision }));
      return removed.length === 0 ? () => undefined : put(transaction, table, removed, session, id);
    });
  };

  return {
    'configuration.get': ({ store, selector }) => engine.tables.configuration(store).select(selector),
    'configuration.save': save,
    'configuration.remove': remove,
    'configuration.watch': ({ watch, store, selector, since }, session) => {
      if (session.watches.size >= watchesMax) {
        throw new ComponentError('too-large', `this sidecar watches ${watchesMax} times already`);
      }
      const table = engine.tables.configuration(store);
      session.watches.set(watch, { store, matches: configurationMatcher(selector).matches });
      const missed = since === undefined ? [] : table.since(selector, since);
      if (missed.length > 0) session.peer.push('configuration', { watch, items: missed, revision: table.revision });
      return table.revision;
    },
    'configuration.unwatch': ({ watch }, session) => {
      session.watches.delete(watch);
      return undefined;
    },
  };
}
