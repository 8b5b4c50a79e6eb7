import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compilePattern, UnsupportedPattern } from '../../../../world/eventbridge/event-pattern.ts';

const matches = (pattern: unknown, event: unknown) => compilePattern(pattern)(event);

/** [pattern, events that match, events that do not] */
type Case = [pattern: unknown, yes: unknown[], no: unknown[]];

const on = (filter: unknown) => ({ a: [filter] });
const values = (...list: unknown[]) => list.map((a) => ({ a }));

const cases: Record<string, Case[]> = {
  'a value': [
    [{ a: ['x', 5, null, true] }, values('x', 5, 5.0, null, true), values('X', '5', 6, false, 'null', {}, [])],
    [{ a: [''] }, values(''), values('x', null)],
    [{ a: ['x'], b: ['y'] }, [{ a: 'x', b: 'y', c: 1 }], [{ a: 'x' }, { b: 'y' }, {}, null, 'x', [{ a: 'x', b: 'y' }]]],
  ],
  nesting: [
    [{ a: { b: { c: [1] } } }, [{ a: { b: { c: 1, d: 2 } } }], [{ a: { b: 1 } }, { a: { c: 1 } }, { 'a.b.c': 1 }]],
  ],
  'an array in the event': [
    [{ a: ['x'] }, values(['x'], ['y', 'x'], [['x']]), values(['y'], [], [{ x: 'x' }])],
    [{ a: { b: [1], c: [2] } }, values([{ b: 1, c: 2 }], [{ b: 3 }, { b: 1, c: 2 }]), values([{ b: 1 }, { c: 2 }], [])],
    [{ a: { b: [{ exists: false }] } }, values([{ c: 1 }], [], 5), values([{ b: 1 }, { c: 1 }])],
    [{ a: { b: [{ exists: false }], c: [1] } }, values([{ b: 1 }, { c: 1 }]), values([{ b: 1, c: 1 }])],
  ],
  prefix: [
    [on({ prefix: 'ab' }), values('ab', 'abc'), values('ABC', 'b', 5, null, undefined)],
    [on({ prefix: { 'equals-ignore-case': 'aB' } }), values('ab', 'ABc'), values('b', 5)],
  ],
  suffix: [
    [on({ suffix: '.png' }), values('.png', 'a.png'), values('a.PNG', 'png')],
    [on({ suffix: { 'equals-ignore-case': '.pNg' } }), values('a.PNG'), values('a.jpg', null)],
  ],
  'equals-ignore-case': [
    [on({ 'equals-ignore-case': 'AlicE' }), values('alice', 'ALICE'), values('alic', 'alices', 5)],
  ],
  'anything-but': [
    [on({ 'anything-but': 'x' }), values('y', 5, null, true, ['x', 'y']), values('x', undefined, ['x'], [], {})],
    [on({ 'anything-but': [1, 2] }), values(3, '1'), values(1, 2)],
    [on({ 'anything-but': { prefix: 'ab' } }), values('b', 5), values('ab', 'abc', undefined)],
    [on({ 'anything-but': { prefix: ['a', 'b'] } }), values('c'), values('ax', 'bx')],
    [on({ 'anything-but': { suffix: ['a', 'b'] } }), values('xc'), values('xa', 'xb')],
    [on({ 'anything-but': { 'equals-ignore-case': ['a', 'B'] } }), values('c', 'ab'), values('A', 'b')],
    [on({ 'anything-but': { wildcard: '*/lib/*' } }), values('/src/x'), values('/lib/x')],
  ],
  numeric: [
    [on({ numeric: ['=', 5] }), values(5), values('5', 5.1, null)],
    [on({ numeric: ['>', 0, '<=', 5] }), values(0.1, 5), values(0, 5.1, -1)],
    [on({ numeric: ['>=', -2] }), values(-2, 1e12), values(-2.1)],
    [on({ numeric: ['<', 10] }), values(9, -9), values(10)],
  ],
  exists: [
    [on({ exists: true }), values('x', null, 0, false, ['x']), [{}, { a: {} }, { a: { b: 1 } }, { a: [] }]],
    [on({ exists: false }), [{}, { b: 1 }, { a: { b: 1 } }, { a: [] }], values('x', null)],
    [{ a: ['x', { exists: false }] }, [{}, { a: 'x' }], values('y')],
    [{ a: { b: [{ exists: false }] } }, [{}, { a: {} }, { a: 1 }], [{ a: { b: 1 } }]],
  ],
  cidr: [
    [on({ cidr: '10.0.0.0/24' }), values('10.0.0.0', '10.0.0.255'), values('10.0.1.0', 'x', 10, '::1')],
    [on({ cidr: '2001:db8::/32' }), values('2001:db8::1', '2001:DB8:ffff::'), values('2001:db9::1', '10.0.0.1')],
    [on({ cidr: '0.0.0.0/0' }), values('1.2.3.4'), values('::ffff:1.2.3.4')],
  ],
  wildcard: [
    [on({ wildcard: 'web-*' }), values('web-', 'web-1', 'web-\n1'), values('xweb-1', 'WEB-1', 5)],
    [on({ wildcard: '*a*b' }), values('ab', 'xaxb', 'abab'), values('aba')],
    [on({ wildcard: 'a.b(c)' }), values('a.b(c)'), values('axb(c)')],
    [on({ wildcard: 'a\\*b\\\\*' }), values('a*b\\', 'a*b\\x'), values('axb\\', 'a*b')],
  ],
  $or: [
    [
      { $or: [{ a: ['x'] }, { b: { c: [1] } }], d: [2] },
      [
        { a: 'x', d: 2 },
        { b: { c: 1 }, d: 2 },
      ],
      [{ a: 'x' }, { d: 2 }, { a: 'y', b: { c: 2 }, d: 2 }],
    ],
    [{ b: { $or: [{ c: [1] }, { d: [{ exists: false }] }] } }, [{ b: { c: 1, d: 1 } }, { b: {} }], [{ b: { d: 1 } }]],
  ],
};

