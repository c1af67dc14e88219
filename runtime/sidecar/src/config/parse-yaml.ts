/**
 * YAML (and JSON, which YAML contains) to trees with positions. The parser is driven token by token: nesting is checked
 * before the composer recurses (a deep `- - - …` ends the whole process otherwise), and long texts yield to traffic.
 */
import type { Document, Node, Pair, ParsedNode } from 'yaml';
import type { Origin } from './model.js';
import type { Problems } from './problem.js';
import type { TimeSlice } from './time-slice.js';
import type { MapEntry, MapNode, TreeNode } from './tree.js';

export const DOCUMENT_BYTES_MAX: number = 1024 * 1024;
export const DOCUMENTS_PER_FILE_MAX = 1000;
export const NESTING_MAX = 64;
/** Nodes of one document, with every alias counted as if written out. */
export const TREE_NODES_MAX = 50_000;

/** Tokens between two looks at the time. */
const TOKENS_PER_CHECK = 256;
/** The parser keeps up to two levels of its stack per level of nesting. */
const PARSER_STACK_MAX = 2 * NESTING_MAX + 8;

type Yaml = typeof import('yaml');

class TreeError extends Error {
  readonly offset: number;

  constructor(offset: number, message: string) {
    super(message);
    this.offset = offset;
  }
}

/**
 * Every document of `text` that holds something. What cannot be read is reported to `problems` and left out; the
 * documents beside it are returned.
 */
export async function parseYaml(
  text: string,
  source: string,
  problems: Problems,
  slice: TimeSlice,
): Promise<TreeNode[]> {
  if (Buffer.byteLength(text) > DOCUMENT_BYTES_MAX) {
    problems.error({ source }, `the file is larger than ${DOCUMENT_BYTES_MAX} bytes`);
    return [];
  }
  // Loaded when there is something to read: a sidecar without documents starts without it.
  const yaml: Yaml = await import('yaml');
  const lines = new yaml.LineCounter();
  const originAt = (offset: number): Origin => {
    const { line, col } = lines.linePos(offset);
    return { source, line: Math.max(1, line), column: Math.max(1, col) };
  };
  try {
    const tokens = await tokensOf(yaml, text, lines, slice);
    // Keys are checked for uniqueness below: the library's check is quadratic in the size of a map.
    const composer = new yaml.Composer({ prettyErrors: false, uniqueKeys: false, version: '1.2', logLevel: 'silent' });
    const trees: TreeNode[] = [];
    let count = 0;
    for (const document of composer.compose(tokens, false, text.length)) {
      if (++count > DOCUMENTS_PER_FILE_MAX) {
        problems.error({ source }, `the file has more than ${DOCUMENTS_PER_FILE_MAX} documents`);
        break;
      }
      const [error] = document.errors;
      if (error !== undefined) {
        const language = /\.json$/i.test(source) ? 'JSON' : 'YAML';
        problems.error(originAt(error.pos[0]), `not valid ${language}: ${lowerFirst(error.message)}`);
      } else {
        const tree = treeOf(yaml, document, originAt, problems);
        if (tree !== undefined && !(tree.kind === 'scalar' && tree.value === null)) trees.push(tree);
      }
      if (slice.due()) await slice.pause();
    }
    return trees;
  } catch (error) {
    if (!(error instanceof TreeError)) throw error;
    problems.error(originAt(error.offset), error.message);
    return [];
  }
}

async function tokensOf(yaml: Yaml, text: string, lines: InstanceType<Yaml['LineCounter']>, slice: TimeSlice) {
  const lexer = new yaml.Lexer();
  const parser = new yaml.Parser(lines.addNewLine);
  lines.addNewLine(0);
  const tokens = [];
  let untilCheck = TOKENS_PER_CHECK;
  for (const lexeme of lexer.lex(text)) {
    for (const token of parser.next(lexeme)) tokens.push(token);
    if (parser.stack.length > PARSER_STACK_MAX) {
      throw new TreeError(parser.offset, `nested more than ${NESTING_MAX} levels deep`);
    }
    if (--untilCheck > 0) continue;
    untilCheck = TOKENS_PER_CHECK;
    if (slice.due()) await slice.pause();
  }
  for (const token of parser.end()) tokens.push(token);
  return tokens;
}

function treeOf(
  yaml: Yaml,
  document: Document.Parsed<ParsedNode, true>,
  originAt: (offset: number) => Origin,
  problems: Problems,
): TreeNode | undefined {
  try {
    return new TreeBuilder(yaml, originAt, problems).build(document.contents, 0, 0);
  } catch (error) {
    if (!(error instanceof TreeError)) throw error;
    problems.error(originAt(error.offset), error.message);
    return undefined;
  }
}

/** `tag:yaml.org,2002:…` of the core schema; others could make a value mean something else. */
const CORE_TAGS = new Set(
  ['str', 'int', 'float', 'bool', 'null', 'map', 'seq'].map((name) => `tag:yaml.org,2002:${name}`),
);

