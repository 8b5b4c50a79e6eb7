import type { Clock } from './clock.ts';

/** Timers with names on the world's clock: setting one again replaces it. */
export class Timers {
  readonly #clock: Clock;
  readonly #cancel = new Map<string, () => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  set(name: string, seconds: number, callback: () => void): void {
    this.cancel(name);
    const cancel = this.#clock.at(this.#clock.now() + seconds * 1000, () => {
      this.#cancel.delete(name);
      callback();
    });
    this.#cancel.set(name, cancel);
  }

  cancel(name: string): void {
    this.#cancel.get(name)?.();
    this.#cancel.delete(name);
  }
}
