/** The part of pino's interface that Outrigger uses: fields first, then one sentence. */
export interface LogMethod {
  (fields: object, sentence: string): void;
  (sentence: string): void;
}

export interface Logger {
  trace: LogMethod;
  debug: LogMethod;
  info: LogMethod;
  warn: LogMethod;
  error: LogMethod;
  fatal: LogMethod;
  /** A logger whose lines carry `bindings` as well, usually `{ scope: '<room>' }`. */
  child(bindings: object): Logger;
}

const nothing = (): void => {};

/** Drops every line: the default of the library, and of unit tests. */
export const silentLogger: Logger = {
  trace: nothing,
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  fatal: nothing,
  child: () => silentLogger,
};
