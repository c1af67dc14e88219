/**
 * JSON read and written as Go's encoding/json does it, because values that pass Dapr's HTTP API are decoded and encoded
 * again before they are stored: no white space, object keys sorted, `<`, `>`, `&` escaped. One difference on purpose:
 * numbers keep their source text, where Dapr turns them into float64 and damages integers above 2^53.
 */

/** Nesting above this is refused. */
export const JSON_DEPTH_MAX = 512;

/** A number as it was written. */
export class JsonNumber {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Objects are Maps: no key means anything to the language, and a repeated key takes the last value, as in Go. */
export type JsonObject = Map<string, JsonValue>;
export type JsonValue = null | boolean | string | JsonNumber | JsonValue[] | JsonObject;

/** Malformed JSON; the message is Go's. */
export class JsonSyntaxError extends Error {
  /** Index into the text. */
  readonly at: number;

  constructor(message: string, at: number) {
    super(message);
    this.name = 'JsonSyntaxError';
    this.at = at;
  }
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters end a string
const PLAIN_STRING = /[^"\\\u0000-\u001f]*/y;
const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};

function quoted(char: string): string {
  if (char === "'") return "'\\''";
  if (char === '"') return `'"'`;
  return `'${JSON.stringify(char).slice(1, -1)}'`;
}

class JsonReader {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): JsonValue {
    const value = this.#value();
    this.#space();
    if (this.#at < this.#text.length) this.#unexpected('after top-level value');
    return value;
  }

  #value(): JsonValue {
    this.#space();
    const char = this.#text[this.#at];
    if (char === '{') return this.#nested(() => this.#object());
    if (char === '[') return this.#nested(() => this.#array());
    if (char === '"') return this.#string();
    if (char === 't') return this.#literal('true', true);
    if (char === 'f') return this.#literal('false', false);
    if (char === 'n') return this.#literal('null', null);
    if (char === '-' || (char !== undefined && char >= '0' && char <= '9')) return this.#number();
    return this.#unexpected('looking for beginning of value');
  }

  #nested<T>(read: () => T): T {
    if (++this.#depth > JSON_DEPTH_MAX) throw new JsonSyntaxError('exceeded max depth', this.#at);
    const value = read();
    this.#depth--;
    return value;
  }

