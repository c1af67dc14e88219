/**
 * Configuration on Layotto's gRPC API: items have groups, labels and tags, and belong to an app id. One stream carries
 * any number of subscriptions; each request on it adds one, and they all end with it.
 */
import type { ConfigurationSelector, ConfigurationItem as Item } from '@outrigger/components-core';
import type { GrpcMethod, MessageSink, ServerCall } from '@outrigger/engine';
import type {
  ConfigurationItem,
  SubscribeConfigurationRequest,
  SubscribeConfigurationResponse,
} from '@outrigger/proto/layotto/runtime/v1';
import * as Runtime from '@outrigger/proto/layotto/runtime/v1/runtime';
import { whenReady } from '../../block/component-call.js';
import type { ConfigurationBlock, ConfigurationSubscription } from '../../block/configuration.js';
import { fail } from '../../errors.js';
import { contextOf } from '../dapr-grpc/context.js';
import { empty } from '../dapr-grpc/empty.js';
import { bidi, unary } from '../grpc-method.js';

/** Subscriptions of one stream. */
export const SUBSCRIPTIONS_PER_STREAM_MAX = 1_000;

interface Selection {
  readonly appId: string;
  readonly group?: string;
  readonly label?: string;
  readonly keys?: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** An empty app id reaches the items that belong to no app: those that Dapr's API sees. */
function selectorOf({ appId, group, label, keys, metadata }: Selection): ConfigurationSelector {
  return { appId: appId === '' ? undefined : appId, group, label, keys: keys ?? [], metadata };
}

function messageOf({ key, value, group, label, tags, metadata }: Item): ConfigurationItem {
  return {
    $typeName: 'spec.proto.runtime.v1.ConfigurationItem',
    key,
    content: value,
    group: group ?? '',
    label: label ?? '',
    tags: { ...tags },
    metadata: { ...metadata },
  };
}

export function createConfigurationMethods(configuration: ConfigurationBlock): GrpcMethod[] {
  async function subscribe(
    requests: AsyncIterable<SubscribeConfigurationRequest>,
    call: ServerCall,
    sink: MessageSink<SubscribeConfigurationResponse>,
  ): Promise<void> {
    const held: ConfigurationSubscription[] = [];
    try {
      for await (const request of requests) {
        const { storeName, appId } = request;
        if (held.length >= SUBSCRIPTIONS_PER_STREAM_MAX) {
          throw fail('CONFIGURATION_TOO_MANY_SUBSCRIPTIONS', {
            name: storeName,
            keys: `[${request.keys.join(' ')}]`,
            limit: SUBSCRIPTIONS_PER_STREAM_MAX,
          });
        }
        const deliver = async (items: readonly Item[]): Promise<void> => {
          // A stream that is gone ends the loop above, and with it every subscription.
          await Promise.resolve(
            sink.send({
              $typeName: 'spec.proto.runtime.v1.SubscribeConfigurationResponse',
              storeName,
              appId,
              items: items.map(messageOf),
            }),
          ).catch(() => {});
        };
        const context = contextOf(call, 'layotto-grpc');
        held.push(await configuration.subscribe(storeName, selectorOf(request), { deliver, ended: () => {} }, context));
      }
    } finally {
      await Promise.all(held.map((subscription) => subscription.close()));
    }
  }

  return [
    unary(Runtime.getConfiguration, (request, call) =>
      whenReady(
        configuration.get(request.storeName, selectorOf(request), contextOf(call, 'layotto-grpc')),
        (items) => ({
          $typeName: 'spec.proto.runtime.v1.GetConfigurationResponse' as const,
          items: items.map(messageOf),
        }),
      ),
    ),

    unary(Runtime.saveConfiguration, (request, call) => {
      const items = request.items.map(({ key, content, group, label, tags, metadata }) => ({
        key,
        value: content,
        group,
        label,
        tags,
        metadata,
      }));
      const context = contextOf(call, 'layotto-grpc');
      return empty(configuration.save(request.storeName, selectorOf(request), items, context));
    }),

    unary(Runtime.deleteConfiguration, (request, call) =>
      empty(configuration.remove(request.storeName, selectorOf(request), contextOf(call, 'layotto-grpc'))),
    ),

    bidi(Runtime.subscribeConfiguration, subscribe),
  ];
}
