import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { WorldClock } from '../../../../world/kernel/clock.ts';

const START = new Date('2026-03-14T09:00:00Z');
const HOUR = 3_600_000;
const clocks: WorldClock[] = [];

function clockOf(speed: number): WorldClock {
  const clock = new WorldClock({ speed, start: START });
  clocks.push(clock);
  return clock;
}

const elapsed = (clock: WorldClock) => clock.now() - START.getTime();
const turn = () => new Promise((resolve) => setImmediate(resolve));

afterEach(() => {
  for (const clock of clocks.splice(0)) clock.close();
});

describe('A virtual clock', () => {
  it('stands still until somebody runs it, then jumps from timer to timer', async () => {
    const clock = clockOf(Number.POSITIVE_INFINITY);
    const rang: number[] = [];
    for (const hours of [3, 1, 2]) clock.at(START.getTime() + hours * HOUR, () => rang.push(elapsed(clock)));
    await turn();
    expect(rang).toEqual([]);
    await clock.run();
    expect(rang).toEqual([HOUR, 2 * HOUR, 3 * HOUR]);
  });

  it('rings in the order of the instants, and of the calls where these are equal, whatever is cancelled', async () => {
    const plan = fc.array(fc.record({ hours: fc.integer({ min: 0, max: 5 }), cancelled: fc.boolean() }));
    await fc.assert(
      fc.asyncProperty(plan, async (timers) => {
        const clock = clockOf(Number.POSITIVE_INFINITY);
        const rang: string[] = [];
        const cancels = timers.map(({ hours }, index) =>
          clock.at(START.getTime() + hours * HOUR, () => rang.push(`${hours}:${String(index).padStart(3, '0')}`)),
        );
        for (const [index, { cancelled }] of timers.entries()) if (cancelled) cancels[index]?.();
        await clock.run();
        expect(rang).toEqual(rang.toSorted());
        expect(rang).toHaveLength(timers.filter(({ cancelled }) => !cancelled).length);
      }),
    );
  });

  it('lets all that is due within a grain happen at once, at its end, though the first of them holds the clock', async () => {
    const clock = new WorldClock({ speed: Number.POSITIVE_INFINITY, start: START, grainMilliseconds: 1000 });
    clocks.push(clock);
    const rang: string[] = [];
    const plan = (milliseconds: number) =>
      clock.at(START.getTime() + milliseconds, () => {
        const release = clock.hold();
        rang.push(`${milliseconds} begins at ${elapsed(clock)}`);
        setImmediate(() => {
          rang.push(`${milliseconds} ends at ${elapsed(clock)}`);
          release();
        });
      });
    for (const milliseconds of [1001, 900, 100]) plan(milliseconds);
    await clock.run();
    const first = ['100 begins at 1000', '900 begins at 1000', '100 ends at 1000', '900 ends at 1000'];
    expect(rang).toEqual([...first, '1001 begins at 2000', '1001 ends at 2000']);
  });

  it('does not go back for an instant that is past', async () => {
    const clock = clockOf(Number.POSITIVE_INFINITY);
    await clock.advance(HOUR);
    let rang = 0;
    clock.at(START.getTime(), () => {
      rang = elapsed(clock);
    });
    await clock.run();
    expect(rang).toBe(HOUR);
  });

  it('does not run towards a timer that was cancelled', async () => {
    const clock = clockOf(Number.POSITIVE_INFINITY);
    const cancel = clock.at(START.getTime() + HOUR, () => {});
    cancel();
    cancel();
    await clock.run();
    expect(elapsed(clock)).toBe(0);
  });

  it('stands still while anybody holds it', async () => {
    const clock = clockOf(Number.POSITIVE_INFINITY);
    const [first, second] = [clock.hold(), clock.hold()];
    const slept = clock.sleep(HOUR);
    const running = clock.run(slept);
    first();
    first();
    await turn();
    await turn();
    expect(elapsed(clock)).toBe(0);
    second();
    await running;
    expect(elapsed(clock)).toBe(HOUR);
  });

  it('goes on where a timer takes a hold and lets go of it', async () => {
    const clock = clockOf(Number.POSITIVE_INFINITY);
    const seen: number[] = [];
    clock.at(START.getTime() + HOUR, () => {
      const release = clock.hold();
      setTimeout(() => {
        seen.push(elapsed(clock));
        release();
      }, 5);
    });
    clock.at(START.getTime() + 2 * HOUR, () => seen.push(elapsed(clock)));
    await clock.run();
    expect(seen).toEqual([HOUR, 2 * HOUR]);
  });

  it('runs until a promise settles, and leaves the rest for later', async () => {
    const clock = clockOf(Number.POSITIVE_INFINITY);
    const late = clock.sleep(2 * HOUR);
    expect(await clock.run(clock.sleep(HOUR).then(() => 'answer'))).toBe('answer');
    expect(elapsed(clock)).toBe(HOUR);
    await clock.run(late);
    expect(elapsed(clock)).toBe(2 * HOUR);
  });

  it('says so when nothing is left that could settle what is awaited', async () => {
    const clock = clockOf(Number.POSITIVE_INFINITY);
    await expect(clock.run(new Promise(() => {}))).rejects.toThrow('no timer left');
  });

  it('passes on why what is awaited failed', async () => {
    const clock = clockOf(Number.POSITIVE_INFINITY);
    await expect(clock.run(clock.sleep(1).then(() => Promise.reject(new Error('broken'))))).rejects.toThrow('broken');
  });

  it('advances by a span, whatever is planned after it', async () => {
    const clock = clockOf(Number.POSITIVE_INFINITY);
    clock.at(START.getTime() + 2 * HOUR, () => expect.unreachable());
    await clock.advance(HOUR);
    expect(elapsed(clock)).toBe(HOUR);
  });
});

