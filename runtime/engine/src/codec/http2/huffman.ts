/** Huffman decoding (RFC 7541 §5.2), four bits at a time. We never encode with it: loopback bytes are cheaper than cycles. */
import { latin1Slice } from '../../base/bytes.js';
import { HUFFMAN_EOS_BITS, HUFFMAN_EOS_CODE, huffmanBits, huffmanCodes } from './hpack-tables.js';

const EOS = 256;
const INVALID = -1;
const NO_SYMBOL = -1;

/** Row `node * 16 + nibble`: the node reached, or INVALID, and the symbol completed on the way, or NO_SYMBOL. */
const { nextNode, symbol, mayEnd } = buildTables();

function buildTables(): { nextNode: Int16Array; symbol: Int16Array; mayEnd: Uint8Array } {
  // A binary tree: positive child = node, negative = -(symbol + 1), 0 = none.
  const tree: [number, number][] = [[0, 0]];
  for (let s = 0; s <= EOS; s++) {
    const code = s === EOS ? HUFFMAN_EOS_CODE : (huffmanCodes[s] as number);
    const bits = s === EOS ? HUFFMAN_EOS_BITS : (huffmanBits[s] as number);
    let node = 0;
    for (let i = bits - 1; i >= 0; i--) {
      const bit = ((code >>> i) & 1) as 0 | 1;
      const children = tree[node] as [number, number];
      if (i === 0) {
        children[bit] = -(s + 1);
      } else {
        if (children[bit] === 0) {
          tree.push([0, 0]);
          children[bit] = tree.length - 1;
        }
        node = children[bit];
      }
    }
  }
  const next = new Int16Array(tree.length * 16);
  const symbols = new Int16Array(tree.length * 16).fill(NO_SYMBOL);
  for (let node = 0; node < tree.length; node++) {
    for (let nibble = 0; nibble < 16; nibble++) {
      let at = node;
      let completed = NO_SYMBOL;
      for (let i = 3; i >= 0; i--) {
        const child = (tree[at] as [number, number])[((nibble >> i) & 1) as 0 | 1];
        if (child === -(EOS + 1)) {
          at = INVALID;
          break;
        }
        // The shortest code has five bits: a nibble completes one symbol at most.
        if (child < 0) completed = -child - 1;
        at = Math.max(0, child);
      }
      next[node * 16 + nibble] = at;
      symbols[node * 16 + nibble] = completed;
    }
  }
  // A string may end inside the padding: at most seven ones, the first bits of EOS.
  const ends = new Uint8Array(tree.length);
  ends[0] = 1;
  for (let i = 0, node = 0; i < 7; i++) {
    node = (tree[node] as [number, number])[1];
    ends[node] = 1;
  }
  return { nextNode: next, symbol: symbols, mayEnd: ends };
}

let output: Buffer = Buffer.allocUnsafeSlow(1024);
const OUTPUT_KEPT_BYTES = 64 * 1024;

/** The decoded octets as a latin1 string, or null when the code or its padding is invalid. */
export function decodeHuffman(buffer: Uint8Array, start: number, end: number): string | null {
  const longest = Math.ceil(((end - start) * 8) / 5);
  if (output.length < longest) output = Buffer.allocUnsafeSlow(Math.max(longest, output.length * 2));
  const out = output;
  let length = 0;
  let node = 0;
  for (let i = start; i < end; i++) {
    const byte = buffer[i] as number;
    let row = node * 16 + (byte >> 4);
    let completed = symbol[row] as number;
    if (completed !== NO_SYMBOL) out[length++] = completed;
    node = nextNode[row] as number;
    if (node === INVALID) return null;
    row = node * 16 + (byte & 15);
    completed = symbol[row] as number;
    if (completed !== NO_SYMBOL) out[length++] = completed;
    node = nextNode[row] as number;
    if (node === INVALID) return null;
  }
  if (mayEnd[node] === 0) return null;
  const text = latin1Slice(out, 0, length);
  if (output.length > OUTPUT_KEPT_BYTES) output = Buffer.allocUnsafeSlow(1024);
  return text;
}
