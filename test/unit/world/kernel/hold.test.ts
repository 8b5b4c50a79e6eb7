import { describe, expect, it } from 'vitest';
import { WorldClock } from '../../../../world/kernel/clock.ts';
import { Hold, waitWithout } from '../../../../world/kernel/hold.ts';

const virtualClock = () => new WorldClock({ speed: Number.POSITIVE_INFINITY, start: new Date(0) });

/** Lets everything happen that needs no time of the world. */
const settled = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

describe('A hold', () => {
  it('stops time until it ends', async () => {
    const clock = virtualClock();
    const hold = new Hold(clock);
    const second = clock.advance(1000);
    await settled();
    expect(clock.now()).toBe(0);
    hold.end();
    await second;
    expect(clock.now()).toBe(1000);
  });

  it('lets time pass for as long as one of its waits lasts', async () => {
    const clock = virtualClock();
    const hold = new Hold(clock);
    const waits = [waitWithout([hold], clock, 1000), waitWithout([hold], clock, 3000)];
    await clock.run(Promise.all(waits));
    expect(clock.now()).toBe(3000);
    const second = clock.advance(1000);
    await settled();
    expect(clock.now()).toBe(3000);
    hold.end();
    await second;
  });

  it('holds again before anything else happens in the instant in which its wait is over', async () => {
    const clock = virtualClock();
    const hold = new Hold(clock);
    const seen: number[] = [];
    const wait = waitWithout([hold], clock, 1000).then(() => settled());
    clock.at(1001, () => seen.push(clock.now()));
    await clock.run(wait);
    expect(seen).toEqual([]);
    hold.end();
    await clock.run();
    expect(seen).toEqual([1001]);
  });

  it('that ended during a wait does not come back', async () => {
    const clock = virtualClock();
    const hold = new Hold(clock);
    const wait = waitWithout([hold], clock, 1000);
    hold.end();
    await clock.run(wait);
    await clock.advance(1000);
    expect(clock.now()).toBe(2000);
  });

  it('leaves the holds of others alone', async () => {
    const clock = virtualClock();
    const other = new Hold(clock);
    const wait = waitWithout([new Hold(clock)], clock, 1000);
    const run = clock.run(wait);
    await settled();
    expect(clock.now()).toBe(0);
    other.end();
    await run;
  });
});
