import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import {
  createRegistry,
  type DescField,
  type DescFile,
  fromBinary,
  type Registry,
  ScalarType,
  toJson,
} from '@bufbuild/protobuf';
import { type FileDescriptorProto, FileDescriptorSetSchema, FileOptionsSchema } from '@bufbuild/protobuf/wkt';
import * as daprCommon from './dapr/common/v1.js';
import * as daprRuntime from './dapr/runtime/v1.js';
import * as google from './google/rpc.js';
import * as health from './grpc/health/v1.js';
import * as reflection from './grpc/reflection/v1.js';
import * as reflectionAlpha from './grpc/reflection/v1alpha.js';
import * as cryption from './layotto/extension/v1/cryption.js';
import * as delayQueue from './layotto/extension/v1/delay-queue.js';
import * as email from './layotto/extension/v1/email.js';
import * as phone from './layotto/extension/v1/phone.js';
import * as s3 from './layotto/extension/v1/s3.js';
import * as sms from './layotto/extension/v1/sms.js';
import * as layotto from './layotto/runtime/v1.js';
import type { Files } from './testing/archive.js';
import { type Comparison, compareDescriptors, registryOf, typesOf } from './testing/compare-descriptors.js';
import { javaDescriptors, javascriptDescriptors, pythonDescriptors } from './testing/embedded-descriptors.js';
import { servedMethods, writtenFields } from './testing/google-protobuf-js.js';
import { mavenJar, npmPackage, type Published, pythonWheel } from './testing/published.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const modules = [
  daprCommon,
  daprRuntime,
  layotto,
  s3,
  cryption,
  delayQueue,
  email,
  phone,
  sms,
  google,
  health,
  reflection,
  reflectionAlpha,
];
const ourFiles: DescFile[] = modules.flatMap((module) =>
  Object.values(module as Record<string, unknown>).filter(
    (value): value is DescFile =>
      typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'file',
  ),
);
const ours: Registry = createRegistry(...ourFiles);

/** Tells the reason and skips when a package cannot be had. */
function filesOf(context: TestContext, published: Published): Files | undefined {
  if ('files' in published) return published.files;
  context.skip(published.missing);
  return undefined;
}

