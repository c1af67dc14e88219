/** What the commands end with; docs/COMMANDS.md has the same list. */
export const EXIT = {
  ok: 0,
  /** It failed while working; the last line says why. */
  failed: 1,
  /** The command line cannot be understood. */
  usage: 2,
  /** Flags, environment or documents cannot be used. */
  config: 3,
  /** There is no such app or component type. */
  notFound: 4,
  /** `run`: the command cannot be executed, or there is none of that name (as shells report it). */
  notExecutable: 126,
  commandNotFound: 127,
} as const;
