/**
 * Reads one map of a document key by key. What was asked for is what is known: `finish` reports every other key with the
 * nearest known one. Wrong types are reported where they stand and make the reader `failed`.
 */
import type { Origin } from './model.js';
import { didYouMean } from './nearest.js';
import { type ReadContext, reportUnusable } from './read-context.js';
import { parseBool, parseDurationMs } from './scalar.js';
import { isNull, kindText, type ListNode, type MapEntry, type MapNode, type TreeNode, valueText } from './tree.js';

/** Known keys are listed in a message up to this many. */
const KEYS_LISTED_MAX = 12;

export class MapReader {
  readonly where: string;
  readonly origin: Origin;
  failed = false;
  readonly #entries: ReadonlyMap<string, MapEntry>;
  readonly #context: ReadContext;
  readonly #known = new Set<string>();

  /** `where` is the path that messages show: `spec`, `spec.metadata[2]`. */
  constructor(node: MapNode, where: string, context: ReadContext) {
    this.where = where;
    this.origin = node.origin;
    this.#context = context;
    this.#entries = new Map(node.entries.map((entry) => [entry.key, entry]));
  }

  /** The node under `key`; null counts as absent. Also found when only the case differs, as Go's decoder does. */
  get(key: string): TreeNode | undefined {
    const entry = this.#entry(key);
    return entry === undefined || isNull(entry.value) ? undefined : entry.value;
  }

  has(key: string): boolean {
    return this.get(key) !== undefined;
  }

  /** Where the key stands, else where the map begins. */
  originOf(key: string): Origin {
    return this.#entry(key)?.keyOrigin ?? this.origin;
  }

  text(key: string): string | undefined {
    const node = this.get(key);
    if (node === undefined) return undefined;
    if (node.kind === 'scalar' && typeof node.value === 'string') return node.value;
    this.#wrong(key, node, 'text', node.kind === 'scalar' ? `; put it in quotes: "${node.text}"` : '');
    return undefined;
  }

  requiredText(key: string): string | undefined {
    const value = this.text(key);
    if (value !== undefined && value !== '') return value;
    if (!this.has(key) || value === '') this.fail(this.originOf(key), `${this.path(key)} is missing`);
    return undefined;
  }

  /** Text, a number or a boolean, as text. */
  scalarText(key: string): string | undefined {
    const node = this.get(key);
    if (node === undefined) return undefined;
    if (node.kind === 'scalar') return valueText(node);
    this.#wrong(key, node, 'a single value');
    return undefined;
  }

  /** true, false, and YAML 1.1's yes, no, on, off, which Go's decoders take. */
  bool(key: string): boolean | undefined {
    const node = this.get(key);
    if (node === undefined) return undefined;
    if (node.kind === 'scalar') {
      if (typeof node.value === 'boolean') return node.value;
      if (/^(yes|on)$/i.test(node.text)) return true;
      if (/^(no|off)$/i.test(node.text)) return false;
      if (typeof node.value === 'string' && parseBool(node.value) !== undefined) return parseBool(node.value);
    }
    this.#wrong(key, node, 'true or false');
    return undefined;
  }

  integer(key: string, min: number, max: number): number | undefined {
    const node = this.get(key);
    if (node === undefined) return undefined;
    const value = node.kind === 'scalar' ? node.value : undefined;
    if (typeof value === 'number' && Number.isSafeInteger(value)) {
      if (value >= min && value <= max) return value;
      this.fail(node.origin, `${this.path(key)} must be from ${min} to ${max}, it is ${value}`);
      return undefined;
    }
    this.#wrong(key, node, 'a whole number');
    return undefined;
  }

  durationMs(key: string): number | undefined {
    const node = this.get(key);
    if (node === undefined) return undefined;
    const text = node.kind === 'scalar' ? node.text : '';
    const value = parseDurationMs(text);
    if (value !== undefined) return value;
    this.fail(node.origin, `${this.path(key)}: ${quoted(node)} is not a duration; write for example 5s or 500ms`);
    return undefined;
  }

  oneOf<T extends string>(key: string, allowed: readonly T[]): T | undefined {
    const value = this.text(key);
    if (value === undefined || value === '') return undefined;
    const found = allowed.find((candidate) => candidate.toLowerCase() === value.toLowerCase());
    if (found !== undefined) return found;
    const hint = didYouMean(value, allowed);
    this.fail(
      this.get(key)?.origin ?? this.origin,
      `${this.path(key)} must be one of ${allowed.join(', ')}, it is "${value}"${hint}`,
    );
    return undefined;
  }

