/** Prints rows of measurements with the ratio to the peer of the same run, and whether the target holds. */
import { type Measured, median } from './contender.js';

export interface Row {
  readonly work: string;
  readonly ours: Measured[];
  readonly peer: Measured[];
  /** Largest ratio of CPU per request, ours to the peer's. */
  readonly target: number;
}

const figure = (values: readonly number[], digits = 1): string => {
  const [low, middle, high] = [Math.min(...values), median(values), Math.max(...values)];
  return `${middle.toFixed(digits)} [${low.toFixed(digits)}–${high.toFixed(digits)}]`;
};

/** The median of the ratios of each round; ratios hold where absolute figures of a shared machine do not. */
export const ratioOf = (row: Row): number =>
  median(row.ours.map((ours, round) => ours.cpuUs / (row.peer[round] as Measured).cpuUs));

export function printTable(title: string, peerName: string, rows: readonly Row[]): void {
  console.log(`\n${title}\n`);
  console.log(
    `| work | ours, CPU µs | ${peerName}, CPU µs | ratio | target | p50 µs ours / peer | p99 µs ours / peer |`,
  );
  console.log('|---|---|---|---|---|---|---|');
  for (const row of rows) {
    const ratio = ratioOf(row);
    const column = (pick: (measured: Measured) => number): string =>
      `${median(row.ours.map(pick)).toFixed(0)} / ${median(row.peer.map(pick)).toFixed(0)}`;
    console.log(
      `| ${row.work} | ${figure(row.ours.map(({ cpuUs }) => cpuUs))} | ${figure(row.peer.map(({ cpuUs }) => cpuUs))} | ${ratio.toFixed(2)} | ≤ ${row.target} ${
        ratio <= row.target ? 'met' : 'MISSED'
      } | ${column(({ p50Us }) => p50Us)} | ${column(({ p99Us }) => p99Us)} |`,
    );
  }
}
