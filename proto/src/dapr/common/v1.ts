/** `dapr.proto.common.v1`: what the services of Dapr share. */
export * from '../../gen/dapr/proto/common/v1/common_pb.js';
