/** The module of a file's emitted codecs, without its ending, from the folder of the output. */
export function hotFile(file) {
  return `${file.name}_hot`;
}

/** The name of a message in TypeScript, as protoc-gen-es forms it: `Outer_Inner`. */
export function messageName(message) {
  const inPackage = message.file.proto.package
    ? message.typeName.slice(message.file.proto.package.length + 1)
    : message.typeName;
  return inPackage.replaceAll('.', '_');
}

/** Struct is shown as a JSON object; its functions are written by hand. */
export function isStruct(message) {
  return message.typeName === 'google.protobuf.Struct';
}

export function isEmitted(message) {
  return !isStruct(message);
}

/** A module of src/codec, from the folder of the output, src/gen. */
function codecModule(name) {
  return `../codec/${name}.js`;
}

/** A function or value of src/codec/wire-*.ts. */
export function wire(f, name) {
  return f.import(name, codecModule(wireModule(name)));
}

function wireModule(name) {
  if (/^(put|write|open|close)/.test(name)) return 'wire-write';
  if (/^(readText|readName|readBytes|noBytes)$/.test(name)) return 'wire-text';
  return /^(decodeError|endsEarly|tooDeep|nestingMax)$/.test(name) ? 'wire-error' : 'wire-read';
}

export function codecType(f, name) {
  return f.import(name, codecModule('message-codec'), true);
}

/** The function `verb` (new, read, write) of `target`, for use in the file of `user`. */
export function messageFunction(f, user, target, verb) {
  if (isStruct(target)) return f.import(`${verb}Struct`, codecModule('struct'));
  const name = `${verb}${messageName(target)}`;
  return target.file === user.file ? name : f.import(name, `./${hotFile(target.file)}.js`);
}
