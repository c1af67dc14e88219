/** Whether two documents say the same, wherever they are written: a moved document is no change. */
import { Secret } from '@outrigger/components-core';

export function sameContent(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (a instanceof Secret || b instanceof Secret) {
    return a instanceof Secret && b instanceof Secret && a.reveal() === b.reveal();
  }
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const left = contentKeys(a);
  const right = contentKeys(b);
  if (left.length !== right.length) return false;
  return left.every(
    (key) =>
      Object.hasOwn(b, key) && sameContent((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]),
  );
}

const contentKeys = (value: object): string[] => Object.keys(value).filter((key) => key !== 'origin');
