/** Messages on their way into an async iterable: a push waits while the one before has not been taken. */
export class MessageQueue<T> implements AsyncIterable<T> {
  readonly #waiting: { readonly message: T; readonly taken: () => void }[] = [];
  #ended = false;
  #wake: (() => void) | undefined;

  /** Resolves when the reader took the message. Messages pushed after the end are dropped. */
  push(message: T): Promise<void> {
    if (this.#ended) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting.push({ message, taken: resolve });
      this.#wake?.();
    });
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    for (;;) {
      const next = this.#waiting.shift();
      if (next !== undefined) {
        next.taken();
        yield next.message;
        continue;
      }
      if (this.#ended) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }
}
