/** Waits before a message is delivered again, for pub/sub components that schedule redelivery themselves. */

/** A consumer that gives a message back without deciding waits this long before it may get it again. */
export const abandonDelayMs = 100;
const redeliveryMsMin = 100;
const redeliveryMsMax = 10_000;

/** When the block names no delay: 100 ms, doubled with every attempt, at most 10 s; a failing app never makes a hot loop. */
export function redeliveryDelayMs(attempt: number): number {
  return Math.min(redeliveryMsMin * 2 ** Math.min(attempt - 1, 10), redeliveryMsMax);
}
