/** `spec.proto.runtime.v1`: the services `Runtime`, `AppCallback`, `Lifecycle` of Layotto and their messages. */
export * from '../../gen/spec/proto/runtime/v1/appcallback_pb.js';
export * from '../../gen/spec/proto/runtime/v1/lifecycle_pb.js';
export * from '../../gen/spec/proto/runtime/v1/runtime_pb.js';
