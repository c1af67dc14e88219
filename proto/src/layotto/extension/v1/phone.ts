/** `spec.proto.extension.v1.phone` of Layotto. */
export * from '../../../gen/spec/proto/extension/v1/phone/phone_pb.js';
