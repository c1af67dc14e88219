/** Peers in memory for the tests of connections: they speak whole frames, and every step is in the test's hand. */
import assert from 'node:assert/strict';
import { FakeClock } from '../../base/fake-clock.js';
import {
  createMemoryPair,
  type MemoryPair,
  type MemoryPairOptions,
  type MemoryTransport,
} from '../../network/memory-transport.js';
import type { Transport } from '../../network/transport.js';
import { type SeenFrame, seen } from './codec.test.support.js';
import { RpcForwarder, type RpcForwarderConfig } from './forwarder.js';
import { FrameReader } from './frame-reader.js';
import { describeFrameFault, type RpcProtocol } from './protocol.js';

/** One end of a connection, which reads frames and keeps them. */
export class FramePeer {
  readonly frames: SeenFrame[] = [];
  readonly transport: Transport;
  ended = false;
  /** Undefined while open; null after an orderly close. */
  closed: Error | null | undefined = undefined;
  fault: string | null = null;
  /** Told of each frame as it comes. */
  onFrame: (frame: SeenFrame) => void = () => {};

  constructor(protocol: RpcProtocol, transport: Transport) {
    this.transport = transport;
    const reader = new FrameReader(protocol, {
      onFrame: (frame) => {
        const one = seen(frame);
        this.frames.push(one);
        this.onFrame(one);
      },
      onFault: (fault) => {
        this.fault = describeFrameFault(fault);
      },
    });
    transport.receiver = {
      onBytes: (buffer, start, end) => reader.read(buffer, start, end),
      onDrain: () => {},
      onEnd: () => {
        this.ended = true;
      },
      onClose: (error) => {
        this.closed = error;
      },
    };
  }

  send(...frames: Buffer[]): void {
    for (const bytes of frames) {
      this.transport.slab.ensure(bytes.length);
      bytes.copy(this.transport.slab.buffer, this.transport.slab.end);
      this.transport.slab.end += bytes.length;
    }
    this.transport.markDirty();
  }

  /** Takes what came since the last call. */
  take(): SeenFrame[] {
    return this.frames.splice(0);
  }
}

/** What an upstream dial brings: a transport, or a reason why not; undefined = it stays open until `settle`. */
export type Dial = 'open' | 'refuse' | 'wait';

export class ForwarderBench {
  readonly clock: FakeClock = new FakeClock();
  readonly forwarder: RpcForwarder;
  /** The servers' ends, in the order they were dialled. */
  readonly servers: FramePeer[] = [];
  readonly pairs: MemoryPair[] = [];
  /** The forwarder's own ends. */
  readonly downstreamEnds: MemoryTransport[] = [];
  readonly upstreamEnds: MemoryTransport[] = [];
  dial: Dial = 'open';
  dials = 0;
  readonly #protocol: RpcProtocol;
  readonly #pairOptions: MemoryPairOptions;
  readonly #waiting: (() => void)[] = [];

  constructor(protocol: RpcProtocol, config: RpcForwarderConfig = {}, pairOptions: MemoryPairOptions = {}) {
    this.#protocol = protocol;
    this.#pairOptions = { manual: true, ...pairOptions };
    this.forwarder = new RpcForwarder(
      { keepalive: null, ...config },
      { protocol, clock: this.clock, dial: () => this.#onDial() },
    );
  }

  connect(): FramePeer {
    const pair = createMemoryPair(this.#pairOptions);
    this.pairs.push(pair);
    this.downstreamEnds.push(pair.server);
    this.forwarder.accept(pair.server);
    return new FramePeer(this.#protocol, pair.client);
  }

  /** Lets the dials that wait succeed. */
  settle(): void {
    for (const open of this.#waiting.splice(0)) open();
  }

  /** Moves bytes, and lets promises settle, until nothing moves any more. */
  async run(): Promise<void> {
    for (let i = 0; i < 4; i++) {
      for (const pair of this.pairs) pair.pump();
      await new Promise(setImmediate);
    }
    for (const pair of this.pairs) pair.pump();
  }

  async advance(ms: number): Promise<void> {
    this.clock.advance(ms);
    await this.run();
  }

  #onDial(): Promise<Transport> {
    this.dials++;
    if (this.dial === 'refuse') return Promise.reject(new Error('cannot connect to upstream:1: ECONNREFUSED'));
    const pair = createMemoryPair(this.#pairOptions);
    const open = (): Transport => {
      this.pairs.push(pair);
      this.upstreamEnds.push(pair.client);
      this.servers.push(new FramePeer(this.#protocol, pair.server));
      return pair.client;
    };
    if (this.dial === 'open') return Promise.resolve(open());
    return new Promise((resolve) => this.#waiting.push(() => resolve(open())));
  }
}

export function onlyOne<T>(list: readonly T[]): T {
  assert.equal(list.length, 1);
  return list[0] as T;
}
