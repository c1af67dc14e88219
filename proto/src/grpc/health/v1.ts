/** `grpc.health.v1`: the health checking protocol. */
export * from '../../gen/grpc/health/v1/health_pb.js';
