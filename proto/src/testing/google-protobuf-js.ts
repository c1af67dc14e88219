/**
 * What the JavaScript that protoc generates for google-protobuf and grpc-js puts on the wire. It holds no descriptors, so
 * the facts are read from its text: the write calls of each message, and the table of each service.
 */

export interface WrittenField {
  readonly number: number;
  /** `String`, `RepeatedMessage`, `PackedInt32`, … of `writer.writeString`; `Map` for a map. */
  readonly write: string;
  /** For messages: the last part of the type's name. */
  readonly message: string | undefined;
}

/** The fields that each message writes, by the full name of the message. */
export function writtenFields(source: string): Map<string, WrittenField[]> {
  const messages = new Map<string, WrittenField[]>();
  const functions = source.matchAll(
    /^proto\.([\w.]+)\.serializeBinaryToWriter = function\(message, writer\) \{(.*?)^\};/gms,
  );
  for (const [, name, body] of functions) {
    const fields: WrittenField[] = [];
    for (const [, write, number, rest] of body!.matchAll(
      /writer\.write(\w+)\(\s*(\d+),\s*f\s*(?:,\s*([\w.]+)\.serializeBinaryToWriter)?/g,
    ))
      fields.push({ number: Number(number), write: write!, message: rest?.split('.').at(-1) });
    for (const [, number] of body!.matchAll(/f\.serializeBinary\((\d+), writer/g))
      fields.push({ number: Number(number), write: 'Map', message: undefined });
    messages.set(name!, fields);
  }
  return messages;
}

export interface ServedMethod {
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly request: string;
  readonly response: string;
}

/** The methods of a `_grpc_pb.js` by their path; of the types the last part of the name. */
export function servedMethods(source: string): Map<string, ServedMethod> {
  const methods = new Map<string, ServedMethod>();
  const entries = source.matchAll(
    /path: '([^']+)',\s*requestStream: (\w+),\s*responseStream: (\w+),\s*requestType: [\w.]*?(\w+),\s*responseType: [\w.]*?(\w+),/g,
  );
  for (const [, path, requestStream, responseStream, request, response] of entries)
    methods.set(path!, {
      requestStream: requestStream === 'true',
      responseStream: responseStream === 'true',
      request: request!,
      response: response!,
    });
  return methods;
}
