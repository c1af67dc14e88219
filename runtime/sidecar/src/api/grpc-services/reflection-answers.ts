/** Answers of server reflection, from the descriptors that the generated code carries. Load with import(): they are dear. */
import { create, createRegistry, type DescFile, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { GrpcCode } from '@outrigger/engine';
import {
  type ServerReflectionRequest,
  type ServerReflectionResponse,
  ServerReflectionResponseSchema,
} from '@outrigger/proto/grpc/reflection/v1';
import type { ServiceName } from '@outrigger/proto/services';
import { describedServices } from '../described-services.js';

type Answer = NonNullable<MessageInitShape<typeof ServerReflectionResponseSchema>['messageResponse']>;

class Descriptors {
  readonly services: readonly string[];
  readonly #files = new Map<string, DescFile>();
  readonly #registry: ReturnType<typeof createRegistry>;

  constructor(services: readonly ServiceName[]) {
    this.services = [...services].sort();
    for (const service of services) this.#add(describedServices[service].file);
    this.#registry = createRegistry(...this.#files.values());
  }

  #add(file: DescFile): void {
    if (this.#files.has(file.proto.name)) return;
    this.#files.set(file.proto.name, file);
    for (const imported of file.dependencies) this.#add(imported);
  }

  byName(name: string): DescFile | undefined {
    return this.#files.get(name);
  }

  /** The file that declares a message, enum, service or extension, or the owner of a method, field or value. */
  bySymbol(symbol: string): DescFile | undefined {
    const type = this.#registry.get(symbol);
    if (type !== undefined) return type.file;
    const owner = this.#registry.get(symbol.slice(0, Math.max(0, symbol.lastIndexOf('.'))));
    const member = symbol.slice(symbol.lastIndexOf('.') + 1);
    switch (owner?.kind) {
      case 'service':
        return owner.methods.some(({ name }) => name === member) ? owner.file : undefined;
      case 'message':
        return [...owner.fields, ...owner.oneofs].some(({ name }) => name === member) ? owner.file : undefined;
      case 'enum':
        return owner.values.some(({ name }) => name === member) ? owner.file : undefined;
      default:
        return undefined;
    }
  }

  hasMessage(typeName: string): boolean {
    return this.#registry.getMessage(typeName) !== undefined;
  }

  /** The file and everything it imports, each once: clients need not ask again. */
  withImports(file: DescFile): Uint8Array[] {
    const files = new Set<DescFile>();
    const visit = (next: DescFile): void => {
      if (files.has(next)) return;
      files.add(next);
      for (const imported of next.dependencies) visit(imported);
    };
    visit(file);
    return [...files].map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
  }
}

function notFound(what: string): Answer {
  return { case: 'errorResponse', value: { errorCode: GrpcCode.NOT_FOUND, errorMessage: `${what} not found` } };
}

function answerOf(descriptors: Descriptors, question: ServerReflectionRequest['messageRequest']): Answer {
  const file = (found: DescFile | undefined, what: string): Answer =>
    found === undefined
      ? notFound(what)
      : { case: 'fileDescriptorResponse', value: { fileDescriptorProto: descriptors.withImports(found) } };
  switch (question.case) {
    case 'fileByFilename':
      return file(descriptors.byName(question.value), `file '${question.value}'`);
    case 'fileContainingSymbol':
      return file(descriptors.bySymbol(question.value), `symbol '${question.value}'`);
    case 'fileContainingExtension':
      return notFound(`extension ${question.value.extensionNumber} of '${question.value.containingType}'`);
    case 'allExtensionNumbersOfType':
      return descriptors.hasMessage(question.value)
        ? { case: 'allExtensionNumbersResponse', value: { baseTypeName: question.value, extensionNumber: [] } }
        : notFound(`message '${question.value}'`);
    case 'listServices':
      return { case: 'listServicesResponse', value: { service: descriptors.services.map((name) => ({ name })) } };
    default:
      return {
        case: 'errorResponse',
        value: { errorCode: GrpcCode.INVALID_ARGUMENT, errorMessage: 'the request asks nothing' },
      };
  }
}

export function createReflectionAnswers(
  services: readonly ServiceName[],
): (request: ServerReflectionRequest) => ServerReflectionResponse {
  const descriptors = new Descriptors(services);
  return (request) =>
    create(ServerReflectionResponseSchema, {
      validHost: request.host,
      originalRequest: request,
      messageResponse: answerOf(descriptors, request.messageRequest),
    });
}
