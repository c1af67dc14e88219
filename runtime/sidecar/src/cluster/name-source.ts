/** Endpoints of an app id, from the name resolver component: the internal ports of the sidecars beside that app. */
import type { NameResolver, NameWatch } from '@outrigger/components-core';
import type { Clock, Logger, Timer } from '@outrigger/engine';
import type { EndpointListener, EndpointSource, EndpointWatch } from './endpoint.js';

/** Wait before a watch that failed is tried again. */
const REWATCH_MS = 1000;

export interface NameSourceDeps {
  /** The resolver when it is ready; rejects or throws a sentence when there is none. */
  readonly resolver: () => NameResolver | Promise<NameResolver>;
  readonly clock: Clock;
  readonly log: Logger;
}

class NameEndpointWatch implements EndpointWatch {
  readonly #deps: NameSourceDeps;
  readonly #appId: string;
  readonly #listener: EndpointListener;
  #open = true;
  #watch: NameWatch | undefined;
  #timer: Timer | undefined;
  /** Said in the log already: an outage is one line, not one each second. */
  #said: string | undefined;

  constructor(appId: string, listener: EndpointListener, deps: NameSourceDeps) {
    this.#appId = appId;
    this.#listener = listener;
    this.#deps = deps;
    void this.#begin();
  }

  async #begin(): Promise<void> {
    try {
      await null; // not before `watch` returned
      const resolver = await this.#deps.resolver();
      if (!this.#open) return;
      const watch = await resolver.watch(this.#appId, (found) => {
        if (!this.#open) return;
        this.#listener.onEndpoints(found.map(({ address, metadata }) => ({ address, metadata })));
      });
      if (!this.#open) await watch.close();
      else this.#watch = watch;
      this.#said = undefined;
    } catch (error) {
      if (!this.#open) return;
      const message = error instanceof Error ? error.message : String(error);
      const level = message === this.#said ? 'debug' : 'warn';
      this.#said = message;
      this.#deps.log[level]({ appId: this.#appId }, `name resolution failed, trying again: ${message}`);
      this.#listener.onError(message);
      this.#timer = this.#deps.clock.after(REWATCH_MS, () => void this.#begin());
    }
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#timer?.cancel();
    const watch = this.#watch;
    this.#watch = undefined;
    if (watch === undefined) return;
    Promise.resolve()
      .then(() => watch.close())
      .catch((error: unknown) => this.#deps.log.warn({ appId: this.#appId, err: error }, 'cannot end a name watch'));
  }
}

export function createNameSource(deps: NameSourceDeps): EndpointSource {
  return { watch: (appId, listener) => new NameEndpointWatch(appId, listener, deps) };
}
