/**
 * The conformance suites: one per contract, built on node:test. An implementation's test file calls them with a function
 * that opens one; parts that depend on a feature run where `features` has it.
 */
export * from './configuration.js';
export * from './fixture.js';
export * from './lock.js';
export * from './names.js';
export * from './pubsub.js';
export * from './secret.js';
export * from './sequencer.js';
export * from './state.js';