/** The descriptors of .proto files that a package carries, compiled by buf; `importRoot` is where their imports start. */
async function compile(files: Files, importRoot: string): Promise<FileDescriptorProto[]> {
  const folder = await mkdtemp(join(tmpdir(), 'outrigger-proto-'));
  try {
    for (const [name, content] of files) {
      if (!name.startsWith(importRoot) || !name.endsWith('.proto')) continue;
      const path = join(folder, name.slice(importRoot.length));
      if (!path.startsWith(folder)) throw new Error(`${name} leads out of its package`);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, content);
    }
    const image = join(folder, 'image.binpb');
    await promisify(execFile)(join(root, 'node_modules/.bin/buf'), [
      'build',
      folder,
      '--as-file-descriptor-set',
      '--output',
      image,
    ]);
    return fromBinary(FileDescriptorSetSchema, await readFile(image)).file;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Nothing of theirs is missing or different; `atLeast` keeps the test from passing on nothing. */
function holdsAll(comparison: Comparison, atLeast: number): void {
  assert.deepEqual(comparison.differences, []);
  assert.ok(comparison.compared >= atLeast, `only ${comparison.compared} fields, values and methods were found`);
}

/** What google-protobuf's generated JavaScript would call to write a field of ours. */
function writeCall(field: DescField): string {
  if (field.fieldKind === 'map') return 'Map';
  if (field.message !== undefined) return field.fieldKind === 'list' ? 'RepeatedMessage' : 'Message';
  const type = field.enum === undefined ? ScalarType[field.scalar!]!.toLowerCase() : 'enum';
  const name = type[0]!.toUpperCase() + type.slice(1) + ('longAsString' in field && field.longAsString ? 'String' : '');
  if (field.fieldKind !== 'list') return name;
  return (field.packed ? 'Packed' : 'Repeated') + name;
}

/** What our fields and methods would look like in the generated JavaScript; to be found in theirs, where theirs has them. */
function compareJavaScript(files: Files, path: RegExp): { fields: number; methods: number } {
  const count = { fields: 0, methods: 0 };
  for (const [name, content] of files) {
    if (!path.test(name)) continue;
    for (const [typeName, fields] of writtenFields(content.toString())) {
      const message = ours.getMessage(typeName);
      assert.ok(message, `${typeName} is missing`);
      for (const { number, write, message: type } of fields) {
        const field: DescField | undefined = message.fields.find((candidate) => candidate.number === number);
        assert.ok(field, `${typeName} has no field ${number}`);
        assert.equal(writeCall(field), write, `${field}`);
        if (type !== undefined) assert.equal(field.message?.name, type, `${field}`);
        count.fields++;
      }
    }
    for (const [rpc, their] of servedMethods(content.toString())) {
      const [service, method] = rpc.slice(1).split('/') as [string, string];
      const our = ours.getService(service)?.methods.find((candidate) => candidate.name === method);
      assert.ok(our, `${rpc} is missing`);
      const kind = `${their.requestStream ? (their.responseStream ? 'bidi' : 'client') : their.responseStream ? 'server' : 'un'}`;
      assert.ok(our.methodKind.startsWith(kind), `${rpc} is ${our.methodKind}`);
      assert.deepEqual([our.input.name, our.output.name], [their.request, their.response], rpc);
      count.methods++;
    }
  }
  return count;
}

function optionsOf(file: DescFile): unknown[] {
  return [file.proto.package, file.proto.options && toJson(FileOptionsSchema, file.proto.options)];
}

/** What is marked as deprecated, by its full name. */
function deprecatedNames(registry: Registry, inScope: (typeName: string) => boolean): string[] {
  const names: string[] = [];
  for (const [name, type] of typesOf(registry, inScope)) {
    if (type.deprecated) names.push(name);
    const members = type.kind === 'message' ? type.fields : type.kind === 'enum' ? type.values : type.methods;
    for (const member of members) if (member.deprecated) names.push(`${name}.${member.name}`);
  }
  return names.sort();
}

const inPackages =
  (...packages: string[]) =>
  (name: string): boolean =>
    packages.some((prefix) => name.startsWith(`${prefix}.`));

const dapr = inPackages('dapr.proto.common.v1', 'dapr.proto.runtime.v1');
const specs = inPackages('spec.proto.runtime.v1', 'spec.proto.extension.v1');

describe('our descriptors hold all that is published, equal field by field', () => {
  it('PyPI dapr 1.19.0', async (context) => {
    const files = filesOf(context, await pythonWheel('dapr==1.19.0'));
    if (files === undefined) return;
    const theirs = registryOf(pythonDescriptors(files, /^dapr\/proto\/(common|runtime)\/v1\/\w+_pb2\.py$/), ourFiles);
    const comparison = compareDescriptors(theirs, ours, dapr);
    holdsAll(comparison, 850);
    // The newest package there is: ours has nothing beyond it.
    assert.deepEqual(comparison.onlyOurs, []);
    assert.deepEqual(deprecatedNames(theirs, dapr), deprecatedNames(ours, dapr));
    // Reflection clients and generated Python find files by these names; the options name packages of other languages.
    for (const file of theirs.files)
      if (file.name.startsWith('dapr/'))
        assert.deepEqual(
          optionsOf(file),
          ourFiles.filter((our) => our.name === file.name).flatMap((our) => optionsOf(our)),
        );
  });

  it('npm @dapr/dapr 3.18.0, the .proto files in it', async (context) => {
    const files = filesOf(context, await npmPackage('@dapr/dapr@3.18.0'));
    if (files === undefined) return;
    const theirs = registryOf(await compile(files, 'proto/'));
    holdsAll(compareDescriptors(theirs, ours, dapr), 550);
  });

  it('npm @dapr/dapr 3.18.0, the descriptors that its gRPC client runs on', async (context) => {
    const files = filesOf(context, await npmPackage('@dapr/dapr@3.18.0'));
    if (files === undefined) return;
    const theirs = registryOf(javascriptDescriptors(files, /^proto\/dapr\/.*_pb\.js$/));
    holdsAll(compareDescriptors(theirs, ours, dapr), 400);
  });

  it('Maven io.dapr:dapr-sdk-autogen 1.16.1', async (context) => {
    const files = filesOf(context, await mavenJar('io.dapr:dapr-sdk-autogen:1.16.1'));
    if (files === undefined) return;
    const theirs = registryOf(javaDescriptors(files, /^io\/dapr\/v1\/\w+Protos\.class$/));
    holdsAll(compareDescriptors(theirs, ours, dapr), 400);
  });

  it('npm layotto 1.18.0, the .proto files in it', async (context) => {
    const files = filesOf(context, await npmPackage('layotto@1.18.0'));
    if (files === undefined) return;
    const theirs = registryOf(await compile(files, 'proto/'));
    const comparison = compareDescriptors(theirs, ours, specs);
    holdsAll(comparison, 500);
    // What Layotto has added to its specification since then; no package that can be had holds it.
    assert.deepEqual(comparison.onlyOurs, [
      'spec.proto.extension.v1.s3.ListObjectsInput.fetch_owner',
      'spec.proto.extension.v1.s3.Object.type',
      'spec.proto.extension.v1.sms.SendSmsWithTemplateRequest',
      'spec.proto.extension.v1.sms.SendSmsWithTemplateResponse',
      'spec.proto.extension.v1.sms.SendStatus',
      'spec.proto.extension.v1.sms.SmsService',
      'spec.proto.extension.v1.sms.Template',
      'spec.proto.runtime.v1.Runtime.SubscribeTopicEvents',
      'spec.proto.runtime.v1.SubscribeTopicEventsRequest',
      'spec.proto.runtime.v1.SubscribeTopicEventsRequestInitial',
      'spec.proto.runtime.v1.SubscribeTopicEventsRequestProcessed',
      'spec.proto.runtime.v1.SubscribeTopicEventsResponse',
      'spec.proto.runtime.v1.SubscribeTopicEventsResponseInitial',
    ]);
  });

  it('npm layotto 1.18.0, the generated code that it runs on', async (context) => {
    const files = filesOf(context, await npmPackage('layotto@1.18.0'));
    if (files === undefined) return;
    const { fields, methods } = compareJavaScript(files, /^proto\/.*_pb\.js$/);
    assert.ok(fields > 400 && methods > 50, `${fields} fields, ${methods} methods`);
  });

  it('Maven io.mosn.layotto:runtime-spec-pb 1.1.0', async (context) => {
    const files = filesOf(context, await mavenJar('io.mosn.layotto:runtime-spec-pb:1.1.0'));
    if (files === undefined) return;
    const theirs = registryOf(javaDescriptors(files, /^spec\/proto\/runtime\/v1\/\w+Proto\.class$/));
    holdsAll(compareDescriptors(theirs, ours, inPackages('spec.proto.runtime.v1')), 150);
  });

  it('PyPI googleapis-common-protos, grpcio-health-checking, grpcio-reflection', async (context) => {
    const wheels = ['googleapis-common-protos==1.70.0', 'grpcio-health-checking==1.71.0', 'grpcio-reflection==1.71.0'];
    const paths = /^(google\/rpc\/(code|status|error_details)|grpc_\w+\/v1(alpha)?\/\w+)_pb2\.py$/;
    const files: FileDescriptorProto[] = [];
    for (const wheel of wheels) {
      const content = filesOf(context, await pythonWheel(wheel));
      if (content === undefined) return;
      files.push(...pythonDescriptors(content, paths));
    }
    holdsAll(
      compareDescriptors(
        registryOf(files),
        ours,
        inPackages('google.rpc', 'grpc.health.v1', 'grpc.reflection.v1alpha'),
      ),
      80,
    );
  });

  it('grpc.reflection.v1 is v1alpha under another name', () => {
    const file = reflectionAlpha.file_grpc_reflection_v1alpha_reflection.proto;
    const renamed = JSON.parse(JSON.stringify(file).replaceAll('v1alpha', 'v1')) as FileDescriptorProto;
    holdsAll(compareDescriptors(registryOf([renamed]), ours, inPackages('grpc.reflection.v1')), 15);
  });
});
