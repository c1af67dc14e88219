/** The sidecar as a library: for tests, and for programs that carry their sidecar in-process. */
export type * from './lifecycle/sidecar.js';
export { createSidecar } from './sidecar/create-sidecar.js';
export { PortError, type PortName } from './sidecar/ports.js';
