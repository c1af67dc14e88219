/**
 * The way from the sidecar to its app, whatever the app speaks. Built once per process; applies app-max-concurrency, the
 * app's API token and health in one place, so that deliveries, invokes and configuration callbacks need not.
 */
import type { GrpcClient, HttpOpener } from '@outrigger/engine';
import type { AppProtocol } from '../config/options.js';

export interface AppChannel extends HttpOpener {
  readonly protocol: AppProtocol;
  readonly address: string;
  /** Calls AppCallback services; undefined for HTTP apps. */
  readonly grpc: GrpcClient | undefined;
  /** False while app health checks say so; deliveries and input stop meanwhile. True when no checks are configured. */
  readonly healthy: boolean;
  /** Called on every change of `healthy`; returns the function that ends it. */
  onHealth(listener: (healthy: boolean) => void): () => void;
  /**
   * Whether input (events, bindings, configuration updates) may be sent: the app's port accepted a connection, no call
   * since then was refused, and the app is healthy. While it is false input waits: nothing is rejected or dead-lettered.
   */
  readonly receptive: boolean;
  onReceptive(listener: (receptive: boolean) => void): () => void;
  /** Whether the app accepts a connection right now; when not, the same as `unreachable`. */
  listens(): Promise<boolean>;
  /** A call could not reach the app: `receptive` turns false until the port accepts a connection again. */
  unreachable(): void;
  /** Resolves when the app's port first accepts a connection (and is healthy, with checks on). */
  ready(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}
