/**
 * Which requests of which participant have been applied. A participant sends again what was not answered when its owner
 * went; what is found here is answered as before and not applied twice.
 */
import type { ComponentClock } from '@outrigger/components-core';
import { participantIdleMs, participantsMax, requestsMax } from '../limits.js';
import type { LogRecord, Origin } from '../record.js';

interface Participant {
  /** Requests below it were answered. */
  floor: number;
  readonly applied: Map<number, number>;
  connections: number;
  idleSinceMs: number;
}

export class RequestTable {
  readonly #clock: ComponentClock;
  readonly #participants = new Map<string, Participant>();

  constructor(clock: ComponentClock) {
    this.#clock = clock;
  }

  /** What the request was answered with, when it has been applied. */
  result(origin: Pick<Origin, 'participant' | 'request'>): number | undefined {
    return this.#participants.get(origin.participant)?.applied.get(origin.request);
  }

  /** Remembers an applied request, and forgets those that were answered meanwhile. */
  apply(origin: Origin): void {
    const participant = this.#of(origin.participant);
    this.#raise(participant, origin.floor);
    if (origin.request < participant.floor) return;
    participant.applied.set(origin.request, origin.result);
    // A participant has no more open requests than this; one that claims more loses the protection of the oldest.
    if (participant.applied.size <= requestsMax) return;
    const [oldest] = participant.applied.keys();
    participant.applied.delete(oldest!);
  }

  /** The batch of the request failed. */
  revoke(origin: Origin): void {
    this.#participants.get(origin.participant)?.applied.delete(origin.request);
  }

  restore(record: {
    participant: string;
    floor: number;
    applied: readonly { request: number; result: number }[];
  }): void {
    const participant = this.#of(record.participant);
    this.#raise(participant, record.floor);
    for (const { request, result } of record.applied) {
      if (request >= participant.floor) participant.applied.set(request, result);
    }
  }

  connected(participant: string): void {
    this.#of(participant).connections++;
  }

  disconnected(participant: string): void {
    const found = this.#of(participant);
    found.connections--;
    found.idleSinceMs = this.#clock.wallMs();
  }

  *snapshot(): Generator<LogRecord> {
    this.#prune();
    for (const [participant, { floor, applied }] of this.#participants) {
      if (applied.size === 0) continue;
      yield {
        kind: 'participant',
        participant,
        floor,
        applied: [...applied].map(([request, result]) => ({ request, result })),
      };
    }
  }

  #of(name: string): Participant {
    let participant = this.#participants.get(name);
    if (participant !== undefined) return participant;
    if (this.#participants.size >= participantsMax) this.#prune();
    participant = { floor: 0, applied: new Map(), connections: 0, idleSinceMs: this.#clock.wallMs() };
    this.#participants.set(name, participant);
    return participant;
  }

  #raise(participant: Participant, floor: number): void {
    if (floor <= participant.floor) return;
    const skipped = floor - participant.floor;
    participant.floor = floor;
    if (skipped <= participant.applied.size) {
      for (let request = floor - skipped; request < floor; request++) participant.applied.delete(request);
      return;
    }
    for (const request of participant.applied.keys()) if (request < floor) participant.applied.delete(request);
  }

  /** Forgets participants that went long ago; when there are too many, those that went first. */
  #prune(): void {
    const now = this.#clock.wallMs();
    const idle = [...this.#participants].filter(([, { connections }]) => connections === 0);
    idle.sort(([, left], [, right]) => left.idleSinceMs - right.idleSinceMs);
    let surplus = this.#participants.size - participantsMax + 1;
    for (const [name, { idleSinceMs }] of idle) {
      if (surplus <= 0 && idleSinceMs + participantIdleMs > now) return;
      this.#participants.delete(name);
      surplus--;
    }
  }
}
