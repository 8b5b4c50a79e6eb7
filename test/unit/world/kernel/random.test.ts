import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../world/kernel/random.ts';

const draw = (seed: number, count: number) => Array.from({ length: count }, seededRandom(seed));

describe('A seeded source of chance', () => {
  it('gives the same numbers for the same seed, all of them in [0, 1)', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const numbers = draw(seed, 50);
        expect(draw(seed, 50)).toEqual(numbers);
        for (const number of numbers) expect(number >= 0 && number < 1).toBe(true);
      }),
    );
  });

  it('gives other numbers for another seed', () => {
    expect(draw(1, 5)).not.toEqual(draw(2, 5));
  });

  it('is even: every tenth is drawn about as often', () => {
    const tenths = Array(10).fill(0);
    for (const number of draw(7, 100_000)) tenths[Math.floor(number * 10)]++;
    for (const count of tenths) expect(Math.abs(count - 10_000)).toBeLessThan(400);
  });
});
