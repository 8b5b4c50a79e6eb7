import { type Timer, TimerQueue } from './timer-queue.ts';

/**
 * The one clock of the local world. Every wait, time-out, rate and life cycle in `local/` reads this clock and no other,
 * so that an hour of maintenance takes a moment, and so that a test decides when time passes.
 *
 *   speed Infinity   virtual: time jumps to the next timer, and only while `run()` is awaited
 *   speed 1          the wall clock
 *   speed N          N times as fast as the wall clock
 *
 * With a grain, what falls due within it happens at once, at its end, as it does where many machines work side by side:
 * a crowd of a thousand is then played as a crowd, and not one after the other.
 *
 * At every speed but 1, time stands still while a caller holds the clock. A task in flight does: its handler runs in
 * real time, and a cold import must not look like an hour of work. Nor does time pass what is due: a busy process that
 * wakes late is late in no one's world.
 */
export interface Clock {
  /** The instant it is, in milliseconds since the epoch. */
  now(): number;
  /** Calls back once when `instant` (milliseconds since the epoch) is reached; the answer cancels. Equal instants keep their order. */
  at(instant: number, callback: () => void): () => void;
  /** Resolves after `milliseconds`; rejects with the signal's reason when it aborts first. */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
  /** Stops time until the answer is called (once; further calls do nothing). */
  hold(): () => void;
}

export class WorldClock implements Clock {
  readonly speed: number;
  readonly #grainMilliseconds: number | undefined;
  #instant: number;
  #readAt = performance.now();
  #holds = 0;
  #order = 0;
  #running = 0;
  #wake: NodeJS.Timeout | NodeJS.Immediate | undefined;
  #closed = false;
  readonly #timers = new TimerQueue();
  readonly #idle = new Set<() => void>();

  constructor(options: { speed: number; start?: Date; grainMilliseconds?: number }) {
    if (!(options.speed > 0)) throw new RangeError(`A clock's speed is more than 0, not ${options.speed}.`);
    this.speed = options.speed;
    this.#grainMilliseconds = options.grainMilliseconds;
    this.#instant = (options.start ?? new Date()).getTime();
  }

  now(): number {
    if (this.speed === 1) return this.#instant + (performance.now() - this.#readAt);
    if (this.speed === Number.POSITIVE_INFINITY || this.#holds > 0) return this.#instant;
    const reached = this.#instant + (performance.now() - this.#readAt) * this.speed;
    return Math.max(this.#instant, Math.min(reached, this.#timers.first?.instant ?? reached));
  }

  at(instant: number, callback: () => void): () => void {
    // One such timer would stop all the others, or take virtual time to its end.
    if (!Number.isFinite(instant)) throw new RangeError(`A timer's instant is a finite number, not ${instant}.`);
    const timer = { instant, order: this.#order++, callback };
    this.#timers.add(timer);
    this.#plan();
    return () => {
      // A cancelled timer must not keep a virtual clock running towards an instant at which nothing happens.
      if (this.#timers.remove(timer)) this.#plan();
    };
  }

  sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const cancel = this.at(this.now() + milliseconds, () => {
        signal?.removeEventListener('abort', abort);
        resolve();
      });
      const abort = () => {
        cancel();
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  hold(): () => void {
    this.#settle();
    this.#holds++;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#settle();
      this.#holds--;
      this.#plan();
    };
  }

  /**
   * Lets virtual time pass until `until` settles (its value is the answer), or, without it, until no caller holds the
   * clock and no timer is left. Throws when virtual time has nothing left that could ever settle `until`; at any other
   * speed something outside of this process may.
   */
  async run<T>(until?: Promise<T>): Promise<T | undefined> {
    this.#running++;
    let stalled: () => void = () => {};
    const idle = new Promise<void>((resolve) => {
      stalled = resolve;
      this.#idle.add(resolve);
    });
    this.#plan();
    try {
      if (!until) {
        await idle;
        return undefined;
      }
      if (this.speed !== Number.POSITIVE_INFINITY) return await until;
      const nothingLeft = idle.then(() => {
        throw new Error(
          'The virtual clock has no timer left and nothing is in flight, yet what was awaited has not happened.',
        );
      });
      return await Promise.race([until, nothingLeft]);
    } finally {
      this.#idle.delete(stalled);
      this.#running--;
    }
  }

  /** Lets virtual time pass for `milliseconds`, whatever is planned after that. */
  async advance(milliseconds: number): Promise<void> {
    await this.run(this.sleep(milliseconds));
  }

  /** Ends all waiting: no timer fires any more. */
  close(): void {
    this.#closed = true;
    this.#timers.clear();
    this.#unplan();
    for (const resolve of this.#idle) resolve();
  }

  #settle(): void {
    this.#instant = this.now();
    this.#readAt = performance.now();
  }

  #unplan(): void {
    if (this.#wake === undefined) return;
    clearTimeout(this.#wake as NodeJS.Timeout);
    clearImmediate(this.#wake as NodeJS.Immediate);
    this.#wake = undefined;
  }

  #plan(): void {
    if (this.#closed) return;
    const virtual = this.speed === Number.POSITIVE_INFINITY;
    if (virtual && (this.#wake !== undefined || this.#running === 0)) return;
    this.#unplan();
    if (this.#holds > 0 && this.speed !== 1) return;
    if (virtual) {
      this.#wake = setImmediate(() => this.#tick());
      return;
    }
    const next = this.#timers.first;
    if (!next) {
      if (this.#running > 0) this.#wake = setImmediate(() => this.#tick());
      return;
    }
    // Node's timers end at 2^31-1 ms; waking early only plans again.
    const wait = Math.min(Math.max(0, (next.instant - this.now()) / this.speed), 2 ** 31 - 1);
    this.#wake = setTimeout(() => this.#tick(), wait);
  }

  #tick(): void {
    this.#wake = undefined;
    if (this.#holds > 0 && (this.speed !== 1 || this.#timers.length === 0)) return;
    const virtual = this.speed === Number.POSITIVE_INFINITY;
    if (virtual && this.#running === 0) return;
    const next = this.#timers.first;
    if (!next) {
      for (const resolve of this.#idle) resolve();
      return;
    }
    if (virtual) {
      this.#instant = Math.max(this.#instant, this.#endOfGrain(next.instant));
      this.#ringAllDue(next);
    } else {
      if (this.speed !== 1) this.#settle();
      const now = this.now();
      for (let next = this.#timers.first; next && next.instant <= now; next = this.#timers.first) {
        this.#ring(next);
        if (this.#holds > 0 && this.speed !== 1) break;
      }
    }
    this.#plan();
  }

  /** With a grain, rings all that are due with the first. */
  #ringAllDue(first: Timer): void {
    this.#ring(first);
    if (this.#grainMilliseconds === undefined) return;
    for (let next = this.#timers.first; next && next.instant <= this.#instant; next = this.#timers.first)
      this.#ring(next);
  }

  #ring(timer: Timer): void {
    this.#timers.remove(timer);
    timer.callback();
  }

  #endOfGrain(instant: number): number {
    const grain = this.#grainMilliseconds;
    return grain === undefined ? instant : Math.ceil(instant / grain) * grain;
  }
}
