/** Compares what others have published with what we declare, by the facts that are visible on the wire and in JSON. */
import {
  create,
  createFileRegistry,
  type DescEnum,
  type DescField,
  type DescFile,
  type DescMessage,
  type DescMethod,
  type DescService,
  type FileRegistry,
  type Registry,
} from '@bufbuild/protobuf';
import {
  type FileDescriptorProto,
  FileDescriptorSetSchema,
  file_google_protobuf_any,
  file_google_protobuf_descriptor,
  file_google_protobuf_duration,
  file_google_protobuf_empty,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
} from '@bufbuild/protobuf/wkt';

const wellKnown = [
  file_google_protobuf_any,
  file_google_protobuf_descriptor,
  file_google_protobuf_duration,
  file_google_protobuf_empty,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
];

/** Links files to one another, to the well-known ones, and to `known`. */
export function registryOf(files: readonly FileDescriptorProto[], known: readonly DescFile[] = []): FileRegistry {
  const byName = new Map([...wellKnown, ...known].map((file) => [file.proto.name, file.proto]));
  for (const file of files) byName.set(file.name, file);
  // A file comes after those that it imports.
  const ordered = new Set<FileDescriptorProto>();
  const add = (name: string) => {
    const file = byName.get(name);
    if (file === undefined) throw new Error(`nothing is known of the imported file ${name}`);
    if (ordered.has(file)) return;
    for (const dependency of file.dependency) add(dependency);
    ordered.add(file);
  };
  for (const file of files) add(file.name);
  return createFileRegistry(create(FileDescriptorSetSchema, { file: [...ordered] }));
}

export interface Comparison {
  /** In theirs and ours with another meaning, or in theirs alone: each a place and what differs. */
  readonly differences: string[];
  /** In ours alone: whole messages, enums, services, or single members of what both have. */
  readonly onlyOurs: string[];
  /** How many fields, values and methods were compared. */
  readonly compared: number;
}

/** `inScope` says which full names of types are compared. */
export function compareDescriptors(
  theirs: FileRegistry,
  ours: Registry,
  inScope: (typeName: string) => boolean,
): Comparison {
  const differences: string[] = [];
  const onlyOurs: string[] = [];
  let compared = 0;

  const compareMembers = <T>(
    place: string,
    theirMembers: readonly T[],
    ourMembers: readonly T[],
    key: (member: T) => string | number,
    facts: (member: T) => Facts,
    label: (member: T) => string,
  ) => {
    const ourByKey = new Map(ourMembers.map((member) => [key(member), member]));
    const theirKeys = new Set(theirMembers.map(key));
    for (const their of theirMembers) {
      compared++;
      const our = ourByKey.get(key(their));
      if (our === undefined) differences.push(`${place}.${label(their)}: missing`);
      else differences.push(...differing(`${place}.${label(their)}`, facts(their), facts(our)));
    }
    for (const our of ourMembers) if (!theirKeys.has(key(our))) onlyOurs.push(`${place}.${label(our)}`);
  };

  const theirTypes = typesOf(theirs, inScope);
  const ourTypes = typesOf(ours, inScope);
  for (const [name, their] of theirTypes) {
    const our = ourTypes.get(name);
    if (our === undefined || our.kind !== their.kind) differences.push(`${name}: missing`);
    else if (their.kind === 'message' && our.kind === 'message')
      compareMembers(
        name,
        their.fields,
        our.fields,
        (field) => field.number,
        fieldFacts,
        (field) => field.name,
      );
    else if (their.kind === 'enum' && our.kind === 'enum')
      compareMembers(
        name,
        their.values,
        our.values,
        (value) => value.name,
        (value) => ({ number: value.number }),
        (value) => value.name,
      );
    else if (their.kind === 'service' && our.kind === 'service')
      compareMembers(
        name,
        their.methods,
        our.methods,
        (method) => method.name,
        methodFacts,
        (method) => method.name,
      );
  }
  for (const name of ourTypes.keys()) if (!theirTypes.has(name)) onlyOurs.push(name);
  return { differences: differences.sort(), onlyOurs: onlyOurs.sort(), compared };
}

type Facts = Readonly<Record<string, string | number | boolean | undefined>>;

function differing(place: string, theirs: Facts, ours: Facts): string[] {
  return Object.keys(theirs)
    .filter((fact) => theirs[fact] !== ours[fact])
    .map((fact) => `${place}: ${fact} is ${ours[fact]}, theirs ${theirs[fact]}`);
}

export function typesOf(
  registry: Registry,
  inScope: (typeName: string) => boolean,
): Map<string, DescMessage | DescEnum | DescService> {
  const types = new Map<string, DescMessage | DescEnum | DescService>();
  for (const type of registry) if (type.kind !== 'extension' && inScope(type.typeName)) types.set(type.typeName, type);
  return types;
}

export function fieldFacts(field: DescField): Facts {
  return {
    name: field.name,
    // Some generators leave out the name that follows from the rule.
    json: field.jsonName || field.name.replace(/_+(.?)/g, (_, letter: string) => letter.toUpperCase()),
    kind: field.fieldKind,
    list: field.fieldKind === 'list' ? field.listKind : undefined,
    packed: field.fieldKind === 'list' ? field.packed : undefined,
    key: field.fieldKind === 'map' ? field.mapKey : undefined,
    scalar: field.scalar,
    type: field.message?.typeName ?? field.enum?.typeName,
    presence: field.presence,
    oneof: field.oneof?.name,
    string64: 'longAsString' in field ? field.longAsString : undefined,
  };
}

export function methodFacts(method: DescMethod): Facts {
  return {
    kind: method.methodKind,
    input: method.input.typeName,
    output: method.output.typeName,
    idempotency: method.idempotency,
  };
}
