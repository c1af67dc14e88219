/** A document after parsing: plain nodes that know where they were written, aliases and merges resolved, everything bounded. */
import type { Origin } from './model.js';

export interface ScalarNode {
  readonly kind: 'scalar';
  readonly origin: Origin;
  readonly value: string | number | boolean | null;
  /** As written; the content for quoted text. */
  readonly text: string;
  /** Nodes below and including this one, aliases counted as if written out. */
  readonly size: number;
}

export interface ListNode {
  readonly kind: 'list';
  readonly origin: Origin;
  readonly items: readonly TreeNode[];
  readonly size: number;
}

export interface MapEntry {
  readonly key: string;
  readonly keyOrigin: Origin;
  readonly value: TreeNode;
}

export interface MapNode {
  readonly kind: 'map';
  readonly origin: Origin;
  readonly entries: readonly MapEntry[];
  readonly size: number;
}

export type TreeNode = ScalarNode | ListNode | MapNode;

/** `text`, `a number`, …, as messages name it. */
export function kindText(node: TreeNode): string {
  if (node.kind === 'list') return 'a list';
  if (node.kind === 'map') return 'a map';
  if (node.value === null) return 'nothing';
  return typeof node.value === 'string' ? 'text' : `a ${typeof node.value}`;
}

export function isNull(node: TreeNode | undefined): boolean {
  return node === undefined || (node.kind === 'scalar' && node.value === null);
}

export function entryOf(node: TreeNode | undefined, key: string): MapEntry | undefined {
  return node?.kind === 'map' ? node.entries.find((entry) => entry.key === key) : undefined;
}

/** The JSON value; keys sorted, as Go's encoding/json writes maps. */
export function toPlain(node: TreeNode): unknown {
  if (node.kind === 'scalar') return node.value;
  if (node.kind === 'list') return node.items.map(toPlain);
  const sorted = [...node.entries].sort((a, b) => (a.key < b.key ? -1 : 1));
  // fromEntries defines properties, so that `__proto__` is a key like any other.
  return Object.fromEntries(sorted.map(({ key, value }) => [key, toPlain(value)]));
}

/** What Dapr makes of a metadata value: text as it is, everything else as JSON (1.10 is `1.1`, a map is an object). */
export function valueText(node: TreeNode): string {
  if (node.kind !== 'scalar') return JSON.stringify(toPlain(node));
  if (typeof node.value === 'string') return node.value;
  if (node.value === null) return '';
  // Whole numbers keep their digits: a float64 would round beyond 2^53.
  if (typeof node.value === 'number' && /^[1-9]\d*$/.test(node.text)) return node.text;
  return JSON.stringify(node.value);
}
