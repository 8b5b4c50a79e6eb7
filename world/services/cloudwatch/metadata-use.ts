/** Both services publish their metrics every five minutes; a data point bears the instant at which its time begins. */
const TICK_MILLISECONDS = 300_000;

interface Run {
  readonly from: number;
  until: number;
}

/** One value of a metric: the sum over a period. */
export interface Datapoint {
  readonly timestamp: Date;
  readonly sum: number;
}

/** The part of the metric that is asked for: [start, end) in periods of so many seconds. */
export interface Range {
  readonly start: Date;
  readonly end: Date;
  readonly periodSeconds: number;
}

/**
 * What the metric MetadataNoToken of one instance is made of: when it ran, and the IMDSv1 calls that it answered. While an
 * instance runs it has a data point every five minutes, mostly of 0; before its first five minutes are over, and while it
 * is stopped, it has none.
 */
export class MetadataUse {
  readonly #runs: Run[] = [];
  readonly #calls: { readonly tick: number; readonly count: number }[] = [];

  starts(now: number): void {
    if (!this.#isRunning()) this.#runs.push({ from: now, until: Number.POSITIVE_INFINITY });
  }

  stops(now: number): void {
    const last = this.#runs.at(-1);
    if (last && this.#isRunning()) last.until = now;
  }

  /** That it answered so many calls without a token at an instant. They count at once. */
  count(calls: number, instant: number): void {
    this.#calls.push({ tick: tickOf(instant), count: calls });
  }

  /**
   * The data points in the range, oldest first. A period begins at a multiple of its length; one that began before the
   * range is not in it.
   */
  datapoints({ start, end, periodSeconds }: Range, now: number): Datapoint[] {
    const sums = new Map<number, number>();
    const period = periodSeconds * 1000;
    const add = (tick: number, count: number) => {
      const begin = Math.floor(tick / period) * period;
      if (begin >= start.getTime() && tick < end.getTime()) sums.set(begin, (sums.get(begin) ?? 0) + count);
    };
    for (const { from, until } of this.#runs)
      for (const tick of ticks(Math.max(from, start.getTime()), Math.min(until, end.getTime(), now), period))
        add(tick, 0);
    for (const { tick, count } of this.#calls) add(tick, count);
    return [...sums].sort(([one], [other]) => one - other).map(([begin, sum]) => ({ timestamp: new Date(begin), sum }));
  }

  #isRunning(): boolean {
    return this.#runs.at(-1)?.until === Number.POSITIVE_INFINITY;
  }
}

function tickOf(instant: number): number {
  return Math.floor(instant / TICK_MILLISECONDS) * TICK_MILLISECONDS;
}

/** The first whole five minutes of each period in [from, until): one stands for all. */
function* ticks(from: number, until: number, period: number): Iterable<number> {
  let tick = tickOf(from);
  while (tick + TICK_MILLISECONDS <= until) {
    yield tick;
    tick = Math.max(tick + TICK_MILLISECONDS, tickOf((Math.floor(tick / period) + 1) * period));
  }
}
