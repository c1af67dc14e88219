/** Metadata and shutdown on Dapr's gRPC API. */
import type { GrpcMethod } from '@outrigger/engine';
import type {
  AppConnectionProperties as AppConnectionMessage,
  GetMetadataResponse,
  PubsubSubscription,
} from '@outrigger/proto/dapr/runtime/v1';
import * as Dapr from '@outrigger/proto/dapr/runtime/v1/dapr';
import { ActorRuntime_ActorRuntimeStatus, PubsubSubscriptionType } from '@outrigger/proto/dapr/runtime/v1/enums';
import type { MetadataBlock, SidecarMetadata, SubscriptionInfo } from '../../block/metadata.js';
import type { ShutdownBlock } from '../../block/shutdown.js';
import { type AppConnectionProperties, appConnection } from '../app-connection.js';
import { unary } from '../grpc-method.js';
import { empty } from './empty.js';

const SUBSCRIPTION_TYPES: Readonly<Record<SubscriptionInfo['type'], PubsubSubscriptionType>> = {
  declarative: PubsubSubscriptionType.DECLARATIVE,
  programmatic: PubsubSubscriptionType.PROGRAMMATIC,
  streaming: PubsubSubscriptionType.STREAMING,
};

export function metadataMessage(metadata: SidecarMetadata): GetMetadataResponse {
  return {
    $typeName: 'dapr.proto.runtime.v1.GetMetadataResponse',
    id: metadata.id,
    runtimeVersion: metadata.runtimeVersion,
    enabledFeatures: [...metadata.enabledFeatures],
    activeActorsCount: [],
    registeredComponents: metadata.components.map((component) => ({
      $typeName: 'dapr.proto.runtime.v1.RegisteredComponents',
      ...component,
      capabilities: [...component.capabilities],
    })),
    extendedMetadata: { ...metadata.extended },
    subscriptions: metadata.subscriptions.map(subscriptionMessage),
    httpEndpoints: metadata.httpEndpoints.map((name) => ({
      $typeName: 'dapr.proto.runtime.v1.MetadataHTTPEndpoint',
      name,
    })),
    resiliencies: metadata.resiliencies.map((name) => ({
      $typeName: 'dapr.proto.runtime.v1.MetadataResiliency',
      name,
    })),
    appConnectionProperties: connectionMessage(appConnection(metadata.app)),
    actorRuntime: {
      $typeName: 'dapr.proto.runtime.v1.ActorRuntime',
      runtimeStatus: ActorRuntime_ActorRuntimeStatus.DISABLED,
      activeActors: [],
      hostReady: false,
      placement: '',
    },
    mcpServers: [],
    workflowAccessPolicies: [],
  };
}

function subscriptionMessage(subscription: SubscriptionInfo): PubsubSubscription {
  return {
    $typeName: 'dapr.proto.runtime.v1.PubsubSubscription',
    pubsubName: subscription.pubsubName,
    topic: subscription.topic,
    metadata: { ...subscription.metadata },
    rules: {
      $typeName: 'dapr.proto.runtime.v1.PubsubSubscriptionRules',
      rules: subscription.rules.map(({ match, path }) => ({
        $typeName: 'dapr.proto.runtime.v1.PubsubSubscriptionRule',
        match,
        path,
      })),
    },
    deadLetterTopic: subscription.deadLetterTopic,
    type: SUBSCRIPTION_TYPES[subscription.type],
  };
}

function connectionMessage({ health, ...app }: AppConnectionProperties): AppConnectionMessage {
  return {
    $typeName: 'dapr.proto.runtime.v1.AppConnectionProperties',
    ...app,
    ...(health === undefined
      ? {}
      : { health: { $typeName: 'dapr.proto.runtime.v1.AppConnectionHealthProperties', ...health } }),
  };
}

export function createMetadataMethods(metadata: MetadataBlock): GrpcMethod[] {
  return [
    unary(Dapr.getMetadata, () => metadataMessage(metadata.get())),
    unary(Dapr.setMetadata, ({ key, value }) => {
      metadata.set(key, value);
      return empty(undefined);
    }),
  ];
}

/** `dapr-force-shutdown: true` in the call's metadata ends the sidecar at once. */
export function createShutdownMethods(shutdown: ShutdownBlock): GrpcMethod[] {
  return [
    unary(Dapr.shutdown, (_, call) => {
      const force = call.metadata.getAll('dapr-force-shutdown').some((value) => value.toLowerCase() === 'true');
      shutdown.request({ force });
      return empty(undefined);
    }),
  ];
}
