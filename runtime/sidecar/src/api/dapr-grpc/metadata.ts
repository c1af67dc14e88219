/** Metadata and shutdown on Dapr's gRPC API. */
import { create } from '@bufbuild/protobuf';
import type { GrpcMethod } from '@outrigger/engine';
import { methodsOf } from '@outrigger/proto';
import {
  ActorRuntime_ActorRuntimeStatus,
  Dapr,
  type GetMetadataResponse,
  GetMetadataResponseSchema,
  PubsubSubscriptionType,
} from '@outrigger/proto/dapr/runtime/v1';
import type { MetadataBlock, SidecarMetadata, SubscriptionInfo } from '../../block/metadata.js';
import type { ShutdownBlock } from '../../block/shutdown.js';
import { appConnection } from '../app-connection.js';
import { unary } from '../grpc-method.js';
import { empty } from './empty.js';

const SUBSCRIPTION_TYPES: Readonly<Record<SubscriptionInfo['type'], PubsubSubscriptionType>> = {
  declarative: PubsubSubscriptionType.DECLARATIVE,
  programmatic: PubsubSubscriptionType.PROGRAMMATIC,
  streaming: PubsubSubscriptionType.STREAMING,
};

export function metadataMessage(metadata: SidecarMetadata): GetMetadataResponse {
  const named = (names: readonly string[]): { name: string }[] => names.map((name) => ({ name }));
  return create(GetMetadataResponseSchema, {
    id: metadata.id,
    runtimeVersion: metadata.runtimeVersion,
    enabledFeatures: [...metadata.enabledFeatures],
    registeredComponents: metadata.components.map((component) => ({
      ...component,
      capabilities: [...component.capabilities],
    })),
    extendedMetadata: { ...metadata.extended },
    subscriptions: metadata.subscriptions.map((subscription) => ({
      pubsubName: subscription.pubsubName,
      topic: subscription.topic,
      metadata: { ...subscription.metadata },
      rules: { rules: subscription.rules.map(({ match, path }) => ({ match, path })) },
      deadLetterTopic: subscription.deadLetterTopic,
      type: SUBSCRIPTION_TYPES[subscription.type],
    })),
    httpEndpoints: named(metadata.httpEndpoints),
    resiliencies: named(metadata.resiliencies),
    appConnectionProperties: appConnection(metadata.app),
    actorRuntime: { runtimeStatus: ActorRuntime_ActorRuntimeStatus.DISABLED, hostReady: false },
  });
}

export function createMetadataMethods(metadata: MetadataBlock): GrpcMethod[] {
  const methods = methodsOf(Dapr);
  return [
    unary(methods.getMetadata, () => metadataMessage(metadata.get())),
    unary(methods.setMetadata, ({ key, value }) => {
      metadata.set(key, value);
      return empty(undefined);
    }),
  ];
}

/** `dapr-force-shutdown: true` in the call's metadata ends the sidecar at once. */
export function createShutdownMethods(shutdown: ShutdownBlock): GrpcMethod[] {
  return [
    unary(methodsOf(Dapr).shutdown, (_, call) => {
      const force = call.metadata.getAll('dapr-force-shutdown').some((value) => value.toLowerCase() === 'true');
      shutdown.request({ force });
      return empty(undefined);
    }),
  ];
}
