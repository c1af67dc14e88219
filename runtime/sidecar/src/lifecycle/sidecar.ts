/** One sidecar in this process, as the commands see it. `createSidecar` of `sidecar.ts` makes it. */
import type { Clock, Logger } from '@outrigger/engine';
import type { SidecarOptions } from '../config/options.js';
import type { ResourceStore } from '../config/resource-store.js';

export type BoundAddress = { readonly host: string; readonly port: number } | { readonly path: string };

/** Where it listens in fact: a port 0 of the options is a real one here. undefined: switched off. */
export interface SidecarAddresses {
  readonly daprHttp: BoundAddress | undefined;
  readonly daprGrpc: BoundAddress | undefined;
  readonly layottoGrpc: BoundAddress | undefined;
  readonly internal: BoundAddress | undefined;
  readonly metrics: BoundAddress | undefined;
}

/** Why a sidecar ends by itself. */
export type SidecarEnd =
  /** The shutdown API, or the admin socket. */
  { readonly kind: 'asked' } | { readonly kind: 'fatal'; readonly error: Error };

export interface StopOptions {
  /** Resolves when the app has gone: the API stays open for it until then, within the deadline. */
  readonly appGone?: Promise<void>;
}

export interface Sidecar {
  /** Effective after `start`. */
  readonly addresses: SidecarAddresses;
  /** Resolves when the APIs answer; does not wait for components or for the app. Rejects when a port is taken. */
  start(): Promise<void>;
  /** Stops in stages (see stages.ts); resolves when everything is closed. Idempotent. */
  stop(options?: StopOptions): Promise<void>;
  /** Called once when the sidecar must end; who started it then calls `stop`. */
  onEnd(listener: (end: SidecarEnd) => void): void;
  /** Reads documents again (SIGHUP). */
  reload(): Promise<void>;
  /** More for `outrigger ls -o json`: components with their stages, readiness. Plain JSON, no secrets. */
  status(): Record<string, unknown>;
}

export interface SidecarDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Documents that were read already; without it the sidecar reads what the options name. */
  readonly resources?: ResourceStore;
}

export type CreateSidecar = (options: SidecarOptions, deps: SidecarDeps) => Sidecar;

export function portOf(address: BoundAddress | undefined): number | undefined {
  return address !== undefined && 'port' in address ? address.port : undefined;
}

/** `127.0.0.1:3500`, `unix:/tmp/x.sock`. */
export function addressText(address: BoundAddress): string {
  if ('path' in address) return `unix:${address.path}`;
  const host = address.host === '' ? '*' : address.host.includes(':') ? `[${address.host}]` : address.host;
  return `${host}:${address.port}`;
}
