/** `outrigger.v1`: Outrigger's own API. */
export * from '../gen/outrigger/v1/outrigger_pb.js';
