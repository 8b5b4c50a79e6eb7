import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WorldClock } from '../../../../world/kernel/clock.ts';
import { TokenBucket } from '../../../../world/kernel/token-bucket.ts';

const rate = { perSecond: 5, burst: 10 };

describe('a token bucket', () => {
  it('gives its burst at once, then one token for each fifth of a second', async () => {
    const clock = new WorldClock({ speed: Number.POSITIVE_INFINITY });
    const bucket = new TokenBucket(rate, clock);
    expect(Array.from({ length: 11 }, () => bucket.tryTake())).toEqual([...Array(10).fill(true), false]);
    await clock.advance(199);
    expect(bucket.tryTake()).toBe(false);
    await clock.advance(1);
    expect([bucket.tryTake(), bucket.tryTake()]).toEqual([true, false]);
  });

  it('never holds more than its burst, however long the rest', async () => {
    const clock = new WorldClock({ speed: Number.POSITIVE_INFINITY });
    const bucket = new TokenBucket(rate, clock);
    await clock.advance(3_600_000);
    expect(Array.from({ length: 20 }, () => bucket.tryTake()).filter(Boolean)).toHaveLength(10);
  });

  it('gives no more than burst plus rate in any stretch of time, whenever the calls come', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat({ max: 700 }), { maxLength: 60 }), async (pauses) => {
        const clock = new WorldClock({ speed: Number.POSITIVE_INFINITY });
        const start = clock.now();
        const bucket = new TokenBucket(rate, clock);
        let taken = 0;
        for (const pause of pauses) {
          await clock.advance(pause);
          while (bucket.tryTake()) taken += 1;
          expect(taken).toBeLessThanOrEqual(10 + ((clock.now() - start) / 1000) * 5 + 1e-6);
        }
      }),
      { numRuns: 30 },
    );
  });
});
