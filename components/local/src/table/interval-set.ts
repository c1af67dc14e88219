/** A set of whole numbers that holds long runs in little room: the settled offsets of a consumer. */

export class IntervalSet {
  /** First and one behind the last of each run, flat, ascending, runs never touching. */
  #bounds: number[] = [];

  static of(bounds: readonly number[]): IntervalSet {
    const set = new IntervalSet();
    for (let index = 0; index + 1 < bounds.length; index += 2) set.addRange(bounds[index]!, bounds[index + 1]!);
    return set;
  }

  /** Index of the first bound that is greater than `value`; odd: the value is inside a run. */
  #after(value: number): number {
    let low = 0;
    let high = this.#bounds.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#bounds[middle]! > value) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  has(value: number): boolean {
    return this.#after(value) % 2 === 1;
  }

  add(value: number): void {
    this.addRange(value, value + 1);
  }

  /** Adds first … end - 1. */
  addRange(first: number, end: number): void {
    if (end <= first) return;
    // Runs that touch or overlap are swallowed.
    let from = this.#after(first - 1);
    let start = first;
    if (from % 2 === 1) start = this.#bounds[--from]!;
    let to = this.#after(end);
    let stop = end;
    if (to % 2 === 1) stop = this.#bounds[to++]!;
    this.#bounds.splice(from, to - from, start, stop);
  }

  /** The first number from `value` on that is not in the set. */
  gap(value: number): number {
    const after = this.#after(value);
    return after % 2 === 1 ? this.#bounds[after]! : value;
  }

  get bounds(): readonly number[] {
    return this.#bounds;
  }
}
