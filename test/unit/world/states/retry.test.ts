import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../../world/kernel/random.ts';
import { covers, Retries } from '../../../../world/states/retry.ts';
import type { Retrier } from '../../../../world/states/schema.ts';

function retrier(fields: Partial<Retrier>): Retrier {
  return { ErrorEquals: ['X'], IntervalSeconds: 1, MaxAttempts: 3, BackoffRate: 2, JitterStrategy: 'NONE', ...fields };
}

function delays(retriers: Retrier[], errors: string[], random = () => 0.5): (number | undefined)[] {
  const retries = new Retries(retriers, random);
  return errors.map((error) => retries.next(error));
}

describe('ErrorEquals', () => {
  it.each([
    [['X'], 'X', true],
    [['X', 'Y'], 'Y', true],
    [['X'], 'x', false],
    [['States.TaskFailed'], 'X', true],
    [['States.TaskFailed'], 'States.Timeout', false],
    [['States.TaskFailed'], 'States.Runtime', false],
    [['States.ALL'], 'X', true],
    [['States.ALL'], 'States.Timeout', true],
    [['States.ALL'], 'States.Runtime', false],
    [['States.Timeout'], 'States.Timeout', true],
  ])('%j answers to %s: %s', (errorEquals, error, expected) => {
    expect(covers(errorEquals, error)).toBe(expected);
  });
});

describe('Retries', () => {
  it('wait one second, then two, then four, and end after three, when nothing else is said', () => {
    expect(delays([retrier({})], ['X', 'X', 'X', 'X'])).toEqual([1000, 2000, 4000, undefined]);
  });

  it('end at once when there are to be none', () => {
    expect(delays([retrier({ MaxAttempts: 0 })], ['X'])).toEqual([undefined]);
  });

  it('are capped before they are jittered', () => {
    const jittered = retrier({ IntervalSeconds: 8, MaxDelaySeconds: 10, JitterStrategy: 'FULL' });
    expect(delays([jittered], ['X', 'X'], () => 0.5)).toEqual([4000, 5000]);
  });

  it('are counted by each retrier for itself', () => {
    const retriers = [
      retrier({ MaxAttempts: 1 }),
      retrier({ ErrorEquals: ['States.ALL'], MaxAttempts: 2, IntervalSeconds: 5 }),
    ];
    expect(delays(retriers, ['X', 'Y', 'Y', 'Y'])).toEqual([1000, 5000, 10_000, undefined]);
  });

  it('of the first retrier that answers decide: once used up, a later one is not asked', () => {
    const retriers = [retrier({ MaxAttempts: 1 }), retrier({ ErrorEquals: ['States.ALL'], MaxAttempts: 9 })];
    expect(delays(retriers, ['X', 'X'])).toEqual([1000, undefined]);
  });

  it('are all counted for the context object', () => {
    const retries = new Retries([retrier({}), retrier({ ErrorEquals: ['Y'] })], () => 0);
    for (const error of ['X', 'Y', 'Z']) retries.next(error);
    expect(retries.count).toBe(2);
  });

  it('never exceed their attempts nor their delays, whatever the retrier says', () => {
    const anyRetrier = fc.record({
      IntervalSeconds: fc.integer({ min: 1, max: 1000 }),
      MaxAttempts: fc.integer({ min: 0, max: 20 }),
      BackoffRate: fc.double({ min: 1, max: 10, noNaN: true }),
      MaxDelaySeconds: fc.option(fc.integer({ min: 1, max: 5000 }), { nil: undefined }),
      JitterStrategy: fc.constantFrom('FULL' as const, 'NONE' as const),
    });
    fc.assert(
      fc.property(anyRetrier, fc.integer(), (fields, seed) => {
        const found = delays([retrier(fields)], Array(25).fill('X'), seededRandom(seed));
        expect(found.filter((delay) => delay !== undefined)).toHaveLength(fields.MaxAttempts);
        for (const [attempt, delay] of found.slice(0, fields.MaxAttempts).entries()) {
          const backoff = fields.IntervalSeconds * fields.BackoffRate ** attempt;
          const most = Math.min(backoff, fields.MaxDelaySeconds ?? Number.POSITIVE_INFINITY) * 1000;
          expect(delay).toBeLessThanOrEqual(most);
          expect(delay).toBeGreaterThanOrEqual(fields.JitterStrategy === 'FULL' ? 0 : most);
        }
      }),
    );
  });
});
