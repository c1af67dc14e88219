import { ScalarType } from '@bufbuild/protobuf';
import { FeatureSet_FieldPresence } from '@bufbuild/protobuf/wkt';
import { wire } from './names.mjs';

/**
 * How each number type is read and written: `read` takes (buffer, at), if `sized` also the end, and leaves `cursor.at`
 * behind the value; `put` writes the value behind its tag.
 */
const numbers = {
  [ScalarType.BOOL]: { wireType: 0, read: 'readBool', put: 'putBool', zero: 'false' },
  [ScalarType.INT32]: { wireType: 0, read: 'readVarint', suffix: ' | 0', put: 'putInt32', zero: '0' },
  [ScalarType.UINT32]: { wireType: 0, read: 'readVarint', put: 'putUint32', zero: '0' },
  [ScalarType.SINT32]: { wireType: 0, read: 'readSint32', put: 'putSint32', zero: '0' },
  [ScalarType.INT64]: { wireType: 0, read: 'readInt64', put: 'putInt64', zero: '0n', wide: true },
  [ScalarType.UINT64]: { wireType: 0, read: 'readUint64', put: 'putUint64', zero: '0n', wide: true },
  [ScalarType.SINT64]: { wireType: 0, read: 'readSint64', put: 'putSint64', zero: '0n', wide: true },
  [ScalarType.FIXED32]: { wireType: 5, read: 'readFixed32', put: 'putFixed32', zero: '0', sized: true },
  [ScalarType.SFIXED32]: { wireType: 5, read: 'readSfixed32', put: 'putSfixed32', zero: '0', sized: true },
  [ScalarType.FIXED64]: { wireType: 1, read: 'readFixed64', put: 'putFixed64', zero: '0n', wide: true, sized: true },
  [ScalarType.SFIXED64]: { wireType: 1, read: 'readSfixed64', put: 'putSfixed64', zero: '0n', wide: true, sized: true },
  [ScalarType.FLOAT]: { wireType: 5, read: 'readFloat', put: 'putFloat', zero: '0', sized: true, real: true },
  [ScalarType.DOUBLE]: { wireType: 1, read: 'readDouble', put: 'putDouble', zero: '0', sized: true, real: true },
};

/** The number type of a scalar, or of an enum (`undefined`: int32); none for string and bytes. */
export function numberType(scalar) {
  return numbers[scalar ?? ScalarType.INT32];
}

export function isText(scalar) {
  return scalar === ScalarType.STRING;
}

export function isBytes(scalar) {
  return scalar === ScalarType.BYTES;
}

/** The tag of a field whose values have this type, `undefined` for an enum. */
export function tagOf(number, scalar) {
  return ((number << 3) | (numberType(scalar)?.wireType ?? 2)) >>> 0;
}

/** The tag of messages, maps and packed lists. */
export function lengthTagOf(number) {
  return ((number << 3) | 2) >>> 0;
}

/** Whether absence is shown by the zero value instead of by undefined. */
export function isImplicit(field) {
  return field.presence === FeatureSet_FieldPresence.IMPLICIT;
}

/** The zero value of a singular field as an expression. */
export function zeroOf(f, scalar, longAsString = false) {
  if (isText(scalar)) return ["''"];
  if (isBytes(scalar)) return [wire(f, 'noBytes')];
  return [longAsString ? "'0'" : numberType(scalar).zero];
}
