/** `spec.proto.extension.v1.delay_queue` of Layotto. */
export * from '../../../gen/spec/proto/extension/v1/delay_queue/delay_queue_pb.js';
