/** What happened to frames and requests; plain numbers that a registry reads when it is scraped. */
export class RpcCounters {
  connections = 0;
  connectionsOpen = 0;
  requests = 0;
  oneways = 0;
  responses = 0;
  /** Responses that report a failure, by meaning. */
  responsesFailed = 0;
  /** Requests answered here, with an error of the protocol's own. */
  failures = 0;
  timeouts = 0;
  /** Oneway requests that could not be sent on; nobody can be told. */
  onewaysDropped = 0;
  /** Responses whose request was given up or answered before, and such as nobody asked for. */
  responsesLate = 0;
  /** Responses whose caller is gone. */
  responsesUnwanted = 0;
  heartbeats = 0;
  /** How often a caller was not read for a while: it took no answers, had too much pending, or an upstream was full. */
  pausesByPeer = 0;
  pausesByLimit = 0;
  pausesByUpstream = 0;
  /** Connections ended because their bytes could not be read. */
  faults = 0;
  upstreamConnections = 0;
  upstreamConnectionsOpen = 0;
  upstreamConnectFailures = 0;
}
