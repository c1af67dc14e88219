/**
 * Endpoints of an external origin (`https://api.example.com:443`): its name is resolved here, once for each list, every
 * address is checked, and connections go to that address. No second look-up between the check and the connection, so
 * that a name cannot turn to another address in between (DNS rebinding).
 */
import { lookup as systemLookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Clock, Timer } from '@outrigger/engine';
import { METADATA_SCHEME, METADATA_SERVER_NAME } from '../stream/connectors.js';
import type { Endpoint, EndpointListener, EndpointSource, EndpointWatch } from './endpoint.js';
import { refusedAddress } from './refused-addresses.js';

/** Time after which a name in use is resolved anew. */
export const EXTERNAL_REFRESH_MS = 30_000;

/** Addresses of a host name; rejects with a sentence. */
export type HostLookup = (host: string) => Promise<readonly string[]>;

export interface ExternalSourceDeps {
  readonly clock: Clock;
  readonly lookup?: HostLookup;
}

const ORIGIN = /^(https?):\/\/(?:\[([^\]]+)\]|([^:/]+)):(\d+)$/;

const resolveBySystem: HostLookup = async (host) =>
  (await systemLookup(host, { all: true })).map(({ address }) => address);

class ExternalWatch implements EndpointWatch {
  readonly #origin: string;
  readonly #listener: EndpointListener;
  readonly #clock: Clock;
  readonly #lookup: HostLookup;
  #timer: Timer | undefined;
  #open = true;
  #told = false;

  constructor(origin: string, listener: EndpointListener, deps: ExternalSourceDeps) {
    this.#origin = origin;
    this.#listener = listener;
    this.#clock = deps.clock;
    this.#lookup = deps.lookup ?? resolveBySystem;
    void this.#resolve();
  }

  async #resolve(): Promise<void> {
    let endpoints: Endpoint[] = [];
    let problem: string | undefined;
    try {
      await null; // not before `watch` returned
      ({ endpoints, problem } = await this.#endpoints());
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error);
    }
    if (!this.#open) return;
    // A name server that is down does not take away what is known, the first answer excepted.
    if (endpoints.length > 0 || !this.#told) this.#listener.onEndpoints(endpoints);
    this.#told = this.#told || endpoints.length > 0;
    if (problem !== undefined) this.#listener.onError(problem);
    this.#timer = this.#clock.after(EXTERNAL_REFRESH_MS, () => void this.#resolve());
  }

  async #endpoints(): Promise<{ endpoints: Endpoint[]; problem: string | undefined }> {
    const parts = ORIGIN.exec(this.#origin);
    if (parts === null) throw new Error(`${this.#origin} is not an origin`);
    const [, scheme, v6, name, port] = parts as unknown as [
      string,
      string,
      string | undefined,
      string | undefined,
      string,
    ];
    const host = (v6 ?? name) as string;
    const addresses = isIP(host) !== 0 ? [host] : await this.#lookup(host);
    const endpoints: Endpoint[] = [];
    let problem: string | undefined;
    for (const address of addresses) {
      const why = refusedAddress(address);
      if (why !== null) {
        problem = `${host} is refused: ${why}`;
        continue;
      }
      endpoints.push({
        address: address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`,
        metadata: { [METADATA_SCHEME]: scheme, [METADATA_SERVER_NAME]: host },
      });
    }
    return { endpoints, problem };
  }

  close(): void {
    this.#open = false;
    this.#timer?.cancel();
  }
}

export function createExternalSource(deps: ExternalSourceDeps): EndpointSource {
  return { watch: (origin, listener) => new ExternalWatch(origin, listener, deps) };
}
