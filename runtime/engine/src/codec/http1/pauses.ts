/** Counts pauses by reason: reading goes on when no reason is left. */
import type { PauseReason } from '../../network/transport.js';

const REASONS: Readonly<Record<PauseReason, number>> = { peer: 0, stream: 1, app: 2, limit: 3, handover: 4 };

export class Pauses {
  total = 0;
  private counts: number[] | null = null;

  add(reason: PauseReason): void {
    this.counts ??= [0, 0, 0, 0, 0];
    const index = REASONS[reason];
    this.counts[index] = (this.counts[index] as number) + 1;
    this.total++;
  }

  /** Without a matching `add` nothing happens. */
  remove(reason: PauseReason): void {
    if (this.counts === null) return;
    const index = REASONS[reason];
    const count = this.counts[index] as number;
    if (count === 0) return;
    this.counts[index] = count - 1;
    this.total--;
  }
}