describe.each(Object.entries(cases))('An event pattern with %s', (_name, list) => {
  it.each(list)('%j', (pattern, yes, no) => {
    for (const event of yes) expect([event, matches(pattern, event)]).toEqual([event, true]);
    for (const event of no) expect([event, matches(pattern, event)]).toEqual([event, false]);
  });
});

describe('A pattern that EventBridge would refuse', () => {
  it.each([
    ['text', 'a pattern is an object'],
    [{}, 'an empty object matches nothing'],
    [{ a: {} }, 'at a: an empty object matches nothing'],
    [{ a: 'x' }, 'at a: a pattern is an object, or a list of what to match'],
    [{ a: [] }, 'at a: an empty list matches nothing'],
    [{ a: [['x']] }, 'at a: a list within a list'],
    [{ a: { b: [{ prefx: 'x' }] } }, 'at a.b: "prefx" is no filter: known are exists, prefix, suffix'],
    [on({ constructor: 'x' }), '"constructor" is no filter'],
    [on({ prefix: 'x', suffix: 'y' }), 'a filter is an object with one key'],
    [on({}), 'a filter is an object with one key'],
    [on({ prefix: 5 }), '"prefix" takes a text, not 5'],
    [on({ prefix: { suffix: 'x' } }), '"prefix" takes a text or {"equals-ignore-case": a text}'],
    [on({ 'equals-ignore-case': ['x'] }), '"equals-ignore-case" takes a text'],
    [on({ 'anything-but': [] }), '"anything-but" has an empty list'],
    [on({ 'anything-but': ['x', 1] }), '"anything-but" takes texts or numbers, not both'],
    [on({ 'anything-but': [null] }), '"anything-but" takes texts or numbers'],
    [on({ 'anything-but': { cidr: '10.0.0.0/8' } }), '"anything-but" takes one of prefix, suffix'],
    [on({ 'anything-but': { prefix: [] } }), '"anything-but prefix" has an empty list'],
    [on({ numeric: [] }), '"numeric" takes ["=", n]'],
    [on({ numeric: ['>', 1, '>', 2] }), '"numeric" takes'],
    [on({ numeric: ['<', 9, '>', 2] }), '"numeric" takes'],
    [on({ numeric: ['>'] }), '"numeric" takes'],
    [on({ numeric: ['>', '1'] }), '"numeric" takes numbers from -5e9 to 5e9, not "1"'],
    [on({ numeric: ['>', 5e10] }), 'from -5e9 to 5e9'],
    [on({ numeric: ['>', 5, '<', 5] }), '"numeric" has no number between 5 and 5'],
    [on({ exists: 'true' }), '"exists" takes true or false'],
    [on({ cidr: '10.0.0.0' }), '"cidr" takes an address and a mask'],
    [on({ cidr: '10.0.0.0/33' }), '"cidr" takes an address and a mask'],
    [on({ cidr: '10.0.0/8' }), '"cidr" takes an address and a mask'],
    [on({ wildcard: 'a**b' }), '"wildcard" has **'],
    [on({ wildcard: 'a\\b' }), '"wildcard" escapes only'],
    [on({ wildcard: 'a\\' }), '"wildcard" escapes only'],
    [{ $or: [{ a: ['x'] }] }, '$or takes a list of at least two objects'],
    [{ $or: [{ a: ['x'] }, 'x'] }, 'at $or: a pattern is an object'],
  ])('is refused when it is loaded: %j', (pattern, sentence) => {
    expect(() => compilePattern(pattern)).toThrow(UnsupportedPattern);
    expect(() => compilePattern(pattern)).toThrow(sentence);
  });
});

