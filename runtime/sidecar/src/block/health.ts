/**
 * Whether the sidecar is ready: `/v1.0/healthz` (everything the sidecar starts) and `/v1.0/healthz/outbound` (enough to
 * call out, before the app is up). Each part that starts registers a target and reports on it, as in Dapr.
 */
import { fail } from '../errors.js';

export interface HealthTarget {
  ready(): void;
  notReady(): void;
}

export interface HealthBlock {
  /** A part of the sidecar, not ready at first. `outbound` parts count for both questions. */
  target(name: string, options?: { readonly outbound?: boolean }): HealthTarget;
  readonly isReady: boolean;
  readonly isOutboundReady: boolean;
  /** Throws HEALTH_NOT_READY, or HEALTH_APP_ID_MISMATCH when an app id was asked for and this is another. */
  check(appId: string | undefined): void;
  /** Throws HEALTH_OUTBOUND_NOT_READY. */
  checkOutbound(): void;
}

export function createHealthBlock(deps: { readonly appId: string }): HealthBlock {
  const targets = new Set<symbol>();
  const outboundTargets = new Set<symbol>();
  const unready = new Map<symbol, string>();

  const noneUnready = (wanted: ReadonlySet<symbol>): boolean =>
    wanted.size > 0 && ![...unready.keys()].some((id) => wanted.has(id));

  return {
    target(name, options) {
      const id = Symbol(name);
      targets.add(id);
      if (options?.outbound === true) outboundTargets.add(id);
      unready.set(id, name);
      return { ready: () => unready.delete(id), notReady: () => unready.set(id, name) };
    },
    get isReady() {
      return noneUnready(targets);
    },
    get isOutboundReady() {
      return noneUnready(outboundTargets);
    },
    check(appId) {
      if (!this.isReady) throw fail('HEALTH_NOT_READY', { targets: `[${[...unready.values()].join(' ')}]` });
      if (appId !== undefined && appId !== deps.appId) throw fail('HEALTH_APP_ID_MISMATCH');
    },
    checkOutbound() {
      if (!this.isOutboundReady) throw fail('HEALTH_OUTBOUND_NOT_READY');
    },
  };
}
