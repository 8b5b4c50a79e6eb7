import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { faultOfSchedule } from '../../../stack/schedule.ts';

describe('a schedule', () => {
  it.each([
    'rate(1 minute)',
    'rate(2 hours)',
    'rate(21 days)',
    'cron(0 10 * * ? *)',
    'cron(15 12 ? * 2 2027)',
    'cron(0/15 * * * ? *)',
    'cron(*/15 8-17 ? * MON-FRI 2026-2030)',
    'cron(0,30 9 L * ? *)',
    'cron(0 9 3W jan,JUL ? *)',
    'cron(0 9 ? * 2#1 *)',
    'cron(0 9 ? * 6L *)',
  ])('may be %s', (text) => {
    expect(faultOfSchedule(text)).toBeUndefined();
  });

  it.each([
    ['hourly', 'it is rate(…) or cron(…)'],
    ['rate(2 hours) ', 'it is rate(…) or cron(…)'],
    ['rate(2 hour)', 'write rate(2 hours)'],
    ['rate(1 hours)', 'write rate(1 hour)'],
    ['rate(01 hour)', 'write rate(1 hour)'],
    ['rate(0 hours)', 'a rate is a whole number from 1 up and minutes, hours or days: '],
    ['rate(1.5 hours)', 'a rate is a whole number'],
    ['rate(90 seconds)', 'a rate is a whole number'],
    ['rate(hour)', 'a rate is a whole number'],
    ['cron(0 * * * *)', 'cron has 6 fields, which are minutes hours day-of-month month day-of-week year, '],
    ['cron(0 0 * * * ? *)', 'and here are 7: write cron(0 * * * ? *) for every hour'],
    ['cron(0  * * * ? *)', 'and here are 7'],
    ['cron(0 * * * * *)', 'one of day-of-month and day-of-week says which days, and the other is ?'],
    ['cron(0 * ? * ? *)', 'write ? in one of them alone'],
    ['cron(0 * 1 * MON *)', 'write ? in one of them alone'],
    ['cron(60 * * * ? *)', '60 is no value of its minutes: write * or what lies within 0 and 59'],
    ['cron(0 24 * * ? *)', '24 is no value of its hours'],
    ['cron(0 0 0 * ? *)', '0 is no value of its day-of-month'],
    ['cron(0 0 32W * ? *)', '32W is no value of its day-of-month'],
    ['cron(0 0 * JANUARY ? *)', 'JANUARY is no value of its month'],
    ['cron(0 0 ? * 8 *)', '8 is no value of its day-of-week'],
    ['cron(0 0 ? * 2#6 *)', '2#6 is no value of its day-of-week'],
    ['cron(0 0 * * ? 1969)', '1969 is no value of its year'],
    ['cron(? * * * ? *)', '? is no value of its minutes'],
    ['cron(0/0 * * * ? *)', '0/0 is no value of its minutes'],
    ['cron(0- * * * ? *)', '0- is no value of its minutes'],
    ['cron(1,,2 * * * ? *)', '1,,2 is no value of its minutes'],
  ])('is not %s', (text, fault) => {
    expect(faultOfSchedule(text)).toContain(fault);
  });

  it('has one spelling for each rate', () => {
    fc.assert(
      fc.property(fc.integer({ min: -1, max: 50 }), fc.constantFrom('minute', 'hour', 'day'), (value, unit) => {
        const spellings = [`rate(${value} ${unit})`, `rate(${value} ${unit}s)`];
        const right = spellings.filter((text) => faultOfSchedule(text) === undefined);
        expect(right).toEqual(value < 1 ? [] : [spellings[value === 1 ? 0 : 1]]);
      }),
    );
  });
});
