/** Turns a handler that sends into an iterable that is asked: one message waits, as connect's back-pressure wants. */
import { GrpcCode, GrpcStatusError, type MessageSink } from '@outrigger/engine';

interface Waiting {
  readonly message: unknown;
  readonly taken: () => void;
}

/** Ends with the handler, and at once when `signal` aborts: it throws the signal's reason then. */
export async function* sentMessages(
  run: (sink: MessageSink<unknown>) => Promise<void>,
  signal: AbortSignal,
): AsyncGenerator<unknown> {
  const waiting: Waiting[] = [];
  let wake = (): void => {};
  let finished = false;
  let failure: unknown;
  const finish = (error?: unknown): void => {
    if (finished) return;
    finished = true;
    failure = error;
    wake();
  };
  const aborted = (): void => finish(signal.reason ?? new GrpcStatusError(GrpcCode.CANCELLED, 'the call has ended'));
  const sink: MessageSink<unknown> = {
    send(message) {
      if (finished) {
        // A rejection, so that a loop over an endless source ends; caught, because not everybody looks at it.
        const gone = Promise.reject(new GrpcStatusError(GrpcCode.CANCELLED, 'the call has ended'));
        gone.catch(() => {});
        return gone;
      }
      return new Promise((taken) => {
        waiting.push({ message, taken });
        wake();
      });
    },
  };
  signal.addEventListener('abort', aborted, { once: true });
  if (signal.aborted) aborted();
  else {
    void run(sink).then(
      () => finish(),
      (error: unknown) => finish(error ?? new Error('the handler failed without a reason')),
    );
  }
  try {
    for (;;) {
      const next = signal.aborted ? undefined : waiting.shift();
      if (next !== undefined) {
        try {
          yield next.message;
        } finally {
          next.taken();
        }
        continue;
      }
      if (finished) break;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    finished = true;
    signal.removeEventListener('abort', aborted);
    for (const { taken } of waiting) taken();
  }
  if (failure !== undefined) throw failure;
}
