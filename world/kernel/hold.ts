import type { Clock } from './clock.ts';

/**
 * A hold on the clock that its owner can let go of for a while. A handler whose API call is answered late waits for
 * time to pass: were its hold kept, a virtual clock would stand still for ever.
 */
export class Hold {
  readonly #clock: Clock;
  #release: () => void;
  #waits = 0;
  #ended = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#release = clock.hold();
  }

  /** Lets time pass until as many `takeBack()` have come. */
  letGo(): void {
    this.#waits++;
    this.#release();
  }

  takeBack(): void {
    this.#waits--;
    if (this.#waits === 0 && !this.#ended) this.#release = this.#clock.hold();
  }

  end(): void {
    this.#ended = true;
    this.#release();
  }
}

/** Waits on the clock while none of `holds` stops it; they hold again in the very instant at which the wait is over. */
export function waitWithout(holds: readonly Hold[], clock: Clock, milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    clock.at(clock.now() + milliseconds, () => {
      for (const hold of holds) hold.takeBack();
      resolve();
    });
    for (const hold of holds) hold.letGo();
  });
}