describe('A sleep', () => {
  it('ends with the reason of its signal, and leaves no timer', async () => {
    const clock = clockOf(Number.POSITIVE_INFINITY);
    const controller = new AbortController();
    const slept = clock.sleep(HOUR, controller.signal);
    controller.abort(new Error('enough'));
    await expect(slept).rejects.toThrow('enough');
    await expect(clock.sleep(HOUR, controller.signal)).rejects.toThrow('enough');
    await clock.run();
    expect(elapsed(clock)).toBe(0);
  });
});

describe('A compressed clock', () => {
  it('is as much faster than the wall clock as it says', async () => {
    const clock = clockOf(36_000);
    const before = performance.now();
    await clock.sleep(HOUR);
    const took = performance.now() - before;
    expect(took).toBeGreaterThan(95);
    expect(took).toBeLessThan(1000);
    expect(elapsed(clock)).toBeGreaterThanOrEqual(HOUR);
  });

  it('does not pass what is due, however late a busy process wakes', async () => {
    const clock = clockOf(1000);
    const rungAt: number[] = [];
    for (const instant of [1000, 2000]) clock.at(START.getTime() + instant, () => rungAt.push(elapsed(clock)));
    const busyUntil = performance.now() + 50;
    while (performance.now() < busyUntil) expect(elapsed(clock)).toBeLessThanOrEqual(1000);
    await clock.run();
    for (const instant of rungAt) expect(instant).toBeLessThan(50_000);
    expect(rungAt).toHaveLength(2);
  });

  it('stands still while it is held', async () => {
    const clock = clockOf(3_600_000);
    const release = clock.hold();
    const held = elapsed(clock);
    let rang = false;
    clock.at(clock.now() + 1, () => {
      rang = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(elapsed(clock)).toBe(held);
    expect(rang).toBe(false);
    release();
    await clock.sleep(2);
    expect(rang).toBe(true);
  });

  it('has run when no timer is left and nobody holds it', async () => {
    const clock = clockOf(3_600_000);
    const release = clock.hold();
    let rang = false;
    clock.at(clock.now() + HOUR, () => {
      rang = true;
    });
    setTimeout(release, 5);
    await clock.run();
    expect(rang).toBe(true);
    await clock.run();
  });

  it('waits for what comes from outside, without any timer of its own', async () => {
    const clock = clockOf(60);
    expect(await clock.run(new Promise((resolve) => setTimeout(() => resolve('outside'), 10)))).toBe('outside');
  });
});

describe('The wall clock', () => {
  it('goes on while it is held, but has not run as long as it is', async () => {
    const clock = clockOf(1);
    const release = clock.hold();
    await clock.sleep(2);
    expect(elapsed(clock)).toBeGreaterThanOrEqual(2);
    let ran = false;
    const running = clock.run().then(() => {
      ran = true;
    });
    await turn();
    await turn();
    expect(ran).toBe(false);
    release();
    await running;
  });
});

describe('Any clock', () => {
  it('rings no more once it is closed', async () => {
    const clock = clockOf(Number.POSITIVE_INFINITY);
    clock.at(START.getTime(), () => expect.unreachable());
    clock.close();
    await turn();
  });

  it('refuses a speed and an instant that are none', () => {
    expect(() => clockOf(0)).toThrow(RangeError);
    expect(() => clockOf(Number.NaN)).toThrow(RangeError);
    expect(() => clockOf(1).at(Number.NaN, () => {})).toThrow(RangeError);
    expect(() => clockOf(1).at(Number.POSITIVE_INFINITY, () => {})).toThrow(RangeError);
  });
});
