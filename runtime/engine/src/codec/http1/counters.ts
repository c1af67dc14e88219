/** What happened on HTTP/1.1 server connections; plain numbers that a registry reads when it is scraped. */
export class Http1Counters {
  connections = 0;
  connectionsOpen = 0;
  requests = 0;
  requestsOpen = 0;
  /** Requests refused for breaking the protocol or a limit. */
  refused = 0;
  /** Heads, bodies and readers that took too long. */
  timeouts = 0;
}
