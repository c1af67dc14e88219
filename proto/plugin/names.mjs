/** The module of a file's emitted codecs, without its ending, from the folder of the output. */
export function codecFile(file) {
  return `${file.name}_codec`;
}

/** The folder of a file's package in the output, with its final slash. */
export function folderOf(file) {
  return file.name.slice(0, file.name.lastIndexOf('/') + 1);
}

/** `AppCallbackHealthCheck` as the name of a file: `app-callback-health-check`. */
export function kebabCase(name) {
  return name.replace(/(?<=[a-z0-9])(?=[A-Z])/g, '-').toLowerCase();
}

/** The name of a message or an enum in TypeScript, as protoc-gen-es forms it: `Outer_Inner`. */
export function typeName(type) {
  const inPackage = type.file.proto.package ? type.typeName.slice(type.file.proto.package.length + 1) : type.typeName;
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
  const name = `${verb}${typeName(target)}`;
  return target.file === user.file ? name : f.import(name, `./${codecFile(target.file)}.js`);
}
