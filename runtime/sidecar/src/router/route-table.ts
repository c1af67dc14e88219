/** Virtual hosts by name. A change of configuration makes a new table; requests under way keep the routes they have. */
import type { RequestHead } from '@outrigger/engine';
import type { Route, VirtualHost } from './route.js';

/** Virtual hosts made on demand that a table remembers; beyond it the memory starts anew. */
export const REMEMBERED_MAX = 10_000;

/** Makes the virtual host of a name that no document lists, such as an app id; undefined: there is none. */
export type VirtualHostFactory = (name: string) => VirtualHost | undefined;

export class RouteTable {
  readonly #listed: ReadonlyMap<string, VirtualHost>;
  readonly #make: VirtualHostFactory;
  #made: Map<string, VirtualHost> = new Map();

  constructor(virtualHosts: readonly VirtualHost[], make: VirtualHostFactory = () => undefined) {
    this.#listed = new Map(virtualHosts.map((host) => [host.name, host]));
    this.#make = make;
  }

  virtualHost(name: string): VirtualHost | undefined {
    return this.#listed.get(name) ?? this.#made.get(name) ?? this.#remember(name);
  }

  match(name: string, head: RequestHead): Route | undefined {
    const host = this.virtualHost(name);
    if (host === undefined) return undefined;
    for (const { match, route } of host.rules) if (match === null || match(head)) return route;
    return undefined;
  }

  #remember(name: string): VirtualHost | undefined {
    const host = this.#make(name);
    if (host === undefined) return undefined;
    if (this.#made.size >= REMEMBERED_MAX) this.#made = new Map();
    this.#made.set(name, host);
    return host;
  }
}
