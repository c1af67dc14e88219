/**
 * Which callback service an app serves (D13): the dialects are tried in order, the first that does not answer
 * UNIMPLEMENTED is kept. The dialects themselves (messages, method names) are handed in: this room knows none.
 */
import { GrpcCode, GrpcStatusError } from '@outrigger/engine';

/** Thrown or returned by nobody but `DialectProbe`: no dialect implements the method. */
export const UNIMPLEMENTED: unique symbol = Symbol('unimplemented');

export function isUnimplemented(error: unknown): boolean {
  return error instanceof GrpcStatusError && error.code === GrpcCode.UNIMPLEMENTED;
}

export class DialectProbe<D> {
  readonly #dialects: readonly D[];
  #kept: D | undefined;

  /** `dialects` in the order to try. */
  constructor(dialects: readonly D[]) {
    this.#dialects = dialects;
  }

  /** The dialect found, if one has answered yet. */
  get kept(): D | undefined {
    return this.#kept;
  }

  /** The app may be another one now: probe again. */
  forget(): void {
    this.#kept = undefined;
  }

  /** Runs `call` with the kept dialect, or with each until one answers. Errors other than UNIMPLEMENTED are answers. */
  async run<T>(call: (dialect: D) => Promise<T>): Promise<T | typeof UNIMPLEMENTED> {
    const candidates = this.#kept === undefined ? this.#dialects : [this.#kept];
    for (const dialect of candidates) {
      try {
        const answer = await call(dialect);
        this.#kept = dialect;
        return answer;
      } catch (error) {
        if (isUnimplemented(error)) continue;
        // Only an answer of the app settles the dialect: a connection that failed says nothing about it.
        if (error instanceof GrpcStatusError && error.reset === undefined) {
          this.#kept = dialect;
        }
        throw error;
      }
    }
    return UNIMPLEMENTED;
  }
}
