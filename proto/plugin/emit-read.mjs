import { messageFunction, typeName, wire } from './names.mjs';
import { isBytes, isText, lengthTagOf, numberType, tagOf, zeroOf } from './scalars.mjs';

/** Emits the `case` clauses of a field in the switch of `readX`. */
export function emitFieldRead(f, message, field) {
  switch (field.fieldKind) {
    case 'scalar':
    case 'enum':
      emitCase(f, tagOf(field.number, field.scalar), field.scalar, (stop) => {
        f.print('        ', ...assign(field, scalar(f, field, stop)));
      });
      break;
    case 'message':
      emitCase(f, lengthTagOf(field.number), 'message', () => {
        emitDepthCheck(f, '        ');
        emitMessageRead(f, message, field);
      });
      break;
    case 'list':
      emitListRead(f, message, field);
      break;
    case 'map':
      emitCase(f, lengthTagOf(field.number), 'map', (stop) => {
        f.print(
          '        ',
          entryReader(f, message, field),
          '(message.',
          field.localName,
          ', buffer, ',
          wire(f, 'cursor'),
          '.at, ',
          stop,
          ', left);',
        );
      });
      break;
  }
}

/** One case: what has a length gets its end as `stop`, what has none leaves its end in `cursor.at`. */
function emitCase(f, tag, type, body) {
  const cursor = wire(f, 'cursor');
  const hasLength = typeof type === 'string' || isText(type) || isBytes(type);
  f.print('      case ', String(tag), ': {');
  if (hasLength) f.print('        const stop = ', wire(f, 'fieldEnd'), '(buffer, at, end);');
  body('stop');
  f.print('        at = ', ...(hasLength ? ['stop'] : [cursor, '.at']), ';');
  f.print('        break;');
  f.print('      }');
}

function emitDepthCheck(f, indent) {
  f.print(indent, 'if (left === 0) throw ', wire(f, 'tooDeep'), '();');
}

function assign(field, value) {
  if (field.oneof)
    return [`message.${field.oneof.localName} = { case: `, `'${field.localName}', value: `, ...value, ' };'];
  return [`message.${field.localName} = `, ...value, ';'];
}

/** The expression that reads one scalar or enum value which ends, if it has a length, at `stop`. */
function scalar(f, field, stop) {
  return convert(f, readerOf(f, field.scalar, stop, namesPattern.test(field.name)), field.enum, field.longAsString);
}

/** Fields whose values are few and come again and again. */
const namesPattern = /(^|_)(name|topic|type|method|version)$/;

function readerOf(f, type, stop, isName) {
  const cursor = wire(f, 'cursor');
  if (isText(type)) return [wire(f, isName ? 'readName' : 'readText'), '(buffer, ', cursor, '.at, ', stop, ')'];
  if (isBytes(type)) return [wire(f, 'readBytes'), '(buffer, ', cursor, '.at, ', stop, ')'];
  const { read, sized, suffix = '' } = numberType(type);
  return [wire(f, read), sized ? '(buffer, at, end)' : '(buffer, at)', suffix];
}

function convert(f, expression, enumDesc, longAsString) {
  if (enumDesc) return ['(', ...expression, ') as ', f.importShape(enumDesc)];
  return longAsString ? ['String(', ...expression, ')'] : expression;
}

function emitMessageRead(f, message, field) {
  const read = messageFunction(f, message, field.message, 'read');
  const create = messageFunction(f, message, field.message, 'new');
  const rest = [', buffer, ', wire(f, 'cursor'), '.at, stop, left - 1)'];
  if (field.oneof) {
    // A message that comes twice is merged with its first part, if nothing else of the group came in between.
    f.print('        const prior = message.', field.oneof.localName, ';');
    const target = [`prior.case === '${field.localName}' ? prior.value : `, create, '()'];
    f.print('        ', ...assign(field, [read, '(', ...target, ...rest]));
  } else f.print('        ', ...assign(field, [read, '(message.', field.localName, ' ?? ', create, '()', ...rest]));
}

