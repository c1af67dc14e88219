/** `spec.proto.extension.v1.cryption` of Layotto. */
export * from '../../../gen/spec/proto/extension/v1/cryption/cryption_pb.js';
