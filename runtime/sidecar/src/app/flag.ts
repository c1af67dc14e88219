/** A boolean that tells its listeners when it changes. */

export interface Flag {
  readonly value: boolean;
  /** Returns the function that ends it. */
  onChange(listener: (value: boolean) => void): () => void;
  /** Resolves at once when true, else when it next turns true; rejects with the signal's reason. */
  whenTrue(signal: AbortSignal): Promise<void>;
}

export class MutableFlag implements Flag {
  #value: boolean;
  readonly #listeners: Set<(value: boolean) => void> = new Set();

  constructor(value: boolean) {
    this.#value = value;
  }

  get value(): boolean {
    return this.#value;
  }

  set(value: boolean): void {
    if (value === this.#value) return;
    this.#value = value;
    for (const listener of [...this.#listeners]) {
      if (this.#value !== value) return;
      listener(value);
    }
  }

  onChange(listener: (value: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  whenTrue(signal: AbortSignal): Promise<void> {
    if (this.#value) return Promise.resolve();
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const end = this.onChange((value) => {
        if (!value) return;
        end();
        signal.removeEventListener('abort', onAbort);
        resolve();
      });
      const onAbort = (): void => {
        end();
        reject(signal.reason);
      };
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }
}
