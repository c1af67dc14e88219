/** `spec.proto.extension.v1.sms` of Layotto. */
export * from '../../../gen/spec/proto/extension/v1/sms/sms_pb.js';
