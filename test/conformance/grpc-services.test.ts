/** The standard services of every gRPC port, asked by @grpc/grpc-js: health, and reflection in both versions. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { create, createFileRegistry, fromBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { type FileDescriptorProto, FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { GrpcCode, type MethodInfo } from '@outrigger/engine';
import { methodsOf } from '@outrigger/proto';
import {
  Health,
  HealthCheckRequestSchema,
  HealthListRequestSchema,
  HealthCheckResponse_ServingStatus as Status,
} from '@outrigger/proto/grpc/health/v1';
import {
  ServerReflection,
  ServerReflectionRequestSchema,
  type ServerReflectionResponse,
} from '@outrigger/proto/grpc/reflection/v1';
import { ServerReflection as ServerReflectionAlpha } from '@outrigger/proto/grpc/reflection/v1alpha';
import { type Sidecar, startSidecar } from '../harness/sidecar.js';
import { connectGrpcJs } from './grpc-interop/grpc-js.js';
import type { InteropClient } from './grpc-interop/peer.js';

const LIMIT = { timeout: 30_000 };
const DAPR = 'dapr.proto.runtime.v1.Dapr';
const LAYOTTO = 'spec.proto.runtime.v1.Runtime';
const health = methodsOf(Health);

async function unary<I, O>(client: InteropClient, method: MethodInfo<I, O>, request: I): Promise<O> {
  const call = client.call(method);
  call.send(request);
  call.closeSend();
  const responses: O[] = [];
  for await (const response of call.responses) responses.push(response);
  assert.equal(responses.length, 1);
  return responses[0] as O;
}

describe('the health service', () => {
  let sidecar: Sidecar;
  const clients: InteropClient[] = [];
  before(async () => {
    sidecar = await startSidecar({ appId: 'healthy' });
    clients.push(connectGrpcJs(sidecar.grpcPort, false), connectGrpcJs(sidecar.layottoPort, false));
  });
  after(async () => {
    for (const client of clients) await client.close();
    await sidecar.stop();
  });

  const check = (client: InteropClient, service: string): Promise<Status> =>
    unary(client, health.check, create(HealthCheckRequestSchema, { service })).then(({ status }) => status);

  it('says SERVING for the server and each of its services, on both ports', LIMIT, async () => {
    for (const client of clients) {
      for (const service of ['', DAPR, LAYOTTO, Health.typeName]) {
        assert.equal(await check(client, service), Status.SERVING, service);
      }
    }
  });

  it('knows no other service', LIMIT, async () => {
    for (const client of clients) await assert.rejects(check(client, 'no.Such'), { code: GrpcCode.NOT_FOUND });
  });

  it('lists them', LIMIT, async () => {
    const { statuses } = await unary(clients[0] as InteropClient, health.list, create(HealthListRequestSchema));
    assert.deepEqual(statuses[DAPR]?.status, Status.SERVING);
    assert.ok(Object.keys(statuses).length >= 3);
  });

  it('tells watchers of an unknown service that it is unknown, and waits', LIMIT, async () => {
    const call = (clients[0] as InteropClient).call(health.watch);
    call.send(create(HealthCheckRequestSchema, { service: 'no.Such' }));
    call.closeSend();
    const { value } = await call.responses[Symbol.asyncIterator]().next();
    assert.equal(value?.status, Status.SERVICE_UNKNOWN);
    call.cancel();
  });

  it('tells watchers that the sidecar stops, before it does', LIMIT, async () => {
    const call = (clients[0] as InteropClient).call(health.watch);
    call.send(create(HealthCheckRequestSchema, { service: DAPR }));
    call.closeSend();
    const responses = call.responses[Symbol.asyncIterator]();
    assert.equal((await responses.next()).value?.status, Status.SERVING);
    const stopped = sidecar.stop();
    assert.equal((await responses.next()).value?.status, Status.NOT_SERVING);
    // Then the call ends, well or not: nothing is left open by a watcher that stays.
    await Promise.resolve(responses.next()).catch(() => {});
    assert.equal((await stopped).code, 0);
  });
});

/** As a linker wants them; fails when one is missing. */
function importsFirst(files: readonly FileDescriptorProto[]): FileDescriptorProto[] {
  const sorted = new Set<FileDescriptorProto>();
  const visit = (file: FileDescriptorProto | undefined, importer: string): void => {
    assert.ok(file !== undefined, `an import of ${importer} is missing`);
    if (sorted.has(file)) return;
    for (const name of file.dependency)
      visit(
        files.find((other) => other.name === name),
        file.name,
      );
    sorted.add(file);
  };
  for (const file of files) visit(file, '');
  return [...sorted];
}

