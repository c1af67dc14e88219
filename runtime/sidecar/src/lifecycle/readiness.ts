/**
 * What is still missing until the sidecar may be used, and since when. Surfaces read it: `/v1.0/healthz` is everything
 * (`ready`), `/v1.0/healthz/outbound` what the app needs to call out (`outboundReady`): never the app itself, so that the two
 * do not wait for one another.
 */
import type { Clock } from '@outrigger/engine';

export interface Missing {
  readonly name: string;
  /** One sentence; may change while it is missing. */
  readonly reason: string;
  /** Clock time. */
  readonly since: number;
  readonly outbound: boolean;
}

export interface Gate {
  /** What it waits for, for people. */
  because(reason: string): void;
  open(): void;
  /** Missing again, such as an app that is not healthy any more. */
  shut(reason: string): void;
}

export interface Readiness {
  /** Everything is there and the sidecar is not stopping. */
  readonly ready: boolean;
  /** The app may call out; stays true while draining, as long as the API answers. */
  readonly outboundReady: boolean;
  readonly stopping: boolean;
  readonly missing: readonly Missing[];
  /** Something to wait for; closed at first. `outbound`: the app cannot call out without it. */
  gate(name: string, options: { readonly outbound: boolean; readonly reason: string }): Gate;
  /** Not ready any more, for good. */
  stop(): void;
  /** The API is closing: not even outbound. */
  close(): void;
  /** Called when `ready` or `outboundReady` changes; returns the function that ends it. */
  onChange(listener: () => void): () => void;
}

export function createReadiness(clock: Clock): Readiness {
  const missing = new Map<string, Missing>();
  const listeners = new Set<() => void>();
  let stopping = false;
  let closed = false;
  let outboundMissing = 0;
  let shown = '';

  const changed = (): void => {
    const now = `${readiness.ready} ${readiness.outboundReady}`;
    if (now === shown) return;
    shown = now;
    for (const listener of listeners) listener();
  };
  const readiness: Readiness = {
    get ready() {
      return missing.size === 0 && !stopping;
    },
    get outboundReady() {
      return outboundMissing === 0 && !closed;
    },
    get stopping() {
      return stopping;
    },
    get missing() {
      return [...missing.values()];
    },
    gate(name, { outbound, reason: first }) {
      const shut = (reason: string): void => {
        if (!missing.has(name) && outbound) outboundMissing++;
        missing.set(name, { name, reason, outbound, since: missing.get(name)?.since ?? clock.now() });
        changed();
      };
      shut(first);
      return {
        shut,
        because: (reason) => {
          if (missing.has(name)) shut(reason);
        },
        open: () => {
          if (!missing.delete(name)) return;
          if (outbound) outboundMissing--;
          changed();
        },
      };
    },
    stop() {
      stopping = true;
      changed();
    },
    close() {
      stopping = closed = true;
      changed();
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  shown = `${readiness.ready} ${readiness.outboundReady}`;
  return readiness;
}
