import { describe, expect, it } from 'vitest';
import { compileRule } from '../../../../world/states/choice.ts';
import type { Json, JsonObject } from '../../../../world/states/json.ts';

const holds = (rule: JsonObject, data: Json) => compileRule(rule)({ data, context: { Limit: 3 } });

describe('A choice rule', () => {
  it.each<[string, Json, Json]>([
    ['StringEquals', 'b', 'b'],
    ['StringLessThan', 'a', 'b'],
    ['StringLessThanEquals', 'b', 'b'],
    ['StringGreaterThan', 'c', 'b'],
    ['StringGreaterThanEquals', 'b', 'b'],
    ['NumericEquals', 2, 2],
    ['NumericLessThan', 1.5, 2],
    ['NumericLessThanEquals', 2, 2],
    ['NumericGreaterThan', 3, 2],
    ['NumericGreaterThanEquals', 2, 2],
    ['BooleanEquals', false, false],
    ['TimestampEquals', '2026-03-14T10:00:00+01:00', '2026-03-14T09:00:00Z'],
    ['TimestampLessThan', '2026-03-14T09:00:00.000000001Z', '2026-03-14T09:00:00.000000002Z'],
    ['TimestampLessThanEquals', '2026-03-14T09:00:00Z', '2026-03-14T09:00:00.0Z'],
    ['TimestampGreaterThan', '2026-03-14T10:00:00Z', '2026-03-14T09:59:59Z'],
    ['TimestampGreaterThanEquals', '2026-03-14T09:00:00Z', '2026-03-14T09:00:00Z'],
  ])('%s holds for %j and %j, and so does its Path', (operator, left, right) => {
    expect(holds({ Variable: '$.left', [operator]: right }, { left })).toBe(true);
    expect(holds({ Variable: '$.left', [`${operator}Path`]: '$.right' }, { left, right })).toBe(true);
  });

  it.each<[string, Json, Json]>([
    ['StringEquals', 'a', 'b'],
    ['StringLessThan', 'b', 'b'],
    ['StringGreaterThan', 'A', 'a'],
    ['NumericLessThan', 2, 2],
    ['NumericEquals', '2', 2],
    ['NumericLessThan', '1', 2],
    ['StringGreaterThan', 5, '10'],
    ['NumericGreaterThan', null, 2],
    ['BooleanEquals', 1, true],
    ['StringEquals', true, 'true'],
    ['TimestampEquals', '2026-03-14', '2026-03-14T00:00:00Z'],
    ['TimestampLessThan', 0, '2026-03-14T00:00:00Z'],
  ])('%s does not hold for %j and %j', (operator, left, right) => {
    expect(holds({ Variable: '$.left', [operator]: right }, { left })).toBe(false);
    expect(holds({ Variable: '$.left', [`${operator}Path`]: '$.right' }, { left, right })).toBe(false);
  });

  it.each<[string, Json]>([
    ['IsNull', null],
    ['IsString', ''],
    ['IsNumeric', 0],
    ['IsBoolean', false],
    ['IsTimestamp', '2026-03-14T09:00:00.5Z'],
  ])('%s asks for the type of a value, and false for any other type', (operator, value) => {
    for (const each of [null, '', 0, false, '2026-03-14T09:00:00.5Z', [], {}]) {
      const wanted = operator === 'IsString' ? typeof each === 'string' : each === value;
      expect(holds({ Variable: '$.it', [operator]: true }, { it: each })).toBe(wanted);
      expect(holds({ Variable: '$.it', [operator]: false }, { it: each })).toBe(!wanted);
    }
  });

  it('IsPresent is the one test that may ask for what is absent, with false too', () => {
    expect(holds({ Variable: '$.it', IsPresent: true }, { it: null })).toBe(true);
    expect(holds({ Variable: '$.it', IsPresent: false }, {})).toBe(true);
    expect(holds({ Variable: '$.it', IsPresent: true }, {})).toBe(false);
    expect(() => holds({ Variable: '$.it', IsNull: true }, {})).toThrow(
      "Invalid path '$.it': The choice state's condition path references an invalid value.",
    );
    expect(() => holds({ Variable: '$.it', StringEqualsPath: '$.other' }, { it: 'x' })).toThrow(
      "Invalid path '$.other'",
    );
  });

  it.each([
    ['log-*.txt', 'log-2026.txt', true],
    ['log-*.txt', 'log-2026.txt.gz', false],
    ['*', '', true],
    ['a.c', 'abc', false],
    ['a\\*', 'a*', true],
    ['a\\*', 'ab', false],
    ['a\\\\*', 'a\\b', true],
    ['*\n*', 'two\nlines', true],
  ])('StringMatches %j against %j is %s', (pattern, text, expected) => {
    expect(holds({ Variable: '$.it', StringMatches: pattern }, { it: text })).toBe(expected);
    expect(holds({ Variable: '$.it', StringMatches: pattern }, { it: 5 })).toBe(false);
  });

  it('And, Or and Not combine rules to any depth', () => {
    const isA = { Variable: '$.it', StringEquals: 'a' };
    const isB = { Variable: '$.it', StringEquals: 'b' };
    expect(holds({ Or: [isA, isB] }, { it: 'b' })).toBe(true);
    expect(holds({ And: [isA, { Not: isB }] }, { it: 'a' })).toBe(true);
    expect(holds({ And: [isA, isB] }, { it: 'a' })).toBe(false);
    expect(holds({ Not: { Or: [isA, isB] } }, { it: 'c' })).toBe(true);
  });

  it('And stops at the first rule that does not hold, so that presence can guard a test', () => {
    const guarded = {
      And: [
        { Variable: '$.it', IsPresent: true },
        { Variable: '$.it', NumericEquals: 1 },
      ],
    };
    expect(holds(guarded, {})).toBe(false);
  });

  it('reads the context object', () => {
    expect(holds({ Variable: '$$.Limit', NumericGreaterThanPath: '$.it' }, { it: 2 })).toBe(true);
  });
});
