/** A stream whose answer is known before anything is sent: takes the request in and drops it. */
import type { ClientReceiver, ClientStream, ResponseHead } from '@outrigger/engine';

export class AnsweredStream implements ClientStream {
  readonly protocol = 'h2' as const;
  readonly writable = true;
  #receiver: ClientReceiver | null;

  constructor(receiver: ClientReceiver, head: ResponseHead) {
    this.#receiver = receiver;
    // Not before `open` returned: the caller does not hold its stream yet.
    queueMicrotask(() => {
      const told = this.#receiver;
      this.#receiver = null;
      told?.onHead(head, true);
    });
  }

  write(): boolean {
    return true;
  }
  end(): void {}
  reset(): void {
    this.#receiver = null;
  }
  pause(): void {}
  resume(): void {}
}
