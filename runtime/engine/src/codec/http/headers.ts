/**
 * Header fields in their order, duplicates kept: a flat list [name, value, name, value, …], because a request has few
 * fields and a scan of a short array beats a Map, and because order and duplicates must pass a proxy unchanged.
 */
export class HeaderList {
  /** name, value, name, value, …; names in lower case. */
  readonly flat: string[];

  constructor(flat: string[] = []) {
    this.flat = flat;
  }

  static of(fields: Readonly<Record<string, string | number>>): HeaderList {
    const list = new HeaderList();
    for (const name in fields) list.flat.push(name, String(fields[name]));
    return list;
  }

  /** The first value of `name`, or undefined. */
  get(name: string): string | undefined {
    const { flat } = this;
    for (let i = 0; i < flat.length; i += 2) if (flat[i] === name) return flat[i + 1];
    return undefined;
  }

  getAll(name: string): string[] {
    const { flat } = this;
    const values: string[] = [];
    for (let i = 0; i < flat.length; i += 2) if (flat[i] === name) values.push(flat[i + 1] as string);
    return values;
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  append(name: string, value: string): this {
    this.flat.push(name, value);
    return this;
  }

  /** Replaces every `name` with one field. */
  set(name: string, value: string): this {
    this.delete(name);
    return this.append(name, value);
  }

  delete(name: string): this {
    const { flat } = this;
    let kept = 0;
    for (let i = 0; i < flat.length; i += 2) {
      if (flat[i] === name) continue;
      if (kept !== i) {
        flat[kept] = flat[i] as string;
        flat[kept + 1] = flat[i + 1] as string;
      }
      kept += 2;
    }
    flat.length = kept;
    return this;
  }

  get size(): number {
    return this.flat.length / 2;
  }

  clone(): HeaderList {
    return new HeaderList(this.flat.slice());
  }

  *[Symbol.iterator](): Generator<[string, string]> {
    for (let i = 0; i < this.flat.length; i += 2) yield [this.flat[i] as string, this.flat[i + 1] as string];
  }
}
