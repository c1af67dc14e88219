/** Dapr's query object (alpha) from its JSON; the texts of errors are Dapr's (components-contrib state/query). */
import type { StateFilter, StateQuery } from '@outrigger/components-core';
import { JsonNumber, type JsonObject, type JsonValue, parseJson, plainJson } from './json.js';

const COMPARISONS: ReadonlySet<string> = new Set(['EQ', 'NEQ', 'GT', 'GTE', 'LT', 'LTE']);
type Comparison = 'EQ' | 'NEQ' | 'GT' | 'GTE' | 'LT' | 'LTE';

function onlyMember(value: JsonValue | undefined, what: string): readonly [string, JsonValue] {
  if (!(value instanceof Map)) throw new Error(`${what} filter must be a map`);
  const [member] = value;
  if (value.size !== 1 || member === undefined) {
    throw new Error(`${what} filter must contain a single key/value pair`);
  }
  return member;
}

function filters(op: 'AND' | 'OR', value: JsonValue): StateFilter {
  if (!Array.isArray(value)) throw new Error(`${op} filter must be an array`);
  if (value.length < 2) throw new Error(`${op} filter must contain at least two entries`);
  return { op, filters: value.map(filter) };
}

function filter(value: JsonValue): StateFilter {
  if (!(value instanceof Map)) throw new Error('filter unit must be a map');
  const [member] = value;
  if (value.size !== 1 || member === undefined) throw new Error('filter unit must have a single element');
  const [op, operand] = member;
  if (op === 'AND' || op === 'OR') return filters(op, operand);
  if (op !== 'IN' && !COMPARISONS.has(op)) throw new Error(`unsupported filter ${JSON.stringify(op)}`);
  const [path, wanted] = onlyMember(operand, op);
  if (op !== 'IN') return { op: op as Comparison, path, value: plainJson(wanted) };
  if (!Array.isArray(wanted)) throw new Error('IN filter value must be an array');
  return { op, path, values: wanted.map(plainJson) };
}

function member(object: JsonObject, name: string): JsonValue | undefined {
  const exact = object.get(name);
  if (exact !== undefined) return exact;
  for (const [key, value] of object) if (key.toLowerCase() === name) return value;
  return undefined;
}

function textOf(value: JsonValue | undefined, field: string): string {
  if (value === undefined || value === null) return '';
  if (typeof value !== 'string') throw new Error(`query field ${field} must be a string`);
  return value;
}

function sorting(value: JsonValue | undefined): StateQuery['sort'] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new Error('query field sort must be an array');
  return value.map((entry) => {
    if (!(entry instanceof Map)) throw new Error('query field sort must hold objects');
    const order = textOf(member(entry, 'order'), 'sort.order').toUpperCase() === 'DESC' ? 'DESC' : 'ASC';
    return { path: textOf(member(entry, 'key'), 'sort.key'), order };
  });
}

function paging(value: JsonValue | undefined): StateQuery['page'] {
  if (value === undefined || value === null) return { limit: 0, token: '' };
  if (!(value instanceof Map)) throw new Error('query field page must be an object');
  const limit = member(value, 'limit') ?? null;
  if (limit !== null && (!(limit instanceof JsonNumber) || !/^\d{1,9}$/.test(limit.text))) {
    throw new Error('query field page.limit must be a number from 0 up');
  }
  return { limit: limit === null ? 0 : Number(limit.text), token: textOf(member(value, 'token'), 'page.token') };
}

/** Throws an Error with one sentence when `text` is no query. */
export function parseStateQuery(text: string, keyPrefix: string): StateQuery {
  const query = parseJson(text);
  if (!(query instanceof Map)) throw new Error('the query must be an object');
  const wanted = member(query, 'filter') ?? null;
  if (wanted !== null && !(wanted instanceof Map)) throw new Error('filter unit must be a map');
  return {
    filter: wanted === null || wanted.size === 0 ? undefined : filter(wanted),
    sort: sorting(member(query, 'sort')),
    page: paging(member(query, 'page')),
    keyPrefix,
  };
}
