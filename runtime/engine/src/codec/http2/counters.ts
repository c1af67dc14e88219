/** What happened on HTTP/2 connections; plain numbers that a registry reads when it is scraped. */
export class Http2Counters {
  connections = 0;
  connectionsOpen = 0;
  streams = 0;
  streamsOpen = 0;
  streamsRefused = 0;
  resetsSent = 0;
  resetsReceived = 0;
  /** Connections we ended for breaking the protocol. */
  protocolErrors = 0;
  /** Connections we ended with ENHANCE_YOUR_CALM. */
  floods = 0;
  /** Requests whose fields were malformed. */
  malformed = 0;
  keepaliveTimeouts = 0;
}
