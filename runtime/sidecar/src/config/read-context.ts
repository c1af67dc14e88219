/** How strictly documents are read: one place decides what is an error and what a warning (D1). */
import type { Dialect } from '../block/context.js';
import type { Origin } from './model.js';
import type { Problems, Severity } from './problem.js';

export interface ReadContext {
  readonly problems: Problems;
  /** `daprd` keeps Dapr's manner: an unknown key is a warning. */
  readonly unknownKeys: Severity;
  /**
   * A document that cannot be used (wrong types, missing values) refuses the whole configuration, or is left out with a
   * warning, as Dapr does with documents of a resources folder.
   */
  readonly unusable: 'refuse' | 'leave-out';
  readonly dialect: Dialect;
  /** Component types that exist; undefined: not checked while reading (`daprd` fails when it creates them, as Dapr does). */
  readonly types: KnownTypes | undefined;
}

/** What the catalog knows, by shape: config stands right of it. */
export interface KnownTypes {
  readonly types: readonly string[];
  /** undefined: there is no such type. */
  versionsOf(type: string): readonly string[] | undefined;
}

/** A value of the wrong type or a missing one: the document cannot be used. */
export function reportUnusable(context: ReadContext, origin: Origin, message: string): void {
  if (context.unusable === 'refuse') context.problems.error(origin, message);
  else context.problems.leaveOut(origin, message);
}
