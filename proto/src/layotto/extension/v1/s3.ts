/** `spec.proto.extension.v1.s3` of Layotto. */
export * from '../../../gen/spec/proto/extension/v1/s3/oss_pb.js';