function emitListRead(f, message, field) {
  const list = `message.${field.localName}`;
  if (field.listKind === 'message') {
    const read = messageFunction(f, message, field.message, 'read');
    const create = messageFunction(f, message, field.message, 'new');
    emitCase(f, lengthTagOf(field.number), 'message', () => {
      emitDepthCheck(f, '        ');
      f.print(
        '        ',
        list,
        '.push(',
        read,
        '(',
        create,
        '(), buffer, ',
        wire(f, 'cursor'),
        '.at, stop, left - 1));',
      );
    });
    return;
  }
  emitCase(f, tagOf(field.number, field.scalar), field.scalar, (stop) => {
    f.print('        ', list, '.push(', ...scalar(f, field, stop), ');');
  });
  if (numberType(field.scalar) !== undefined && !isText(field.scalar)) {
    // Packed or not, a parser takes both (https://protobuf.dev/programming-guides/encoding/#packed).
    emitCase(f, lengthTagOf(field.number), 'packed', () => {
      f.print('        at = ', wire(f, 'cursor'), '.at;');
      f.print('        while (at < stop) {');
      f.print('          ', list, '.push(', ...packed(scalar(f, field, 'stop')), ');');
      f.print('          at = ', wire(f, 'cursor'), '.at;');
      f.print('        }');
      f.print('        if (at !== stop) throw ', wire(f, 'endsEarly'), '();');
    });
  }
}

/** Sized numbers of a packed list end with the list. */
function packed(expression) {
  return expression.map((part) => (part === '(buffer, at, end)' ? '(buffer, at, stop)' : part));
}

function isTextMap(field) {
  return isText(field.mapKey) && field.mapKind === 'scalar' && isText(field.scalar);
}

/** The function that reads one entry of a map. */
function entryReader(f, message, field) {
  return isTextMap(field) ? wire(f, 'readTextEntry') : `read${typeName(message)}_${field.localName}Entry`;
}

/** Emits the reader of a map's entries: an entry is a message of the fields key = 1 and value = 2. */
export function emitEntryRead(f, message, field) {
  if (field.fieldKind !== 'map' || isTextMap(field)) return;
  const cursor = wire(f, 'cursor');
  f.print('function ', entryReader(f, message, field), '(');
  f.print('  map: ', f.importShape(message), "['", field.localName, "'],");
  f.print('  buffer: Buffer,');
  f.print('  at: number,');
  f.print('  end: number,');
  f.print('  left: number,');
  f.print('): void {');
  f.print('  let key = ', ...zeroOf(f, field.mapKey), ';');
  emitEntryValue(f, message, field);
  f.print('  while (at < end) {');
  f.print('    let tag = buffer[at++]!;');
  f.print('    if (tag > 127) {');
  f.print('      tag = ', wire(f, 'longTag'), '(buffer, at - 1);');
  f.print('      at = ', cursor, '.at;');
  f.print('    }');
  f.print('    switch (tag) {');
  emitCase(f, tagOf(1, field.mapKey), field.mapKey, (stop) => {
    f.print('        key = ', ...readerOf(f, field.mapKey, stop, true), ';');
  });
  if (field.mapKind === 'message') {
    const read = messageFunction(f, message, field.message, 'read');
    const create = messageFunction(f, message, field.message, 'new');
    emitCase(f, lengthTagOf(2), 'message', () => {
      emitDepthCheck(f, '        ');
      f.print('        value = ', read, '(value ?? ', create, '(), buffer, ', cursor, '.at, stop, left - 1);');
    });
  } else {
    emitCase(f, tagOf(2, field.scalar), field.scalar, (stop) => {
      f.print('        value = ', ...convert(f, readerOf(f, field.scalar, stop), field.enum), ';');
    });
  }
  f.print('      default:');
  f.print('        at = ', wire(f, 'skipValue'), '(buffer, tag, at, end, left);');
  f.print('    }');
  f.print('  }');
  f.print('  if (at !== end) throw ', wire(f, 'endsEarly'), '();');
  emitEntrySet(f, message, field);
  f.print('}');
  f.print();
}

function emitEntryValue(f, message, field) {
  const type = [
    f.importShape(message),
    `['${field.localName}'][${!isText(field.mapKey) && isNumberKey(field) ? 'number' : 'string'}]`,
  ];
  if (field.mapKind === 'message') f.print('  let value: ', ...type, ' | undefined;');
  else f.print('  let value: ', ...type, ' = ', ...zeroOf(f, field.scalar), ';');
}

function emitEntrySet(f, message, field) {
  const value =
    field.mapKind === 'message' ? ['value ?? ', messageFunction(f, message, field.message, 'new'), '()'] : ['value'];
  if (isText(field.mapKey)) f.print('  ', wire(f, 'setEntry'), '(map, key, ', ...value, ');');
  else f.print('  map[', isNumberKey(field) ? 'key' : 'String(key)', '] = ', ...value, ';');
}

function isNumberKey(field) {
  const type = numberType(field.mapKey);
  return !type.wide && type.zero === '0';
}
