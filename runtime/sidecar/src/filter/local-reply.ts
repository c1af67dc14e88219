/** Hands an answer that no upstream gave to whoever waits for one. */
import type { ClientReceiver, ResponseHead } from '@outrigger/engine';

/** Later, when the caller holds its stream; all in one piece. */
export function deliverReply(receiver: ClientReceiver, head: ResponseHead, body: Uint8Array | undefined): void {
  queueMicrotask(() => {
    const empty = body === undefined || body.length === 0;
    receiver.onHead(head, empty);
    if (empty) return;
    const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    receiver.onData(bytes, 0, bytes.length);
    receiver.onEnd(null);
  });
}
