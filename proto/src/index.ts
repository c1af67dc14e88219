export * from './codec/codec-of.js';
export * from './codec/message-codec.js';
export * from './codec/methods.js';
export * from './codec/protobuf-codec.js';
