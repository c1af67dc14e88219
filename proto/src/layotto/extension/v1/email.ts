/** `spec.proto.extension.v1.email` of Layotto. */
export * from '../../../gen/spec/proto/extension/v1/email/email_pb.js';
