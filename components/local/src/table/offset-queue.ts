/** Offsets waiting, the lowest first, each once: a heap, with the removed ones left in it until they come up. */

export class OffsetQueue {
  #heap: number[] = [];
  readonly #members = new Set<number>();

  get size(): number {
    return this.#members.size;
  }

  add(offset: number): void {
    if (this.#members.has(offset)) return;
    this.#members.add(offset);
    const heap = this.#heap;
    let index = heap.length;
    heap.push(offset);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (heap[parent]! <= offset) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = offset;
  }

  delete(offset: number): void {
    if (!this.#members.delete(offset) || this.#heap.length < 2 * this.#members.size + 1024) return;
    // A sorted list is a heap.
    this.#heap = [...this.#members].sort((left, right) => left - right);
  }

  /** The lowest; undefined when there is none. */
  first(): number | undefined {
    while (this.#heap.length > 0 && !this.#members.has(this.#heap[0]!)) this.#pop();
    return this.#heap[0];
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = index * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]! < heap[child]!) child++;
      if (heap[child]! >= last) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
  }
}
