/** What documents and flags have to say, in the log, which has the severity beside the line. */
import type { Logger } from '@outrigger/engine';
import { originText, type Problem } from '../config/problem.js';

const LEVELS = { error: 'error', warning: 'warn', note: 'info' } as const;

/** One by one, but flags without effect in one line. */
export function logProblems(problems: readonly Problem[], log: Logger): void {
  const withoutEffect: string[] = [];
  for (const { severity, origin, message } of problems) {
    const effect = /^(--\S+) has no effect: (.*)$/.exec(message);
    if (severity === 'note' && effect !== null) withoutEffect.push(`${effect[1]} (${effect[2]})`);
    else log[LEVELS[severity]](`${originText(origin)}: ${message}`);
  }
  if (withoutEffect.length > 0) log.info(`flags without effect here: ${withoutEffect.join(', ')}`);
}