class TreeBuilder {
  readonly #yaml: Yaml;
  readonly #originAt: (offset: number) => Origin;
  readonly #problems: Problems;
  /** undefined while the anchored node is being built: an alias to it would be a cycle. */
  readonly #anchors = new Map<string, TreeNode | undefined>();
  /** Values so far, aliases written out. */
  #count = 0;

  constructor(yaml: Yaml, originAt: (offset: number) => Origin, problems: Problems) {
    this.#yaml = yaml;
    this.#originAt = originAt;
    this.#problems = problems;
  }

  build(node: Node | null, fallbackOffset: number, depth: number): TreeNode {
    const offset = node?.range?.[0] ?? fallbackOffset;
    if (depth > NESTING_MAX) throw new TreeError(offset, `nested more than ${NESTING_MAX} levels deep`);
    const origin = this.#originAt(offset);
    this.#add(1, offset);
    if (node === null) return { kind: 'scalar', origin, value: null, text: '', size: 1 };
    if (this.#yaml.isAlias(node)) return this.#alias(node.source, offset, depth);
    const { anchor, tag } = node as { anchor?: string; tag?: string };
    if (tag !== undefined && !CORE_TAGS.has(tag)) throw new TreeError(offset, `the tag ${tag} is not supported`);
    if (anchor !== undefined) this.#anchors.set(anchor, undefined);
    const built = this.#plain(node, origin, offset, depth);
    if (anchor !== undefined) this.#anchors.set(anchor, built);
    return built;
  }

  #alias(name: string, offset: number, depth: number): TreeNode {
    if (!this.#anchors.has(name)) throw new TreeError(offset, `the alias *${name} has no anchor before it`);
    const target = this.#anchors.get(name);
    if (target === undefined) throw new TreeError(offset, `the alias *${name} contains itself`);
    this.#add(target.size, offset);
    if (depth + heightOf(target) > NESTING_MAX)
      throw new TreeError(offset, `nested more than ${NESTING_MAX} levels deep`);
    return target;
  }

  #add(count: number, offset: number): void {
    this.#count += count;
    if (this.#count <= TREE_NODES_MAX) return;
    throw new TreeError(offset, `the document has more than ${TREE_NODES_MAX} values (aliases counted as written out)`);
  }

  #plain(node: Node, origin: Origin, offset: number, depth: number): TreeNode {
    const { isScalar, isSeq } = this.#yaml;
    if (isScalar(node)) {
      const { value } = node;
      if (typeof value === 'string') return { kind: 'scalar', origin, value, text: value, size: 1 };
      if (value === null || typeof value === 'number' || typeof value === 'boolean') {
        return { kind: 'scalar', origin, value, text: node.source ?? String(value), size: 1 };
      }
      throw new TreeError(offset, 'this value is not supported');
    }
    if (isSeq(node)) {
      const items = node.items.map((item) => this.build(item as Node | null, offset, depth + 1));
      return { kind: 'list', origin, items, size: sizeOf(items) };
    }
    return this.#map((node as { items: Pair[] }).items, origin, offset, depth);
  }

  #map(pairs: Pair[], origin: Origin, mapOffset: number, depth: number): MapNode {
    const entries = new Map<string, MapEntry>();
    const merged: MapEntry[] = [];
    for (const pair of pairs) {
      const key = pair.key as Node | null;
      const offset = key?.range?.[0] ?? mapOffset;
      if (!this.#yaml.isScalar(key)) throw new TreeError(offset, 'a key must be text');
      const name = typeof key.value === 'string' ? key.value : (key.source ?? String(key.value));
      const value = this.build(pair.value as Node | null, key.range?.[1] ?? offset, depth + 1);
      // YAML 1.1's merge key, which Go's parsers know: its entries give way to those of the map itself.
      if (name === '<<' && key.type === 'PLAIN') {
        merged.push(...this.#mergeEntries(value, offset));
        continue;
      }
      const known = entries.get(name);
      const keyOrigin = this.#originAt(offset);
      if (known !== undefined) {
        this.#problems.error(keyOrigin, `the key "${name}" is here twice; first in line ${known.keyOrigin.line}`);
        continue;
      }
      entries.set(name, { key: name, keyOrigin, value });
    }
    for (const entry of merged) if (!entries.has(entry.key)) entries.set(entry.key, entry);
    const all = [...entries.values()];
    return { kind: 'map', origin, entries: all, size: sizeOf(all.map((entry) => entry.value)) };
  }

  #mergeEntries(value: TreeNode, offset: number): readonly MapEntry[] {
    if (value.kind === 'map') return value.entries;
    if (value.kind === 'list' && value.items.every((item) => item.kind === 'map')) {
      return value.items.flatMap((item) => (item as MapNode).entries);
    }
    throw new TreeError(offset, 'the merge key << must hold a map or a list of maps');
  }
}

function sizeOf(nodes: readonly TreeNode[]): number {
  let size = 1;
  for (const node of nodes) size += node.size;
  return size;
}

function heightOf(node: TreeNode): number {
  if (node.kind === 'scalar') return 0;
  const children = node.kind === 'list' ? node.items : node.entries.map((entry) => entry.value);
  let height = 0;
  for (const child of children) height = Math.max(height, heightOf(child));
  return height + 1;
}

const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);