const scalar = fc.oneof(
  fc.string(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.boolean(),
  fc.constant(null),
);

/** An event of nested objects with scalars at the ends, and no empty object. */
const event = fc.letrec<{ event: Record<string, unknown>; value: unknown }>((tie) => ({
  value: fc.oneof({ maxDepth: 3 }, scalar, tie('event')),
  event: fc.dictionary(fc.stringMatching(/^[a-z]{1,3}$/), tie('value'), { minKeys: 1, maxKeys: 4 }),
})).event;

/** The pattern that asks for exactly what the event holds. */
const patternOf = (value: unknown): unknown =>
  typeof value === 'object' && value !== null
    ? Object.fromEntries(Object.entries(value).map(([name, below]) => [name, patternOf(below)]))
    : [value];

describe('Any event', () => {
  it('matches the pattern that asks for all it holds, with more fields too, and not with one field less', () => {
    fc.assert(
      fc.property(event, (drawn) => {
        const test = compilePattern(patternOf(drawn));
        expect(test(drawn)).toBe(true);
        expect(test({ ...drawn, more: 1 })).toBe(true);
        const [, ...rest] = Object.entries(drawn);
        expect(test(Object.fromEntries(rest))).toBe(false);
      }),
    );
  });

  it('matches either a value or anything but it', () => {
    const text = fc.oneof(fc.string({ maxLength: 2 }), fc.constantFrom('a', 'A', 'ab'));
    const filter = fc.constantFrom('prefix', 'suffix', 'equals-ignore-case');
    fc.assert(
      fc.property(text, text, filter, (a, wanted, name) => {
        expect(matches(on({ 'anything-but': { [name]: wanted } }), { a })).toBe(
          !matches(on({ [name]: wanted }), { a }),
        );
        expect(matches(on({ 'anything-but': wanted }), { a })).toBe(a !== wanted);
      }),
    );
  });

  it('matches the wildcard that is made of it by leaving parts out', () => {
    const unit = fc.constantFrom('a', '.', '*', '\\', '(', '\n', '$');
    const part = fc.tuple(fc.string({ unit, minLength: 1 }), fc.string({ unit }));
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 5 }), (parts) => {
        const wildcard = parts.map(([kept]) => `${kept.replace(/[\\*]/g, '\\$&')}*`).join('');
        const text = parts.map(([kept, left]) => kept + left).join('');
        expect(matches(on({ wildcard }), { a: text })).toBe(true);
        expect(matches(on({ wildcard }), { a: `b${text}` })).toBe(false);
      }),
    );
  });

  it('is in exactly one of the ranges that meet at a number', () => {
    const number = fc.double({ min: -5e9, max: 5e9, noNaN: true });
    fc.assert(
      fc.property(number, number, (a, bound) => {
        const ranges = [
          ['<', bound],
          ['=', bound],
          ['>', bound],
        ].map((numeric) => matches(on({ numeric }), { a }));
        expect(ranges.filter(Boolean)).toHaveLength(1);
      }),
    );
  });

  it('and any JSON as a pattern end in a verdict or in a refusal', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (pattern, value) => {
        try {
          expect(typeof matches(pattern, value)).toBe('boolean');
        } catch (error) {
          expect(error).toBeInstanceOf(UnsupportedPattern);
        }
      }),
    );
  });
});
