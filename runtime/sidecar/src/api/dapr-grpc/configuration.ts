/** Configuration on Dapr's gRPC API. A subscription lives as long as its stream; its first message carries the id. */
import type { ConfigurationItem as Item } from '@outrigger/components-core';
import type { GrpcMethod, MessageSink, ServerCall } from '@outrigger/engine';
import type { ConfigurationItem } from '@outrigger/proto/dapr/common/v1';
import type {
  GetConfigurationRequest,
  GetConfigurationResponse,
  SubscribeConfigurationRequest,
  SubscribeConfigurationResponse,
  UnsubscribeConfigurationRequest,
  UnsubscribeConfigurationResponse,
} from '@outrigger/proto/dapr/runtime/v1';
import * as Dapr from '@outrigger/proto/dapr/runtime/v1/dapr';
import { whenReady } from '../../block/component-call.js';
import type { ConfigurationBlock } from '../../block/configuration.js';
import type { MaybePromise } from '../../block/context.js';
import { serverStream, unary } from '../grpc-method.js';
import { contextOf } from './context.js';

function itemsOf(items: readonly Item[]): Record<string, ConfigurationItem> {
  return Object.fromEntries(
    items.map(({ key, value, version, metadata }) => [
      key,
      { $typeName: 'dapr.proto.common.v1.ConfigurationItem' as const, value, version, metadata },
    ]),
  );
}

function updateOf(id: string, items: readonly Item[]): SubscribeConfigurationResponse {
  return { $typeName: 'dapr.proto.runtime.v1.SubscribeConfigurationResponse', id, items: itemsOf(items) };
}

export function createConfigurationMethods(configuration: ConfigurationBlock): GrpcMethod[] {
  const get = (request: GetConfigurationRequest, call: ServerCall): MaybePromise<GetConfigurationResponse> => {
    const { storeName, keys, metadata } = request;
    return whenReady(configuration.get(storeName, { keys, metadata }, contextOf(call)), (items) => ({
      $typeName: 'dapr.proto.runtime.v1.GetConfigurationResponse',
      items: itemsOf(items),
    }));
  };

  const subscribe = async (
    request: SubscribeConfigurationRequest,
    call: ServerCall,
    sink: MessageSink<SubscribeConfigurationResponse>,
  ): Promise<void> => {
    const { storeName, keys, metadata } = request;
    let ended = (): void => {};
    const end = new Promise<void>((resolve) => {
      ended = resolve;
    });
    let announced = (): void => {};
    const announcement = new Promise<void>((resolve) => {
      announced = resolve;
    });
    const subscription = await configuration.subscribe(
      storeName,
      { keys: [...keys].sort(), metadata },
      {
        deliver: async (changes) => {
          await announcement;
          try {
            await sink.send(updateOf(subscription.id, changes));
          } catch {
            // The stream is gone; its signal says so, too.
            await subscription.close();
          }
        },
        ended,
      },
      contextOf(call),
    );
    const close = (): void => void subscription.close();
    call.signal.addEventListener('abort', close, { once: true });
    if (call.signal.aborted) close();
    else await sink.send(updateOf(subscription.id, []));
    announced();
    await end;
    call.signal.removeEventListener('abort', close);
  };

  const unsubscribe = async ({ id }: UnsubscribeConfigurationRequest): Promise<UnsubscribeConfigurationResponse> => {
    const ok = await configuration.unsubscribe(id);
    const message = ok ? '' : `failed to unsubscribe to configuration request ${id}: subscription does not exist`;
    return { $typeName: 'dapr.proto.runtime.v1.UnsubscribeConfigurationResponse', ok, message };
  };

  return [
    unary(Dapr.getConfiguration, get),
    unary(Dapr.getConfigurationAlpha1, get),
    serverStream(Dapr.subscribeConfiguration, subscribe),
    serverStream(Dapr.subscribeConfigurationAlpha1, subscribe),
    unary(Dapr.unsubscribeConfiguration, unsubscribe),
    unary(Dapr.unsubscribeConfigurationAlpha1, unsubscribe),
  ];
}
