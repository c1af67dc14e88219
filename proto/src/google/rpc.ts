/** `google.rpc`: status codes, the error model of gRPC, and its standard details. */
export * from '../gen/google/rpc/code_pb.js';
export * from '../gen/google/rpc/error_details_pb.js';
export * from '../gen/google/rpc/status_pb.js';