  map(key: string): MapReader | undefined {
    const node = this.mapNode(key);
    return node === undefined ? undefined : new MapReader(node, this.path(key), this.#context);
  }

  mapNode(key: string): MapNode | undefined {
    const node = this.get(key);
    if (node === undefined || node.kind === 'map') return node;
    this.#wrong(key, node, 'a map');
    return undefined;
  }

  list(key: string): ListNode | undefined {
    const node = this.get(key);
    if (node === undefined || node.kind === 'list') return node;
    this.#wrong(key, node, 'a list', node.kind === 'map' ? ' (begin each item with "- ")' : '');
    return undefined;
  }

  /** The maps of a list, each with a reader; items of another kind are reported. */
  maps(key: string): MapReader[] {
    const readers: MapReader[] = [];
    for (const [i, item] of (this.list(key)?.items ?? []).entries()) {
      const where = `${this.path(key)}[${i}]`;
      if (item.kind === 'map') readers.push(new MapReader(item, where, this.#context));
      else this.fail(item.origin, `${where} must be a map, it is ${kindText(item)}`);
    }
    return readers;
  }

  texts(key: string): string[] {
    const values: string[] = [];
    for (const [i, item] of (this.list(key)?.items ?? []).entries()) {
      if (item.kind === 'scalar' && item.value !== null) values.push(valueText(item));
      else this.fail(item.origin, `${this.path(key)}[${i}] must be text, it is ${kindText(item)}`);
    }
    return values;
  }

  /** A map of single values, as text. */
  textMap(key: string): Record<string, string> {
    const values: [string, string][] = [];
    for (const entry of this.mapNode(key)?.entries ?? []) {
      if (entry.value.kind === 'scalar') values.push([entry.key, valueText(entry.value)]);
      else this.fail(entry.value.origin, `${this.path(key)}.${entry.key} must be text, it is ${kindText(entry.value)}`);
    }
    return Object.fromEntries(values);
  }

  /** Every key with its node; all count as known. */
  entries(): readonly MapEntry[] {
    for (const key of this.#entries.keys()) this.#known.add(key);
    return [...this.#entries.values()];
  }

  path(key: string): string {
    return this.where === '' ? key : `${this.where}.${key}`;
  }

  /** The document cannot be used because of this. */
  fail(origin: Origin, message: string): void {
    this.failed = true;
    reportUnusable(this.#context, origin, message);
  }

  /** The configuration is refused, whatever the manner of reading. */
  refuse(origin: Origin, message: string): void {
    this.failed = true;
    this.#context.problems.error(origin, message);
  }

  warn(origin: Origin, message: string): void {
    this.#context.problems.warning(origin, message);
  }

  /** Known, accepted, and without effect for now: `said` ends the sentence. */
  notHonoured(key: string, said: string): void {
    if (this.has(key)) this.#context.problems.note(this.originOf(key), `${this.path(key)} ${said}`);
  }

  /** Reports every key that nobody asked for. */
  finish(): void {
    for (const { key, keyOrigin } of this.#entries.values()) {
      if (this.#known.has(key)) continue;
      const place = this.where === '' ? 'the document' : this.where;
      const hint =
        didYouMean(key, this.#known) ||
        (this.#known.size <= KEYS_LISTED_MAX ? ` (known: ${[...this.#known].sort().join(', ')})` : '');
      const severity = this.#context.unknownKeys;
      if (severity === 'error') this.failed = true;
      this.#context.problems.add(severity, keyOrigin, `unknown key "${key}" in ${place}${hint}`);
    }
  }

  #entry(key: string): MapEntry | undefined {
    this.#known.add(key);
    const exact = this.#entries.get(key);
    if (exact !== undefined) return exact;
    for (const entry of this.#entries.values()) {
      if (entry.key.toLowerCase() !== key.toLowerCase()) continue;
      if (!this.#known.has(entry.key) && this.#context.unknownKeys === 'error') {
        this.warn(entry.keyOrigin, `the key "${entry.key}" is written "${key}"; it is taken for that`);
      }
      this.#known.add(entry.key);
      return entry;
    }
    return undefined;
  }

  #wrong(key: string, node: TreeNode, wanted: string, hint = ''): void {
    this.fail(node.origin, `${this.path(key)} must be ${wanted}, it is ${kindText(node)}${hint}`);
  }
}

function quoted(node: TreeNode): string {
  return node.kind === 'scalar' ? `"${node.text}"` : kindText(node);
}
