/** What is wrong with a document or an option: where, what, and how to mend it. */
import type { Origin } from './model.js';

/**
 * `error`: the configuration is refused (at a reload: the old one stays). `warning`: probably not what was meant.
 * `note`: understood, but without effect here; said so that it is never silent.
 */
export type Severity = 'error' | 'warning' | 'note';

export interface Problem {
  readonly severity: Severity;
  readonly origin: Origin;
  /** One sentence without the place. */
  readonly message: string;
}

/** More problems than this are counted, not kept: a file of another kind would otherwise yield one per line. */
export const PROBLEMS_MAX = 100;

const LEFT_OUT = '; the document is left out';

/** `resources/state.yaml:12:5`, `flag --app-id`. */
export function originText(origin: Origin): string {
  if (origin.line === undefined) return origin.source;
  return `${origin.source}:${origin.line}:${origin.column ?? 1}`;
}

/** `resources/state.yaml:12:5: error: unknown key "metdata" in spec; did you mean "metadata"?` */
export function problemText(problem: Problem): string {
  return `${originText(problem.origin)}: ${problem.severity}: ${problem.message}`;
}

export class Problems {
  readonly list: Problem[] = [];
  /** Problems beyond PROBLEMS_MAX. */
  dropped = 0;
  /** Files with documents that cannot be used and are left out. */
  readonly leftOut: Set<string> = new Set();
  #errors = 0;

  add(severity: Severity, origin: Origin, message: string): void {
    if (severity === 'error') this.#errors++;
    if (this.list.length >= PROBLEMS_MAX) this.dropped++;
    else this.list.push({ severity, origin, message });
  }

  error(origin: Origin, message: string): void {
    this.add('error', origin, message);
  }

  warning(origin: Origin, message: string): void {
    this.add('warning', origin, message);
  }

  /** A document that cannot be used is no reason to refuse the others (Dapr's manner). */
  leaveOut(origin: Origin, message: string): void {
    this.leftOut.add(origin.source);
    this.warning(origin, `${message}${LEFT_OUT}`);
  }

  note(origin: Origin, message: string): void {
    this.add('note', origin, message);
  }

  addAll(others: Problems): void {
    for (const { severity, origin, message } of others.list) this.add(severity, origin, message);
    this.dropped += others.dropped;
    for (const source of others.leftOut) this.leftOut.add(source);
  }

  /** What was wrong with the documents of `source` that were left out. */
  reasons(source: string): Problem[] {
    return this.list
      .filter(({ origin, message }) => origin.source === source && message.endsWith(LEFT_OUT))
      .map((problem) => ({ ...problem, message: problem.message.slice(0, -LEFT_OUT.length) }));
  }

  get hasErrors(): boolean {
    return this.#errors > 0;
  }
}

/** Thrown when a configuration cannot work. `message` is the first error, so that a last log line says the reason. */
export class ConfigError extends Error {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    const errors = problems.filter((problem) => problem.severity === 'error');
    const [first] = errors;
    const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
    super(
      first === undefined ? 'the configuration is refused' : `${originText(first.origin)}: ${first.message}${more}`,
    );
    this.name = 'ConfigError';
    this.problems = problems;
  }

  static of(origin: Origin, message: string): ConfigError {
    return new ConfigError([{ severity: 'error', origin, message }]);
  }
}
