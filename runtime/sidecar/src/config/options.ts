/**
 * What one sidecar process was told: flags > environment > documents > defaults (D1). The command lines (`outrigger start`,
 * `outrigger run`, `daprd`, `layotto start`) all end in this one object; `createSidecar` takes nothing else.
 */

export type AppProtocol = 'http' | 'https' | 'h2c' | 'grpc' | 'grpcs';

export interface ListenAddress {
  /** '' listens on every address, IPv6 and IPv4. */
  readonly host: string;
  /** Further hosts that listen on the same port (--dapr-listen-addresses names several). */
  readonly otherHosts?: readonly string[];
  /** 0 takes a free port; the effective one is in `Sidecar.addresses`. */
  readonly port: number;
}

export interface AppOptions {
  /** undefined: no app channel; the app only calls. */
  readonly port: number | undefined;
  readonly host: string;
  readonly protocol: AppProtocol;
  /** 0: no limit. */
  readonly concurrencyMax: number;
  readonly healthCheck:
    | undefined
    | {
        readonly path: string;
        readonly intervalMs: number;
        readonly timeoutMs: number;
        /** Failures in a row until the app counts as unhealthy. */
        readonly threshold: number;
      };
  /** Sent to the app as `dapr-api-token` (APP_API_TOKEN). */
  readonly apiToken: string | undefined;
  /** What the app is not asked for at start (--disable-init-endpoints). */
  readonly disabledInitEndpoints: readonly ('config' | 'subscribe')[];
}

export interface SidecarOptions {
  /** `daprd` relaxes unknown keys to warnings and keeps Dapr's fatal-at-start rules. */
  readonly personality: 'outrigger' | 'daprd' | 'layotto';
  readonly appId: string;
  readonly namespace: string;
  /** True when somebody named the namespace: documents of other namespaces are then not for us. */
  readonly namespaceGiven: boolean;
  readonly app: AppOptions;
  /** Each surface can be switched off. */
  readonly daprGrpc: ListenAddress | { readonly path: string } | undefined;
  readonly daprHttp: ListenAddress | { readonly path: string } | undefined;
  readonly layottoGrpc: ListenAddress | { readonly path: string } | undefined;
  /** Sidecar to sidecar. */
  readonly internal: ListenAddress;
  readonly metrics: ListenAddress | undefined;
  readonly resourcePaths: readonly string[];
  /** Dapr Configuration documents given by --config. */
  readonly configPaths: readonly string[];
  /** MOSN/Layotto JSON whose runtime part declares components. */
  readonly layottoConfigPath: string | undefined;
  /** Adds the embedded components for blocks that no document declares (D13); off under `daprd` and `layotto`. */
  readonly embeddedDefaults: boolean;
  /** Clients must send it as `dapr-api-token` (DAPR_API_TOKEN). */
  readonly apiToken: string | undefined;
  /** `$OUTRIGGER_HOME`; works with no HOME. */
  readonly homeDir: string;
  readonly stateDir: string | undefined;
  /** One limit for both directions and every surface (default 4 MiB). */
  readonly messageBytesMax: number;
  readonly httpHeaderBytesMax: number;
  readonly gracefulShutdownMs: number;
  /** Wait this long for the app to go before the drain begins (--dapr-block-shutdown-duration). */
  readonly blockShutdownMs: number;
  /** Origins that a browser page may call from; `*` is daprd's default. */
  readonly allowedOrigins: readonly string[];
  /** Hosts that invoke may call by absolute URL; undefined: every one but link-local and metadata addresses. */
  readonly invokeExternalHosts: readonly string[] | undefined;
  readonly logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';
  readonly logAsJson: boolean;
  readonly apiLogging: boolean;
  /** Poll or watch resource folders and apply changes. */
  readonly reload: boolean;
  /** Folders are looked at this often beside being watched: a watch can miss an event. */
  readonly reloadIntervalMs: number;
  /** A component that is not ready after its initTimeout ends the process (Dapr's rule) unless it has ignoreErrors. */
  readonly unhealthyInitFatal: boolean;
}
