import { Edition } from '@bufbuild/protobuf/wkt';
import { emitEntryRead, emitFieldRead } from './emit-read.mjs';
import { emitFieldWrite } from './emit-write.mjs';
import { codecType, typeName, wire } from './names.mjs';
import { isImplicit, zeroOf } from './scalars.mjs';

/** Emits `newX`, `readX`, `writeX` and `XCodec` of a message. */
export function emitMessage(f, message) {
  // Other editions track presence by prototypes (protobuf-es), which these functions do not make.
  if (message.file.edition !== Edition.EDITION_PROTO3) throw new Error(`protoc-gen-codec: ${message} is not proto3`);
  emitNew(f, message);
  for (const field of message.fields) emitEntryRead(f, message, field);
  emitRead(f, message);
  emitWrite(f, message);
  emitCodec(f, message);
}

function emitNew(f, message) {
  const Shape = f.importShape(message);
  f.print('export function new', typeName(message), '(): ', Shape, ' {');
  f.print('  return {');
  f.print('    $typeName: ', f.string(message.typeName), ',');
  for (const member of message.members) {
    const zero = zeroOfMember(f, member);
    if (zero !== undefined) f.print('    ', member.localName, ': ', ...zero, ',');
  }
  f.print('  };');
  f.print('}');
  f.print();
}

/** What a new message holds in this place; undefined where the property does not exist before it is set. */
function zeroOfMember(f, member) {
  if (member.kind === 'oneof') return ['{ case: undefined }'];
  if (member.fieldKind === 'list') return ['[]'];
  if (member.fieldKind === 'map') return ['{}'];
  if (member.fieldKind === 'message' || !isImplicit(member)) return undefined;
  return zeroOf(f, member.scalar, member.longAsString);
}

function emitRead(f, message) {
  const Shape = f.importShape(message);
  const name = typeName(message);
  const cursor = wire(f, 'cursor');
  f.print('export function read', name, '(');
  f.print('  message: ', Shape, ',');
  f.print('  buffer: Buffer,');
  f.print('  at: number,');
  f.print('  end: number,');
  f.print('  left: number,');
  f.print('): ', Shape, ' {');
  f.print('  while (at < end) {');
  f.print('    let tag = buffer[at++]!;');
  f.print('    if (tag > 127) {');
  f.print('      tag = ', wire(f, 'longTag'), '(buffer, at - 1);');
  f.print('      at = ', cursor, '.at;');
  f.print('    }');
  f.print('    switch (tag) {');
  for (const field of message.fields) emitFieldRead(f, message, field);
  f.print('      default:');
  f.print('        at = ', wire(f, 'readUnknown'), '(message, buffer, tag, at, end, left);');
  f.print('    }');
  f.print('  }');
  f.print('  if (at !== end) throw ', wire(f, 'endsEarly'), '();');
  f.print('  return message;');
  f.print('}');
  f.print();
}

function emitWrite(f, message) {
  const Writer = codecType(f, 'MessageWriter');
  f.print(
    'export function write',
    typeName(message),
    '(message: ',
    f.importShape(message),
    ', writer: ',
    Writer,
    '): void {',
  );
  for (const field of [...message.fields].sort((a, b) => a.number - b.number)) emitFieldWrite(f, message, field);
  f.print('  if (message.$unknown !== undefined) ', wire(f, 'writeUnknown'), '(writer, message.$unknown);');
  f.print('}');
  f.print();
}

function emitCodec(f, message) {
  const name = typeName(message);
  const left = wire(f, 'nestingMax');
  f.print('export const ', name, 'Codec: ', codecType(f, 'MessageCodec'), '<', f.importShape(message), '> = {');
  f.print('  typeName: ', f.string(message.typeName), ',');
  f.print('  decode(buffer, start, end) {');
  f.print('    try {');
  f.print('      return read', name, '(new', name, '(), buffer, start, end, ', left, ' - 1);');
  f.print('    } catch (error) {');
  f.print('      throw ', wire(f, 'decodeError'), '(', f.string(message.typeName), ', error);');
  f.print('    }');
  f.print('  },');
  f.print('  encode: write', name, ',');
  f.print('};');
  f.print();
}
