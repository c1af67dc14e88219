/** One line per API call, when asked for (--enable-api-logging, `logging.apiLogging`). */
export interface ApiLogging {
  readonly enabled: boolean;
  /** Names of APIs instead of paths: paths hold keys and ids. HTTP only, as in Dapr. */
  readonly obfuscateUrls: boolean;
  readonly omitHealthChecks: boolean;
}

export const noApiLogging: ApiLogging = { enabled: false, obfuscateUrls: false, omitHealthChecks: false };
