/** The captured frames of test/vectors, for the tests of the codecs. */
import { readFileSync } from 'node:fs';

export interface CapturedFrame<Expect> {
  readonly from: 'client' | 'server';
  readonly about: string;
  readonly expect: Expect;
  readonly bytes: Buffer;
}

export interface Capture<Expect> {
  readonly name: string;
  readonly frames: readonly CapturedFrame<Expect>[];
}

interface VectorFile<Expect> {
  readonly captures: readonly {
    readonly name: string;
    readonly frames: readonly (Omit<CapturedFrame<Expect>, 'bytes'> & { readonly hex: string })[];
  }[];
}

export function readCaptures<Expect>(file: 'bolt.json' | 'dubbo.json'): Capture<Expect>[] {
  const url = new URL(`../../../../../test/vectors/${file}`, import.meta.url);
  const { captures } = JSON.parse(readFileSync(url, 'utf8')) as VectorFile<Expect>;
  return captures.map(({ name, frames }) => ({
    name,
    frames: frames.map(({ hex, ...rest }) => ({ ...rest, bytes: Buffer.from(hex, 'hex') })),
  }));
}
