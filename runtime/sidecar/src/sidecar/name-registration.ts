/** Makes this sidecar findable under its app id for as long as it takes calls. */
import type { AppEndpoint, NameResolver } from '@outrigger/components-core';
import type { Clock, Logger, Timer } from '@outrigger/engine';
import type { MaybePromise } from '../block/context.js';
import type { ComponentRegistry } from '../component/registry.js';

/** Wait before a registration that failed is tried again. */
const RETRY_MS = 1_000;
/** A registry that does not answer keeps a stop no longer than this; the connection that closes says the same. */
const UNREGISTER_MS = 1_000;

/** The name resolver in force. Throws a sentence when there is none. */
export function nameResolver(registry: ComponentRegistry): MaybePromise<NameResolver> {
  const [entry] = registry.listKind('nameresolution');
  if (entry === undefined) throw new Error('no name resolution component is declared, so that no app can be found');
  return entry.ready();
}

export interface NameRegistration {
  /** Resolves when the app id has been registered for the first time. */
  readonly registered: Promise<void>;
  /** Nobody finds this sidecar any more. Never rejects. */
  end(): Promise<void>;
}

export interface NameRegistrationDeps {
  readonly registry: ComponentRegistry;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Registers, again whenever the resolver is replaced, and until `end`. */
export function registerName(endpoint: AppEndpoint, { registry, clock, log }: NameRegistrationDeps): NameRegistration {
  let ended = false;
  let retry: Timer | undefined;
  /** The resolver that may know this sidecar. */
  let told: NameResolver | undefined;
  /** Said in the log already: an outage is one line, not one each second. */
  let said: string | undefined;
  let done = (): void => {};
  const registered = new Promise<void>((resolve) => {
    done = resolve;
  });

  const attempt = async (): Promise<void> => {
    retry?.cancel();
    retry = undefined;
    if (ended) return;
    try {
      const resolver = await nameResolver(registry);
      if (ended) return;
      told = resolver;
      await resolver.register(endpoint);
      if (said !== undefined) log.info(`app id ${endpoint.appId} is registered`);
      said = undefined;
      done();
    } catch (error) {
      if (ended) return;
      const reason = error instanceof Error ? error.message : String(error);
      const level = reason === said ? 'debug' : 'warn';
      said = reason;
      log[level](
        { appId: endpoint.appId },
        `app id ${endpoint.appId} could not be registered, trying again: ${reason}`,
      );
      retry = clock.after(RETRY_MS, () => void attempt());
    }
  };
  const stopListening = registry.onChange(({ kind, what }) => {
    if (kind === 'nameresolution' && what === 'ready') void attempt();
  });
  void attempt();

  return {
    registered,
    end: async () => {
      ended = true;
      stopListening();
      retry?.cancel();
      const resolver = told;
      if (resolver === undefined) return;
      const unregistered = (async () => resolver.unregister(endpoint.instanceId))().catch((error: unknown) => {
        log.debug({ err: error }, 'the app id was not registered when it should end');
      });
      await new Promise<void>((resolve) => {
        const timer = clock.after(UNREGISTER_MS, resolve);
        void unregistered.then(() => {
          timer.cancel();
          resolve();
        });
      });
    },
  };
}