  #object(): JsonObject {
    const object: JsonObject = new Map();
    this.#at++;
    this.#space();
    if (this.#take('}')) return object;
    for (;;) {
      this.#space();
      if (this.#text[this.#at] !== '"') this.#unexpected('looking for beginning of object key string');
      const key = this.#string();
      this.#space();
      if (!this.#take(':')) this.#unexpected('after object key');
      object.set(key, this.#value());
      this.#space();
      if (this.#take('}')) return object;
      if (!this.#take(',')) this.#unexpected('after object key:value pair');
    }
  }

  #array(): JsonValue[] {
    const array: JsonValue[] = [];
    this.#at++;
    this.#space();
    if (this.#take(']')) return array;
    for (;;) {
      array.push(this.#value());
      this.#space();
      if (this.#take(']')) return array;
      if (!this.#take(',')) this.#unexpected('after array element');
    }
  }

  #string(): string {
    const text = this.#text;
    let value = '';
    this.#at++;
    for (;;) {
      PLAIN_STRING.lastIndex = this.#at;
      const plain = PLAIN_STRING.exec(text)?.[0] ?? '';
      value += plain;
      this.#at += plain.length;
      const char = text[this.#at];
      if (char === '"') {
        this.#at++;
        return value;
      }
      if (char !== '\\') return this.#unexpected('in string literal');
      this.#at++;
      value += this.#escape();
    }
  }

  #escape(): string {
    const char = this.#text[this.#at] ?? '';
    const simple = ESCAPES[char];
    if (simple !== undefined) {
      this.#at++;
      return simple;
    }
    if (char !== 'u') return this.#unexpected('in string escape code');
    this.#at++;
    const unit = this.#hex4();
    if (unit < 0xd800 || unit > 0xdfff) return String.fromCharCode(unit);
    // Half of a pair alone is no character: Go reads U+FFFD.
    if (unit > 0xdbff || !this.#text.startsWith('\\u', this.#at)) return '\ufffd';
    const back = this.#at;
    this.#at += 2;
    const low = this.#hex4();
    if (low >= 0xdc00 && low <= 0xdfff) return String.fromCharCode(unit, low);
    this.#at = back;
    return '\ufffd';
  }

  #hex4(): number {
    for (let i = 0; i < 4; i++) {
      if (!/[0-9a-fA-F]/.test(this.#text[this.#at + i] ?? '')) {
        this.#at += i;
        this.#unexpected('in \\u hexadecimal character escape');
      }
    }
    this.#at += 4;
    return Number.parseInt(this.#text.slice(this.#at - 4, this.#at), 16);
  }

  #number(): JsonNumber {
    NUMBER.lastIndex = this.#at;
    const text = NUMBER.exec(this.#text)?.[0];
    if (text === undefined) {
      this.#at++;
      return this.#unexpected('in numeric literal');
    }
    this.#at += text.length;
    return new JsonNumber(text);
  }

  #literal<T>(word: string, value: T): T {
    for (let i = 0; i < word.length; i++) {
      if (this.#text[this.#at + i] === word[i]) continue;
      this.#at += i;
      this.#unexpected(`in literal ${word} (expecting ${quoted(word[i] as string)})`);
    }
    this.#at += word.length;
    return value;
  }

  #take(char: string): boolean {
    if (this.#text[this.#at] !== char) return false;
    this.#at++;
    return true;
  }

  #space(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.#at++;
    }
  }

  #unexpected(where: string): never {
    if (this.#at >= this.#text.length) throw new JsonSyntaxError('unexpected end of JSON input', this.#at);
    const char = String.fromCodePoint(this.#text.codePointAt(this.#at) as number);
    throw new JsonSyntaxError(`invalid character ${quoted(char)} ${where}`, this.#at);
  }
}

/** Reads one document. Throws JsonSyntaxError. */
export function parseJson(text: string): JsonValue {
  return new JsonReader(text).document();
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are escaped
const UNSAFE = /["\\<>&\u0000-\u001f\u2028\u2029]/g;
const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
};

function escaped(char: string): string {
  return SHORT_ESCAPES[char] ?? `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

function stringText(value: string): string {
  return `"${value.replace(UNSAFE, escaped)}"`;
}

/** Order of the keys' UTF-8 bytes: code units order the same, but for surrogates, which stand above U+E000 to U+FFFF. */
function compareKeys(left: string, right: string): number {
  const length = Math.min(left.length, right.length);
  for (let i = 0; i < length; i++) {
    const a = left.charCodeAt(i);
    const b = right.charCodeAt(i);
    if (a === b) continue;
    const aHigh = a >= 0xd800 && a <= 0xdfff;
    const bHigh = b >= 0xd800 && b <= 0xdfff;
    if (aHigh !== bHigh && a >= 0xd800 && b >= 0xd800) return aHigh ? 1 : -1;
    return a - b;
  }
  return left.length - right.length;
}

/** Writes a value as Go's json.Marshal does. */
export function encodeJson(value: JsonValue): string {
  if (value === null) return 'null';
  if (typeof value === 'string') return stringText(value);
  if (typeof value === 'boolean') return value ? 'true' : 'false';
  if (value instanceof JsonNumber) return value.text;
  if (Array.isArray(value)) return `[${value.map(encodeJson).join(',')}]`;
  const keys = [...value.keys()].sort(compareKeys);
  return `{${keys.map((key) => `${stringText(key)}:${encodeJson(value.get(key) as JsonValue)}`).join(',')}}`;
}

/** The value as JavaScript's own types, numbers as float64. */
export function plainJson(value: JsonValue): unknown {
  if (value instanceof JsonNumber) return Number(value.text);
  if (Array.isArray(value)) return value.map(plainJson);
  if (!(value instanceof Map)) return value;
  const plain: Record<string, unknown> = Object.create(null);
  for (const [key, member] of value) plain[key] = plainJson(member);
  return plain;
}
