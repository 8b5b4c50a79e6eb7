import type { Random } from '../kernel/random.ts';
import type { Retrier } from './schema.ts';

/**
 * Whether a Retry or Catch answers to an error. Besides the names themselves there are two wildcards: States.TaskFailed
 * for all but a time-out, States.ALL for all but States.Runtime.
 */
export function covers(errorEquals: readonly string[], error: string): boolean {
  return errorEquals.some((name) => {
    if (name === 'States.ALL') return error !== 'States.Runtime';
    if (name === 'States.TaskFailed') return error !== 'States.Timeout' && error !== 'States.Runtime';
    return name === error;
  });
}

/** The tries of one visit to a state: every retrier counts its own. */
export class Retries {
  readonly #retriers: readonly Retrier[];
  readonly #used: number[];
  readonly #random: Random;

  constructor(retriers: readonly Retrier[], random: Random) {
    this.#retriers = retriers;
    this.#used = retriers.map(() => 0);
    this.#random = random;
  }

  /** How often the state was tried again, whatever for. */
  get count(): number {
    return this.#used.reduce((sum, used) => sum + used, 0);
  }

  /**
   * The first retrier that answers to the error decides: once its attempts are used up, no other is asked.
   *
   * @returns the milliseconds to wait before the next attempt; undefined when there is none
   */
  next(error: string): number | undefined {
    const index = this.#retriers.findIndex((retrier) => covers(retrier.ErrorEquals, error));
    const retrier = this.#retriers[index];
    const used = this.#used[index];
    if (!retrier || used === undefined || used >= retrier.MaxAttempts) return undefined;
    this.#used[index] = used + 1;
    return delaySeconds(retrier, used, this.#random) * 1000;
  }
}

function delaySeconds(retrier: Retrier, used: number, random: Random): number {
  const backoff = retrier.IntervalSeconds * retrier.BackoffRate ** used;
  const capped = Math.min(backoff, retrier.MaxDelaySeconds ?? Number.POSITIVE_INFINITY);
  return retrier.JitterStrategy === 'FULL' ? capped * random() : capped;
}
