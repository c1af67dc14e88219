import { messageFunction, wire } from './names.mjs';
import { isBytes, isImplicit, isText, lengthTagOf, numberType, tagOf } from './scalars.mjs';

/** Emits the statements of `writeX` that write one field, if it is set. */
export function emitFieldWrite(f, message, field) {
  const value = `message.${field.localName}`;
  switch (field.fieldKind) {
    case 'list':
      emitListWrite(f, message, field, value);
      return;
    case 'map':
      emitMapWrite(f, message, field, value);
      return;
  }
  if (field.oneof) {
    const group = `message.${field.oneof.localName}`;
    f.print('  if (', group, ".case === '", field.localName, "') {");
    emitSingle(f, message, field, `${group}.value`);
  } else {
    f.print('  if (', isSet(field, value), ') {');
    emitSingle(f, message, field, value);
  }
  f.print('  }');
}

function isSet(field, value) {
  if (field.fieldKind === 'message' || !isImplicit(field)) return `${value} !== undefined`;
  if (isText(field.scalar)) return `${value} !== ''`;
  if (isBytes(field.scalar)) return `${value}.length > 0`;
  const { zero, real, wide } = numberType(field.scalar);
  // The zero that is left out is +0: -0 is a value of its own.
  if (real) return `!Object.is(${value}, 0)`;
  if (wide && field.longAsString) return `Number(${value}) !== 0`;
  return zero === 'false' ? value : `${value} !== ${zero}`;
}

function emitSingle(f, message, field, value) {
  if (field.fieldKind === 'message') emitMessageField(f, message, field.message, field.number, value, '    ');
  else emitScalarField(f, field.scalar, field.number, value, '    ');
}

function emitMessageField(f, message, type, number, value, indent) {
  f.print(indent, 'const lengthAt = ', wire(f, 'openField'), '(writer, ', String(lengthTagOf(number)), ');');
  f.print(indent, messageFunction(f, message, type, 'write'), '(', value, ', writer);');
  f.print(indent, wire(f, 'closeField'), '(writer, lengthAt);');
}

function emitScalarField(f, type, number, value, indent) {
  const tag = String(tagOf(number, type));
  if (isText(type)) f.print(indent, wire(f, 'writeText'), '(writer, ', tag, ', ', value, ');');
  else if (isBytes(type)) f.print(indent, wire(f, 'writeBytes'), '(writer, ', tag, ', ', value, ');');
  else {
    f.print(indent, wire(f, 'putTag'), '(writer, ', tag, ');');
    f.print(indent, wire(f, numberType(type).put), '(writer, ', value, ');');
  }
}

function emitListWrite(f, message, field, list) {
  if (field.listKind !== 'message' && field.packed && numberType(field.scalar) !== undefined && !isText(field.scalar)) {
    f.print('  if (', list, '.length > 0) {');
    f.print('    const lengthAt = ', wire(f, 'openField'), '(writer, ', String(lengthTagOf(field.number)), ');');
    f.print('    for (const item of ', list, ') {');
    f.print('      writer.ensure(10);');
    f.print('      ', wire(f, numberType(field.scalar).put), '(writer, item);');
    f.print('    }');
    f.print('    ', wire(f, 'closeField'), '(writer, lengthAt);');
    f.print('  }');
    return;
  }
  f.print('  for (const item of ', list, ') {');
  if (field.listKind === 'message') emitMessageField(f, message, field.message, field.number, 'item', '    ');
  else emitScalarField(f, field.scalar, field.number, 'item', '    ');
  f.print('  }');
}

function emitMapWrite(f, message, field, map) {
  const tag = String(lengthTagOf(field.number));
  if (isText(field.mapKey) && field.mapKind === 'scalar' && isText(field.scalar)) {
    f.print('  ', wire(f, 'writeTextMap'), '(writer, ', tag, ', ', map, ');');
    return;
  }
  f.print('  for (const [key, value] of Object.entries(', map, ')) {');
  f.print('    const entryAt = ', wire(f, 'openField'), '(writer, ', tag, ');');
  emitScalarField(f, field.mapKey, 1, keyOf(field), '    ');
  if (field.mapKind === 'message') emitMessageField(f, message, field.message, 2, 'value', '    ');
  else emitScalarField(f, field.scalar, 2, 'value', '    ');
  f.print('    ', wire(f, 'closeField'), '(writer, entryAt);');
  f.print('  }');
}

/** A key as its type, from the name of a property. */
function keyOf(field) {
  if (isText(field.mapKey)) return 'key';
  const { zero, wide } = numberType(field.mapKey);
  if (zero === 'false') return "key === 'true'";
  return wide ? 'key' : 'Number(key)';
}
