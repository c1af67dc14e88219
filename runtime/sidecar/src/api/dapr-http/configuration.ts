/** Configuration on Dapr's HTTP API. Updates of a subscription are posted to the app until it unsubscribes. */
import type { AppChannel } from '../../app/channel.js';
import { whenReady } from '../../block/component-call.js';
import type { ConfigurationBlock } from '../../block/configuration.js';
import type { MaybePromise } from '../../block/context.js';
import { fail } from '../../errors.js';
import { itemJson, sendConfigurationUpdate } from './configuration-callback.js';
import type { HttpCall, HttpReply, HttpRoute } from './route.js';

/** undefined: there is no app to call. */
export type AppLookup = () => AppChannel | undefined;

function get(configuration: ConfigurationBlock, call: HttpCall): MaybePromise<HttpReply> {
  const { store = '' } = call.params;
  const selector = { keys: call.query.getAll('key'), metadata: call.metadata };
  return whenReady(configuration.get(store, selector, call.context), (items) => {
    if (items.length === 0) return { status: 204 };
    return { status: 200, body: Object.fromEntries(items.map((item) => [item.key, itemJson(item)])) };
  });
}

async function subscribe(
  configuration: ConfigurationBlock,
  app: AppChannel | undefined,
  call: HttpCall,
): Promise<HttpReply> {
  const { store = '' } = call.params;
  configuration.check(store);
  if (app === undefined) throw fail('CONFIGURATION_SUBSCRIBE_NO_APP');
  const selector = { keys: call.query.getAll('key'), metadata: call.metadata };
  const controller = new AbortController();
  let known = (_id: string): void => {};
  const id = new Promise<string>((resolve) => {
    known = resolve;
  });
  const subscription = await configuration.subscribe(
    store,
    selector,
    {
      deliver: async (changes) => {
        try {
          await sendConfigurationUpdate(app, store, await id, changes, controller.signal);
        } catch (error) {
          if (!controller.signal.aborted) throw error;
        }
      },
      ended: () => controller.abort(),
    },
    call.context,
  );
  known(subscription.id);
  return { status: 200, body: { id: subscription.id } };
}

async function unsubscribe(configuration: ConfigurationBlock, call: HttpCall): Promise<HttpReply> {
  const { store = '', id = '' } = call.params;
  configuration.check(store);
  if (await configuration.unsubscribe(id, store)) return { status: 200, body: { ok: true } };
  const message = `failed to unsubscribe to configuration request ${id}: subscription with id ${id} does not exist`;
  return { status: 500, body: { message } };
}

export function createConfigurationRoutes(configuration: ConfigurationBlock, app: AppLookup): HttpRoute[] {
  return ['v1.0', 'v1.0-alpha1'].flatMap((version): HttpRoute[] => {
    const common = { methods: ['GET'], api: 'configuration', version, body: 'none' } as const;
    const pattern = `/${version}/configuration/{store}`;
    return [
      { ...common, pattern, name: 'GetConfiguration', handle: (call) => get(configuration, call) },
      {
        ...common,
        pattern: `${pattern}/subscribe`,
        name: 'SubscribeConfiguration',
        handle: (call) => subscribe(configuration, app(), call),
      },
      {
        ...common,
        pattern: `${pattern}/{id}/unsubscribe`,
        name: 'UnsubscribeConfiguration',
        handle: (call) => unsubscribe(configuration, call),
      },
    ];
  });
}
