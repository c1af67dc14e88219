/** Operations on names: nothing of them is written. */
import type { Engine } from './engine.js';
import { type Handler, mustName } from './handlers.js';

type NamesOperation = 'names.register' | 'names.unregister' | 'names.watch';

export function namesHandlers(engine: Engine): { readonly [O in NamesOperation]: Handler<O> } {
  const { registry } = engine;
  return {
    'names.register': (endpoint, session) => {
      mustName('app id', endpoint.appId);
      mustName('instance id', endpoint.instanceId);
      mustName('address', endpoint.address);
      registry.register(endpoint, session.peer.participant);
      return undefined;
    },
    'names.unregister': ({ instanceId }, session) => {
      registry.unregister(instanceId, session.peer.participant);
      return undefined;
    },
    'names.watch': (_request, session) => {
      if (session.names !== undefined) registry.unwatch(session.names);
      session.names = { changed: (registrations) => session.peer.push('names', { registrations }) };
      registry.watch(session.names);
      return undefined;
    },
  };
}
