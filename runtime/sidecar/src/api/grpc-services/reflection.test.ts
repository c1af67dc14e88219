import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { type FileDescriptorProto, FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import type { BidiHandler, GrpcMethod } from '@outrigger/engine';
import type { ServerReflectionRequest, ServerReflectionResponse } from '@outrigger/proto/grpc/reflection/v1';
import { testCall } from '../testing/grpc-call.js';
import { reflectionMethods } from './reflection.js';

type Question = ServerReflectionRequest['messageRequest'];
type Answer = ServerReflectionResponse['messageResponse'];
type Handler = BidiHandler<ServerReflectionRequest, ServerReflectionResponse>;

const V1 = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo';
const V1_ALPHA = '/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo';
const methods = reflectionMethods(['dapr.proto.runtime.v1.Dapr', 'grpc.health.v1.Health']);

async function ask(question: Question, path: string = V1): Promise<Answer> {
  const { handler } = methods.find((method) => method.path === path) as GrpcMethod;
  const answers: ServerReflectionResponse[] = [];
  const request: ServerReflectionRequest = {
    $typeName: 'grpc.reflection.v1.ServerReflectionRequest',
    host: 'here',
    messageRequest: question,
  };
  const requests = (async function* () {
    yield request;
  })();
  await (handler as unknown as Handler)(requests, testCall(path), {
    send: (answer) => {
      answers.push(answer);
      return undefined;
    },
  });
  assert.equal(answers.length, 1);
  const [{ validHost, originalRequest, messageResponse }] = answers as [ServerReflectionResponse];
  assert.equal(validHost, 'here');
  assert.equal(originalRequest, request);
  return messageResponse;
}

function filesOf(answer: Answer): string[] {
  assert.ok(answer.case === 'fileDescriptorResponse', answer.case);
  return answer.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes).name);
}

const notFound = (answer: Answer): string => {
  assert.ok(answer.case === 'errorResponse', answer.case);
  assert.equal(answer.value.errorCode, 5);
  return answer.value.errorMessage;
};

describe('server reflection', () => {
  for (const path of [V1, V1_ALPHA]) {
    it(`lists the services of the port and itself on ${path}`, async () => {
      const answer = await ask({ case: 'listServices', value: '' }, path);
      assert.ok(answer.case === 'listServicesResponse');
      assert.deepEqual(
        answer.value.service.map(({ name }) => name),
        [
          'dapr.proto.runtime.v1.Dapr',
          'grpc.health.v1.Health',
          'grpc.reflection.v1.ServerReflection',
          'grpc.reflection.v1alpha.ServerReflection',
        ],
      );
    });
  }

  it('gives the file of a symbol with all that it imports, enough to build it', async () => {
    const answer = await ask({ case: 'fileContainingSymbol', value: 'dapr.proto.runtime.v1.Dapr' });
    assert.equal(filesOf(answer)[0], 'dapr/proto/runtime/v1/dapr.proto');
    assert.ok(answer.case === 'fileDescriptorResponse');
    const files = answer.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
    const importedFirst = new Set<FileDescriptorProto>();
    const add = (file: FileDescriptorProto): void => {
      for (const imported of file.dependency) add(files.find(({ name }) => name === imported)!);
      importedFirst.add(file);
    };
    files.forEach(add);
    const registry = createFileRegistry({ $typeName: 'google.protobuf.FileDescriptorSet', file: [...importedFirst] });
    assert.ok(registry.getService('dapr.proto.runtime.v1.Dapr')?.method['getState']);
  });

  it('finds methods, messages, fields and enum values by their names', async () => {
    const files: Record<string, string> = {
      'dapr.proto.runtime.v1.Dapr.GetState': 'dapr/proto/runtime/v1/dapr.proto',
      'dapr.proto.runtime.v1.GetStateRequest': 'dapr/proto/runtime/v1/state.proto',
      'dapr.proto.runtime.v1.GetStateRequest.store_name': 'dapr/proto/runtime/v1/state.proto',
      'grpc.health.v1.HealthCheckResponse.ServingStatus.SERVING': 'grpc/health/v1/health.proto',
    };
    for (const [symbol, file] of Object.entries(files))
      assert.equal(filesOf(await ask({ case: 'fileContainingSymbol', value: symbol }))[0], file, symbol);
  });

  it('gives a file by its name', async () => {
    const name = 'dapr/proto/common/v1/common.proto';
    assert.equal(filesOf(await ask({ case: 'fileByFilename', value: name }))[0], name);
  });

  it('says what it does not know', async () => {
    assert.match(notFound(await ask({ case: 'fileByFilename', value: 'x.proto' })), /x\.proto/);
    // Of a service that this port does not have.
    const symbol = 'spec.proto.runtime.v1.Runtime';
    assert.match(notFound(await ask({ case: 'fileContainingSymbol', value: symbol })), /Runtime/);
    assert.match(notFound(await ask({ case: 'allExtensionNumbersOfType', value: 'no.Such' })), /no\.Such/);
    assert.equal((await ask({ case: undefined })).case, 'errorResponse');
  });
});
