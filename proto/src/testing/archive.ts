/** Reads the archives that packages come in, whole, into memory: path to content. */
import { gunzipSync, inflateRawSync } from 'node:zlib';

export type Files = ReadonlyMap<string, Buffer>;

const directoryEnd = 0x06054b50;
const directoryEntry = 0x02014b50;

/** A zip file: a Python wheel, a jar. (https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT) */
export function unzip(zip: Buffer): Files {
  let end = zip.length - 22;
  while (end >= 0 && zip.readUInt32LE(end) !== directoryEnd) end--;
  if (end < 0) throw new Error('not a zip file: it has no central directory');
  const files = new Map<string, Buffer>();
  let at = zip.readUInt32LE(end + 16);
  for (let count = zip.readUInt16LE(end + 10); count > 0; count--) {
    if (zip.readUInt32LE(at) !== directoryEntry) throw new Error('not a zip file: its central directory is damaged');
    const method = zip.readUInt16LE(at + 10);
    const size = zip.readUInt32LE(at + 20);
    const nameLength = zip.readUInt16LE(at + 28);
    const local = zip.readUInt32LE(at + 42);
    const name = zip.toString('utf8', at + 46, at + 46 + nameLength);
    const start = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
    const content = zip.subarray(start, start + size);
    if (!name.endsWith('/')) files.set(name, method === 0 ? content : inflateRawSync(content));
    at += 46 + nameLength + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32);
  }
  return files;
}

/** A gzipped tar file as `npm pack` makes it; paths without the leading `package/`. */
export function untar(tgz: Buffer): Files {
  const tar = gunzipSync(tgz);
  const text = (start: number, length: number) => tar.toString('utf8', start, start + length).replace(/\0.*$/s, '');
  const files = new Map<string, Buffer>();
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0; ) {
    const size = Number.parseInt(text(at + 124, 12), 8);
    const prefix = text(at + 345, 155);
    const name = (prefix ? `${prefix}/` : '') + text(at, 100);
    const type = text(at + 156, 1);
    if (type === '0' || type === '') files.set(name.replace(/^[^/]+\//, ''), tar.subarray(at + 512, at + 512 + size));
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return files;
}
