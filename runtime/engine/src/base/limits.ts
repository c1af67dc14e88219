/** Every limit of the engine, by name, with its default. A peer may be hostile: nothing grows without one of these. */

export interface TransportLimits {
  /** Bytes waiting for the kernel above which `writable` is false. */
  readonly highWaterBytes: number;
  /** Bytes waiting for the kernel under which `onDrain` follows. */
  readonly lowWaterBytes: number;
  /** Bytes waiting for the kernel above which the connection is destroyed: its codec went on writing regardless. */
  readonly bufferedBytesMax: number;
}

export const transportLimits: TransportLimits = {
  highWaterBytes: 256 * 1024,
  lowWaterBytes: 64 * 1024,
  bufferedBytesMax: 32 * 1024 * 1024,
};

/** Size of the read buffer that all sockets of a thread share. */
export const READ_BUFFER_BYTES: number = 64 * 1024;
/** Size of a pooled output slab; a transport that writes more at once gets a larger one for that flush only. */
export const SLAB_BYTES: number = 64 * 1024;
/** Slabs kept for reuse per thread: 4 MiB. */
export const SLABS_FREE_MAX: number = 64;
/** A slab that has grown to this is written at once instead of at the end of the turn. */
export const FLUSH_BYTES: number = 64 * 1024;
