/** Where the sidecars of a namespace are found. Local: a registry in the shared folder, no multicast, no DNS. */
import type { Component, MaybePromise } from './component.js';

/** One reachable sidecar (internal port) of an app. */
export interface AppEndpoint {
  readonly appId: string;
  readonly instanceId: string;
  /** `127.0.0.1:4100` or `unix:/path`. */
  readonly address: string;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface NameWatch {
  close(): MaybePromise<void>;
}

export interface NameResolver extends Component {
  /** Makes this sidecar findable until `close`, or until the process dies. */
  register(endpoint: AppEndpoint): Promise<void>;
  unregister(instanceId: string): Promise<void>;
  /** Endpoints that are alive now; empty when the app is not known. */
  resolve(appId: string): MaybePromise<readonly AppEndpoint[]>;
  /** Calls back with the whole list, at first and after every change. */
  watch(appId: string, onChange: (endpoints: readonly AppEndpoint[]) => void): Promise<NameWatch>;
  /** Every app that is alive (`outrigger ls`). */
  list(): MaybePromise<readonly AppEndpoint[]>;
}
