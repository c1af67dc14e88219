/** Finds the descriptors that code generators leave in their output. */
import { fromBinary } from '@bufbuild/protobuf';
import { type FileDescriptorProto, FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import type { Files } from './archive.js';

const parse = (bytes: Uint8Array): FileDescriptorProto => fromBinary(FileDescriptorProtoSchema, bytes);

/** Python: `AddSerializedFile(b'…')`. */
export function pythonDescriptors(files: Files, path: RegExp): FileDescriptorProto[] {
  return [...files]
    .filter(([name]) => path.test(name))
    .flatMap(([name, content]) => {
      const literal = /AddSerializedFile\(\s*b('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\s*\)/s.exec(
        content.toString('latin1'),
      );
      if (literal === null) throw new Error(`${name} holds no descriptor`);
      return parse(pythonBytes(literal[1]!.slice(1, -1)));
    });
}

const pythonEscapes: Record<string, number> = {
  n: 10,
  r: 13,
  t: 9,
  a: 7,
  b: 8,
  f: 12,
  v: 11,
  '\\': 92,
  "'": 39,
  '"': 34,
};

function pythonBytes(literal: string): Uint8Array {
  const bytes = literal.replace(/\\(x[0-9a-fA-F]{2}|[0-7]{1,3}|.)/gs, (_, code: string) => {
    if (/^x../.test(code)) return String.fromCharCode(Number.parseInt(code.slice(1), 16));
    if (/^[0-7]/.test(code)) return String.fromCharCode(Number.parseInt(code, 8));
    const byte = pythonEscapes[code];
    if (byte === undefined) throw new Error(`unknown escape \\${code}`);
    return String.fromCharCode(byte);
  });
  return Buffer.from(bytes, 'latin1');
}

/** Java: string constants of a class file, each character a byte, long descriptors in several constants. */
export function javaDescriptors(files: Files, path: RegExp): FileDescriptorProto[] {
  return [...files]
    .filter(([name]) => path.test(name))
    .map(([name, content]) => {
      const constants = stringConstants(content);
      const first = constants.findIndex(
        (constant) =>
          constant[0] === 10 &&
          constant
            .subarray(2, 2 + constant[1]!)
            .toString()
            .endsWith('.proto'),
      );
      for (let end = first + 1; first >= 0 && end <= constants.length; end++) {
        try {
          const file = parse(Buffer.concat(constants.slice(first, end)));
          if (file.syntax !== '') return file;
        } catch {
          // Not whole yet.
        }
      }
      throw new Error(`${name} holds no descriptor`);
    });
}

/** The string constants of a class file in their order. (JVM specification, 4.4) */
function stringConstants(content: Buffer): Buffer[] {
  const texts = new Map<number, Buffer>();
  const references: number[] = [];
  const count = content.readUInt16BE(8);
  let at = 10;
  for (let index = 1; index < count; index++) {
    const tag = content[at]!;
    if (tag === 1) {
      const length = content.readUInt16BE(at + 1);
      texts.set(index, modifiedUtf8(content.subarray(at + 3, at + 3 + length)));
      at += 3 + length;
    } else {
      if (tag === 8) references.push(content.readUInt16BE(at + 1));
      const size = {
        3: 4,
        4: 4,
        5: 8,
        6: 8,
        7: 2,
        8: 2,
        9: 4,
        10: 4,
        11: 4,
        12: 4,
        15: 3,
        16: 2,
        17: 4,
        18: 4,
        19: 2,
        20: 2,
      }[tag];
      if (size === undefined) throw new Error(`constant ${index} has the unknown tag ${tag}`);
      at += 1 + size;
      // long and double take two places.
      if (tag === 5 || tag === 6) index++;
    }
  }
  return references.map((index) => texts.get(index)!);
}

function modifiedUtf8(text: Buffer): Buffer {
  const bytes: number[] = [];
  for (let i = 0; i < text.length; i++) {
    const unit = text[i]!;
    if (unit < 0x80) bytes.push(unit);
    else if (unit < 0xe0) bytes.push(((unit & 31) << 6) | (text[++i]! & 63));
    // Three bytes: a character that is no byte, so the constant is no descriptor; its value does not matter.
    else i += 2;
  }
  return Buffer.from(bytes);
}

/** protobuf-es: `fileDesc("<base64>", [imported files])`; the descriptor itself does not name its imports. */
export function javascriptDescriptors(files: Files, path: RegExp): FileDescriptorProto[] {
  const found = [...files]
    .filter(([name]) => path.test(name))
    .flatMap(([, content]) => [...content.toString().matchAll(/fileDesc\)?\("([A-Za-z0-9+/=]+)"(?:, \[([^\]]*)\])?/g)])
    .map((match) => ({ file: parse(Buffer.from(match[1]!, 'base64')), imports: match[2] ?? '' }));
  const wellKnown = ['any', 'duration', 'empty', 'struct', 'timestamp', 'wrappers'].map(
    (name) => `google/protobuf/${name}.proto`,
  );
  const variables = new Map(
    [...wellKnown, ...found.map(({ file }) => file.name)].map((name) => [
      `file_${name.replace(/\.proto$/, '').replaceAll(/\W/g, '_')}`,
      name,
    ]),
  );
  for (const { file, imports } of found)
    file.dependency = (imports.match(/\bfile_\w+/g) ?? []).map((variable) => variables.get(variable) ?? variable);
  return found.map(({ file }) => file);
}