describe('the reflection service', () => {
  let sidecar: Sidecar;
  let client: InteropClient;
  before(async () => {
    sidecar = await startSidecar({ appId: 'reflecting' });
    client = connectGrpcJs(sidecar.grpcPort, false);
  });
  after(async () => {
    await client.close();
    await sidecar.stop();
  });

  const v1 = methodsOf(ServerReflection).serverReflectionInfo;
  // The messages of both versions are the same but for their package.
  const v1alpha = { ...v1, path: methodsOf(ServerReflectionAlpha).serverReflectionInfo.path };

  for (const [version, method] of Object.entries({ v1, v1alpha })) {
    describe(version, () => {
      /** All questions on one stream; the answers in order. */
      const ask = async (
        ...questions: NonNullable<MessageInitShape<typeof ServerReflectionRequestSchema>['messageRequest']>[]
      ) => {
        const call = client.call(method);
        for (const messageRequest of questions) call.send(create(ServerReflectionRequestSchema, { messageRequest }));
        call.closeSend();
        const answers: ServerReflectionResponse['messageResponse'][] = [];
        for await (const { messageResponse } of call.responses) answers.push(messageResponse);
        assert.equal(answers.length, questions.length);
        return answers;
      };
      const filesOf = (answer: ServerReflectionResponse['messageResponse'] | undefined): FileDescriptorProto[] => {
        assert.ok(answer?.case === 'fileDescriptorResponse');
        return answer.value.fileDescriptorProto.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
      };

      it('lists the services', LIMIT, async () => {
        const [answer] = await ask({ case: 'listServices', value: '' });
        assert.ok(answer?.case === 'listServicesResponse');
        const names = answer.value.service.map(({ name }) => name);
        const expected = [
          DAPR,
          LAYOTTO,
          'grpc.health.v1.Health',
          'grpc.reflection.v1.ServerReflection',
          'grpc.reflection.v1alpha.ServerReflection',
        ];
        for (const name of expected) assert.ok(names.includes(name), name);
      });

      it('gives files that can be linked, by symbol of every kind and by name', LIMIT, async () => {
        const symbols = [
          DAPR,
          `${DAPR}.GetState`,
          'dapr.proto.runtime.v1.GetStateRequest',
          'dapr.proto.common.v1.StateOptions.StateConsistency',
        ];
        const answers = await ask(...symbols.map((value) => ({ case: 'fileContainingSymbol' as const, value })));
        for (const [i, answer] of answers.entries()) {
          const files = filesOf(answer);
          const registry = createFileRegistry(create(FileDescriptorSetSchema, { file: importsFirst(files) }));
          const symbol = symbols[i] as string;
          assert.ok(registry.get(symbol) ?? registry.get(symbol.replace(/\.\w+$/, '')), symbol);
        }
        const name = filesOf(answers[0])[0]?.name as string;
        const [byName] = await ask({ case: 'fileByFilename', value: name });
        assert.equal(filesOf(byName)[0]?.name, name);
      });

      it('says what it does not find, and goes on', LIMIT, async () => {
        const answers = await ask(
          { case: 'fileContainingSymbol', value: 'no.Such' },
          { case: 'fileByFilename', value: '../../etc/passwd' },
          { case: 'allExtensionNumbersOfType', value: 'no.Such' },
          { case: 'fileContainingExtension', value: { containingType: DAPR, extensionNumber: 1 } },
          { case: 'fileContainingSymbol', value: DAPR },
        );
        for (const answer of answers.slice(0, 4)) {
          assert.ok(answer.case === 'errorResponse');
          assert.equal(answer.value.errorCode, GrpcCode.NOT_FOUND);
        }
        assert.equal(answers[4]?.case, 'fileDescriptorResponse');
      });
    });
  }
});
