/** What is emitted for use without descriptors says the same as the descriptors. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { DescService } from '@bufbuild/protobuf';
import * as daprCommon from '../dapr/common/v1.js';
import * as daprRuntime from '../dapr/runtime/v1.js';
import * as daprCommonEnums from '../gen/dapr/proto/common/v1/enums.js';
import * as daprAppCallback from '../gen/dapr/proto/runtime/v1/app-callback.js';
import * as daprAppCallbackAlpha from '../gen/dapr/proto/runtime/v1/app-callback-alpha.js';
import * as daprAppCallbackHealthCheck from '../gen/dapr/proto/runtime/v1/app-callback-health-check.js';
import * as dapr from '../gen/dapr/proto/runtime/v1/dapr.js';
import * as daprRuntimeEnums from '../gen/dapr/proto/runtime/v1/enums.js';
import * as rpcEnums from '../gen/google/rpc/enums.js';
import * as healthEnums from '../gen/grpc/health/v1/enums.js';
import * as healthMethods from '../gen/grpc/health/v1/health.js';
import * as reflectionMethods from '../gen/grpc/reflection/v1/server-reflection.js';
import * as reflectionAlphaMethods from '../gen/grpc/reflection/v1alpha/server-reflection.js';
import { services } from '../gen/services.js';
import * as cryptionMethods from '../gen/spec/proto/extension/v1/cryption/cryption-service.js';
import * as delayQueueMethods from '../gen/spec/proto/extension/v1/delay_queue/delay-queue.js';
import * as emailMethods from '../gen/spec/proto/extension/v1/email/email-service.js';
import * as phoneMethods from '../gen/spec/proto/extension/v1/phone/phone-call-service.js';
import * as s3Methods from '../gen/spec/proto/extension/v1/s3/object-storage-service.js';
import * as smsMethods from '../gen/spec/proto/extension/v1/sms/sms-service.js';
import * as layottoAppCallback from '../gen/spec/proto/runtime/v1/app-callback.js';
import * as layottoEnums from '../gen/spec/proto/runtime/v1/enums.js';
import * as lifecycle from '../gen/spec/proto/runtime/v1/lifecycle.js';
import * as runtime from '../gen/spec/proto/runtime/v1/runtime.js';
import * as rpc from '../google/rpc.js';
import * as health from '../grpc/health/v1.js';
import * as reflection from '../grpc/reflection/v1.js';
import * as reflectionAlpha from '../grpc/reflection/v1alpha.js';
import { CryptionService } from '../layotto/extension/v1/cryption.js';
import { DelayQueue } from '../layotto/extension/v1/delay-queue.js';
import { EmailService } from '../layotto/extension/v1/email.js';
import { PhoneCallService } from '../layotto/extension/v1/phone.js';
import { ObjectStorageService } from '../layotto/extension/v1/s3.js';
import { SmsService } from '../layotto/extension/v1/sms.js';
import * as layotto from '../layotto/runtime/v1.js';
import { methodsOf } from './methods.js';

const modules: readonly (readonly [DescService, object])[] = [
  [daprRuntime.Dapr, dapr],
  [daprRuntime.AppCallback, daprAppCallback],
  [daprRuntime.AppCallbackHealthCheck, daprAppCallbackHealthCheck],
  [daprRuntime.AppCallbackAlpha, daprAppCallbackAlpha],
  [layotto.Runtime, runtime],
  [layotto.AppCallback, layottoAppCallback],
  [layotto.Lifecycle, lifecycle],
  [CryptionService, cryptionMethods],
  [DelayQueue, delayQueueMethods],
  [EmailService, emailMethods],
  [PhoneCallService, phoneMethods],
  [ObjectStorageService, s3Methods],
  [SmsService, smsMethods],
  [health.Health, healthMethods],
  [reflection.ServerReflection, reflectionMethods],
  [reflectionAlpha.ServerReflection, reflectionAlphaMethods],
];

describe('the module of a service', () => {
  it('exists for each service of the list', () => {
    assert.deepEqual(modules.map(([{ typeName }]) => typeName).sort(), Object.keys(services).sort());
  });

  for (const [service, module] of modules) {
    it(`has the methods of ${service.typeName}`, () => {
      // With strict equality of the codecs: both name the same objects.
      const expected = Object.entries(methodsOf(service));
      assert.equal(Object.keys(module).length, expected.length);
      for (const [name, { path, kind, request, response }] of expected) {
        const method = (module as ReturnType<typeof methodsOf>)[name]!;
        assert.deepEqual({ path: method.path, kind: method.kind }, { path, kind });
        assert.equal(method.request, request);
        assert.equal(method.response, response);
      }
    });
  }
});

describe('the list of services', () => {
  for (const [service] of modules) {
    it(`names the methods of ${service.typeName}`, () => {
      const { typeName, methods } = services[service.typeName as keyof typeof services];
      assert.equal(typeName, service.typeName);
      const expected = Object.values(methodsOf(service)).map(({ path, kind }) => ({ path, kind }));
      assert.deepEqual(methods, expected);
    });
  }
});

describe('enums', () => {
  const packages = { daprCommon, daprRuntime, layotto, rpc, health };
  const emitted = {
    daprCommon: daprCommonEnums,
    daprRuntime: daprRuntimeEnums,
    layotto: layottoEnums,
    rpc: rpcEnums,
    health: healthEnums,
  };

  for (const [name, module] of Object.entries(packages)) {
    it(`of ${name} equal those of protoc-gen-es`, () => {
      const described = Object.entries(module).filter(
        ([, value]) => typeof value === 'object' && !('kind' in value) && !('$typeName' in value),
      );
      assert.deepEqual({ ...emitted[name as keyof typeof emitted] }, Object.fromEntries(described));
    });
  }
});
