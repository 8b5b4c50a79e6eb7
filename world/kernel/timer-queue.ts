/** What rings at an instant; where instants are equal, in the order in which they were asked for. */
export interface Timer {
  readonly instant: number;
  readonly order: number;
  readonly callback: () => void;
}

/**
 * Timers by their instants: a binary heap in which every timer knows its place. Thousands wait in a burst, and most of
 * them (time-outs) are cancelled.
 */
export class TimerQueue {
  readonly #heap: Timer[] = [];
  readonly #places = new Map<Timer, number>();

  get first(): Timer | undefined {
    return this.#heap[0];
  }

  get length(): number {
    return this.#heap.length;
  }

  add(timer: Timer): void {
    this.#rise(timer, this.#heap.length);
  }

  /** Whether it was still waiting. */
  remove(timer: Timer): boolean {
    const place = this.#places.get(timer);
    if (place === undefined) return false;
    this.#places.delete(timer);
    const last = this.#heap.pop() as Timer;
    if (last === timer) return true;
    if (isBefore(last, timer)) this.#rise(last, place);
    else this.#sink(last, place);
    return true;
  }

  clear(): void {
    this.#heap.length = 0;
    this.#places.clear();
  }

  #rise(timer: Timer, from: number): void {
    let place = from;
    while (place > 0) {
      const above = (place - 1) >>> 1;
      const other = this.#heap[above] as Timer;
      if (isBefore(other, timer)) break;
      this.#put(other, place);
      place = above;
    }
    this.#put(timer, place);
  }

  #sink(timer: Timer, from: number): void {
    let place = from;
    for (let next = this.#earlierBelow(place); next; next = this.#earlierBelow(place)) {
      const [other, below] = next;
      if (isBefore(timer, other)) break;
      this.#put(other, place);
      place = below;
    }
    this.#put(timer, place);
  }

  #earlierBelow(place: number): [timer: Timer, place: number] | undefined {
    const left = 2 * place + 1;
    const [one, other] = [this.#heap[left], this.#heap[left + 1]];
    if (!one) return undefined;
    return other && isBefore(other, one) ? [other, left + 1] : [one, left];
  }

  #put(timer: Timer, place: number): void {
    this.#heap[place] = timer;
    this.#places.set(timer, place);
  }
}

function isBefore(one: Timer, other: Timer): boolean {
  return one.instant < other.instant || (one.instant === other.instant && one.order < other.order);
}
