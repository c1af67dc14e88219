/**
 * The protobuf-es descriptors of all services, for reflection, Connect and gRPC-Web. Load with import(): they take more
 * memory than the rest of the API.
 */
import type { DescService } from '@bufbuild/protobuf';
import { AppCallback, AppCallbackAlpha, AppCallbackHealthCheck, Dapr } from '@outrigger/proto/dapr/runtime/v1';
import { Health } from '@outrigger/proto/grpc/health/v1';
import { ServerReflection } from '@outrigger/proto/grpc/reflection/v1';
import { ServerReflection as ServerReflectionAlpha } from '@outrigger/proto/grpc/reflection/v1alpha';
import { CryptionService } from '@outrigger/proto/layotto/extension/v1/cryption';
import { DelayQueue } from '@outrigger/proto/layotto/extension/v1/delay-queue';
import { EmailService } from '@outrigger/proto/layotto/extension/v1/email';
import { PhoneCallService } from '@outrigger/proto/layotto/extension/v1/phone';
import { ObjectStorageService } from '@outrigger/proto/layotto/extension/v1/s3';
import { SmsService } from '@outrigger/proto/layotto/extension/v1/sms';
import { AppCallback as LayottoAppCallback, Lifecycle, Runtime } from '@outrigger/proto/layotto/runtime/v1';
import type { ServiceName } from '@outrigger/proto/services';

export const describedServices: Readonly<Record<ServiceName, DescService>> = {
  'dapr.proto.runtime.v1.Dapr': Dapr,
  'dapr.proto.runtime.v1.AppCallback': AppCallback,
  'dapr.proto.runtime.v1.AppCallbackHealthCheck': AppCallbackHealthCheck,
  'dapr.proto.runtime.v1.AppCallbackAlpha': AppCallbackAlpha,
  'spec.proto.runtime.v1.Runtime': Runtime,
  'spec.proto.runtime.v1.AppCallback': LayottoAppCallback,
  'spec.proto.runtime.v1.Lifecycle': Lifecycle,
  'spec.proto.extension.v1.s3.ObjectStorageService': ObjectStorageService,
  'spec.proto.extension.v1.cryption.CryptionService': CryptionService,
  'spec.proto.extension.v1.email.EmailService': EmailService,
  'spec.proto.extension.v1.sms.SmsService': SmsService,
  'spec.proto.extension.v1.phone.PhoneCallService': PhoneCallService,
  'spec.proto.extension.v1.delay_queue.DelayQueue': DelayQueue,
  'grpc.health.v1.Health': Health,
  'grpc.reflection.v1.ServerReflection': ServerReflection,
  'grpc.reflection.v1alpha.ServerReflection': ServerReflectionAlpha,
};
