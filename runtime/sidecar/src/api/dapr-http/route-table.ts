/**
 * Finds the route of a path, segment by segment. A literal segment goes before a place, a place before `{rest…}`; when a
 * branch leads nowhere the next one is tried, so that `/publish/bulk/topic` is topic `topic` of pub/sub `bulk`.
 */
import type { HttpRoute } from './route.js';

interface Node {
  readonly literals: Map<string, Node>;
  place: Node | undefined;
  /** Routes that take the rest of the path, and those that end here, by method; `*` is every method. */
  readonly rest: Map<string, Leaf>;
  readonly ends: Map<string, Leaf>;
}

interface Leaf {
  readonly route: HttpRoute;
  /** Names of the places, in order. */
  readonly names: readonly string[];
}

export interface RouteMatch {
  readonly route: HttpRoute;
  /** Still percent-encoded, in the order of `names`. */
  readonly values: readonly string[];
  readonly names: readonly string[];
}

function newNode(): Node {
  return { literals: new Map(), place: undefined, rest: new Map(), ends: new Map() };
}

function add(leaves: Map<string, Leaf>, route: HttpRoute, names: readonly string[]): void {
  for (const method of route.methods) {
    if (leaves.has(method)) throw new TypeError(`route ${method} ${route.pattern} is declared twice`);
    leaves.set(method, { route, names });
  }
}

export class RouteTable {
  readonly #root: Node = newNode();

  constructor(routes: readonly HttpRoute[]) {
    for (const route of routes) this.#add(route);
  }

  #add(route: HttpRoute): void {
    const names: string[] = [];
    let node = this.#root;
    for (const segment of route.pattern.slice(1).split('/')) {
      const place = /^\{(\w+)(…?)\}$/.exec(segment);
      if (place === null) {
        let next = node.literals.get(segment);
        if (next === undefined) {
          next = newNode();
          node.literals.set(segment, next);
        }
        node = next;
        continue;
      }
      names.push(place[1] as string);
      if (place[2] !== '') {
        add(node.rest, route, names);
        return;
      }
      node.place ??= newNode();
      node = node.place;
    }
    add(node.ends, route, names);
  }

  /** `path` is cleaned and begins with `/`. */
  find(method: string, path: string): RouteMatch | undefined {
    const values: string[] = [];
    const leaf = findIn(this.#root, method, path, 1, values);
    return leaf === undefined ? undefined : { route: leaf.route, names: leaf.names, values };
  }
}

function findIn(node: Node, method: string, path: string, start: number, values: string[]): Leaf | undefined {
  if (start > path.length) return node.ends.get(method) ?? node.ends.get('*');
  const slash = path.indexOf('/', start);
  const end = slash < 0 ? path.length : slash;
  const segment = path.slice(start, end);
  const literal = node.literals.get(segment);
  if (literal !== undefined) {
    const leaf = findIn(literal, method, path, end + 1, values);
    if (leaf !== undefined) return leaf;
  }
  if (segment === '') return undefined;
  if (node.place !== undefined) {
    values.push(segment);
    const leaf = findIn(node.place, method, path, end + 1, values);
    if (leaf !== undefined) return leaf;
    values.pop();
  }
  const rest = node.rest.get(method) ?? node.rest.get('*');
  if (rest !== undefined) values.push(path.slice(start));
  return rest;
}
