/** Evaluates a StateQuery over items in memory, for stores that have no query language of their own. */
import { ComponentError } from '../errors.js';
import type { StateFilter, StateItem, StateQuery, StateQueryResult } from '../state.js';

/** Depth of nested AND / OR that is evaluated. */
export const queryDepthMax = 32;
/** Items in one page, also when the query asks for no limit. */
export const queryPageMax = 10_000;

type KeyedItem = StateItem & { readonly key: string };

const text = new TextDecoder('utf-8', { fatal: true });

function parsed(item: StateItem): unknown {
  try {
    return JSON.parse(text.decode(item.value));
  } catch {
    return undefined;
  }
}

/** The value at a dotted path; a key that contains the dots itself is found as well, as in Dapr's stores. */
function valueAt(document: unknown, path: string): unknown {
  if (typeof document !== 'object' || document === null) return undefined;
  if (Object.hasOwn(document, path)) return (document as Record<string, unknown>)[path];
  const dot = path.indexOf('.');
  if (dot < 0) return undefined;
  const head = path.slice(0, dot);
  if (!Object.hasOwn(document, head)) return undefined;
  return valueAt((document as Record<string, unknown>)[head], path.slice(dot + 1));
}

function equal(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false;
  return JSON.stringify(left) === JSON.stringify(right);
}

/** Order of two scalars of one type; NaN when they cannot be compared. */
function order(left: unknown, right: unknown): number {
  if (typeof left === 'number' && typeof right === 'number') return left - right;
  if (typeof left === 'string' && typeof right === 'string') return left < right ? -1 : left > right ? 1 : 0;
  return Number.NaN;
}

function matches(document: unknown, filter: StateFilter, depth: number): boolean {
  if (depth > queryDepthMax) {
    throw new ComponentError('invalid', `the query filter is nested deeper than ${queryDepthMax} levels; flatten it`);
  }
  switch (filter.op) {
    case 'AND':
      return filter.filters.every((part) => matches(document, part, depth + 1));
    case 'OR':
      return filter.filters.some((part) => matches(document, part, depth + 1));
    case 'IN': {
      const value = valueAt(document, filter.path);
      return value !== undefined && filter.values.some((wanted) => equal(value, wanted));
    }
    case 'NEQ':
      return !equal(valueAt(document, filter.path), filter.value);
    case 'EQ':
      return equal(valueAt(document, filter.path), filter.value);
    case 'GT':
      return order(valueAt(document, filter.path), filter.value) > 0;
    case 'GTE':
      return order(valueAt(document, filter.path), filter.value) >= 0;
    case 'LT':
      return order(valueAt(document, filter.path), filter.value) < 0;
    case 'LTE':
      return order(valueAt(document, filter.path), filter.value) <= 0;
  }
}

/** Numbers before strings before the rest; what lacks the path comes last in either direction. */
function rank(value: unknown): number {
  return typeof value === 'number' ? 0 : typeof value === 'string' ? 1 : value === undefined ? 3 : 2;
}

function startOf(token: string): number {
  if (token === '') return 0;
  const start = Number(token);
  if (/^\d{1,15}$/.test(token)) return start;
  throw new ComponentError('invalid', `page token '${token.slice(0, 40)}' is not one that this store gave out`);
}

/** `items`: the live items under `query.keyPrefix`, in any order. The token is a position, so pages may shift under writes. */
export function queryItems(items: Iterable<KeyedItem>, query: StateQuery): StateQueryResult {
  const start = startOf(query.page.token);
  const found: { item: KeyedItem; document: unknown }[] = [];
  for (const item of items) {
    const document = parsed(item);
    if (query.filter === undefined || matches(document, query.filter, 0)) found.push({ item, document });
  }
  found.sort((left, right) => {
    for (const { path, order: direction } of query.sort) {
      const a = valueAt(left.document, path);
      const b = valueAt(right.document, path);
      const ranks = rank(a) - rank(b);
      if (ranks !== 0) return rank(a) === 3 || rank(b) === 3 || direction === 'ASC' ? ranks : -ranks;
      const result = order(a, b);
      if (result !== 0 && !Number.isNaN(result)) return direction === 'ASC' ? result : -result;
    }
    return left.item.key < right.item.key ? -1 : 1;
  });
  const limit = query.page.limit > 0 ? Math.min(query.page.limit, queryPageMax) : queryPageMax;
  const page = found.slice(start, start + limit);
  const end = start + page.length;
  return { items: page.map(({ item }) => item), token: end < found.length && page.length > 0 ? String(end) : '' };
}
