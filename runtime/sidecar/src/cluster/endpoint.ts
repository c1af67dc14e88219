/** Where the hosts of a cluster come from: a name resolver, a file, DNS, xDS later. All of them push whole lists. */

/** One address that serves the cluster: `127.0.0.1:4100`, `[::1]:4100` or `unix:/path`. */
export interface Endpoint {
  readonly address: string;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface EndpointListener {
  /** The whole list, at first and after every change; empty when nothing serves the name. */
  onEndpoints(endpoints: readonly Endpoint[]): void;
  /** The source cannot tell at present. What it told before stays in use. */
  onError(message: string): void;
}

export interface EndpointWatch {
  close(): void;
}

export interface EndpointSource {
  /** Never calls the listener before it returns, nor after the watch was closed. */
  watch(name: string, listener: EndpointListener): EndpointWatch;
}

/** A list that does not change. */
export function staticSource(endpoints: readonly Endpoint[]): EndpointSource {
  return {
    watch(_name, listener) {
      let open = true;
      queueMicrotask(() => {
        if (open) listener.onEndpoints(endpoints);
      });
      return {
        close() {
          open = false;
        },
      };
    },
  };
}
