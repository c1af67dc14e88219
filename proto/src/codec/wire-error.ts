/** How the emitted codecs refuse input, or a message that cannot be written. */

/** How deep messages and groups may nest, the outermost counted: the default of protobuf-es, C++ and Java. */
export const nestingMax = 100;

/** Input that is not a valid encoding, or a value that its field cannot hold. */
export class WireError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'WireError';
  }
}

export function decodeError(typeName: string, error: unknown): WireError {
  return new WireError(`cannot decode ${typeName}: ${error instanceof Error ? error.message : error}`, {
    cause: error,
  });
}

export function endsEarly(): WireError {
  return new WireError('a field reaches past the end of its message');
}

export function tooDeep(): WireError {
  return new WireError(`messages nest deeper than ${nestingMax}`);
}
