/**
 * The members of a JSON object as slices of its text. An envelope is rebuilt from such slices, so that numbers keep every
 * digit (JSON.parse would round them) and nothing is serialized twice.
 */

export interface JsonMembers {
  /** Key → the value's text, in the order of the text; of equal keys the last. */
  readonly raw: ReadonlyMap<string, string>;
  readonly text: string;
}

/** undefined when `text` is no JSON document or not an object. */
export function membersOf(text: string): JsonMembers | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (value === null || typeof value !== 'object' || Array.isArray(value)) return undefined;
  } catch {
    return undefined;
  }
  return { raw: scan(text), text };
}

/** The text of one member of an object that is known to be valid JSON; undefined when it has no such key. */
export function memberText(validObject: string, key: string): string | undefined {
  return scan(validObject).get(key);
}

/** The texts of the elements of an array that is known to be valid JSON. */
export function arrayElements(validArray: string): string[] {
  const elements: string[] = [];
  for (let at = skipSpace(validArray, validArray.indexOf('[') + 1); validArray[at] !== ']'; ) {
    const end = valueEnd(validArray, at);
    elements.push(validArray.slice(at, end));
    at = skipSpace(validArray, end);
    if (validArray[at] === ',') at = skipSpace(validArray, at + 1);
  }
  return elements;
}

/** `text` is known to be a valid JSON object: brackets and quotes are all there is to look at. */
function scan(text: string): Map<string, string> {
  const members = new Map<string, string>();
  let at = text.indexOf('{') + 1;
  for (;;) {
    at = skipSpace(text, at);
    if (text[at] === '}') return members;
    if (text[at] === ',') {
      at++;
      continue;
    }
    const keyEnd = stringEnd(text, at);
    const key: string = JSON.parse(text.slice(at, keyEnd));
    const start = skipSpace(text, text.indexOf(':', keyEnd) + 1);
    const end = valueEnd(text, start);
    // A key that comes again takes the place of its first, as in JSON.parse.
    members.set(key, text.slice(start, end));
    at = end;
  }
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (text.charCodeAt(at) <= 0x20) at++;
  return at;
}

/** `from` is at the opening quote; the index after the closing one. */
function stringEnd(text: string, from: number): number {
  for (let at = from + 1; ; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x5c) at++;
    else if (code === 0x22) return at + 1;
  }
}

function valueEnd(text: string, from: number): number {
  const first = text.charCodeAt(from);
  if (first === 0x22) return stringEnd(text, from);
  let at = from;
  if (first !== 0x7b && first !== 0x5b) {
    // A number, true, false or null ends before a comma, a bracket or white space.
    for (;;) {
      const code = text.charCodeAt(at);
      if (code <= 0x20 || code === 0x2c || code === 0x7d || code === 0x5d) return at;
      at++;
    }
  }
  for (let depth = 0; ; ) {
    const code = text.charCodeAt(at);
    if (code === 0x22) {
      at = stringEnd(text, at);
      continue;
    }
    at++;
    if (code === 0x7b || code === 0x5b) depth++;
    else if ((code === 0x7d || code === 0x5d) && --depth === 0) return at;
  }
}
