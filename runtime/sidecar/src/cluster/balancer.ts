/** Chooses a host on an immutable snapshot. `tried`: hosts of this request's failed attempts, avoided while others exist. */
import type { Host } from './host.js';

export interface Balancer {
  choose(hosts: readonly Host[], tried: readonly Host[] | null): Host | null;
}

export type BalancerName = 'round-robin' | 'least-request' | 'random';

const untried = (hosts: readonly Host[], tried: readonly Host[] | null): readonly Host[] => {
  if (tried === null || tried.length === 0) return hosts;
  const left = hosts.filter((host) => !tried.includes(host));
  return left.length === 0 ? hosts : left;
};

/** Each in turn, from a random start so that many sidecars do not all begin with the same host. */
export function roundRobin(random: () => number): Balancer {
  let next = Math.floor(random() * 0x10000);
  return {
    choose(hosts, tried) {
      const from = untried(hosts, tried);
      if (from.length === 0) return null;
      // A retry takes no turn, or a host that fails would come up first every time.
      if (from === hosts) next = (next + 1) >>> 0;
      return from[next % from.length] as Host;
    },
  };
}

/** The less busy of two random hosts: nearly as even as looking at all of them, at a constant cost. */
export function leastRequest(random: () => number): Balancer {
  return {
    choose(hosts, tried) {
      const from = untried(hosts, tried);
      if (from.length <= 1) return from[0] ?? null;
      const first = Math.floor(random() * from.length);
      const step = 1 + Math.floor(random() * (from.length - 1));
      const a = from[first] as Host;
      const b = from[(first + step) % from.length] as Host;
      return b.active < a.active ? b : a;
    },
  };
}

export function randomChoice(random: () => number): Balancer {
  return {
    choose(hosts, tried) {
      const from = untried(hosts, tried);
      return from[Math.floor(random() * from.length)] ?? null;
    },
  };
}

export function createBalancer(name: BalancerName, random: () => number): Balancer {
  if (name === 'least-request') return leastRequest(random);
  if (name === 'random') return randomChoice(random);
  return roundRobin(random);
}
