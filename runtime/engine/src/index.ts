export * from './base/bytes.js';
export * from './base/clock.js';
export * from './base/error.js';
export * from './base/fake-clock.js';
export * from './base/limits.js';
export * from './base/log.js';
export * from './base/system-clock.js';
export * from './client/channel.js';
export * from './client/http1-pool.js';
export * from './codec/bolt/protocol.js';
export * from './codec/dubbo/protocol.js';
export * from './codec/grpc/client.js';
export { deflate, inflateMessage } from './codec/grpc/compression.js';
export * from './codec/grpc/metadata.js';
export * from './codec/grpc/method.js';
export * from './codec/grpc/service.js';
export * from './codec/grpc/status.js';
export * from './codec/grpc/status-details.js';
export * from './codec/grpc/timeout.js';
export * from './codec/grpc/to-status.js';
export * from './codec/http/headers.js';
export * from './codec/http/respond.js';
export * from './codec/http/stream.js';
export * from './codec/http1/client-connection.js';
export * from './codec/http1/client-stream.js';
export * from './codec/http1/counters.js';
export type { Http1Failure } from './codec/http1/failure.js';
export { type Http1Limits, http1Limits } from './codec/http1/limits.js';
export * from './codec/http1/server-connection.js';
export * from './codec/http1/server-options.js';
export * from './codec/http1/server-stream.js';
export * from './codec/http2/client-connection.js';
export * from './codec/http2/counters.js';
export type { Http2Options } from './codec/http2/endpoint.js';
export * from './codec/http2/server-connection.js';
export * from './codec/tcp/tunnel.js';
export * from './codec/xprotocol/byte-budget.js';
export * from './codec/xprotocol/client-connection.js';
export * from './codec/xprotocol/counters.js';
export * from './codec/xprotocol/forwarder.js';
export * from './codec/xprotocol/frame.js';
export * from './codec/xprotocol/frame-reader.js';
export * from './codec/xprotocol/header-key.js';
export { type RpcKeepaliveOptions, rpcKeepalive } from './codec/xprotocol/keepalive.js';
export { type RpcLimits, rpcLimits } from './codec/xprotocol/limits.js';
export * from './codec/xprotocol/protocol.js';
export * from './codec/xprotocol/server-connection.js';
export * from './network/connect.js';
export * from './network/flusher.js';
export * from './network/listener.js';
export * from './network/memory-transport.js';
export * from './network/slab.js';
export * from './network/socket-transport.js';
export * from './network/tls.js';
export type {
  Pem,
  TlsClientOptions,
  TlsKeyPair,
  TlsMinVersion,
  TlsServerOptions,
} from './network/tls-options.js';
export * from './network/transport.js';
export * from './server/limits.js';
export * from './server/server.js';
