import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json } from '../../../../world/states/json.ts';
import { compilePath, compileReferencePath } from '../../../../world/states/path.ts';

const read = (path: string, data: Json, context: Json = {}) => compilePath(path).read({ data, context });

describe('A definite path', () => {
  it.each<[string, Json, Json]>([
    ['$', { a: 1 }, { a: 1 }],
    ['$.a.b', { a: { b: null } }, null],
    ["$['a b'].c", { 'a b': { c: 1 } }, 1],
    ['$.a-b', { 'a-b': 1 }, 1],
    ['$.a[1][0]', { a: [0, [7]] }, 7],
    ['$.a[-1]', { a: [1, 2] }, 2],
  ])('%s names one value', (path, data, value) => {
    expect(read(path, data)).toEqual(value);
  });

  it('reads the context object after $$', () => {
    expect(read('$$.Execution.Id', { Execution: 'data' }, { Execution: { Id: 'x' } })).toBe('x');
  });

  it.each<[string, Json, string]>([
    ['$.a', {}, "No results for path: $['a']"],
    ['$.a.b', {}, "Missing property in path $['a']"],
    ['$.a.b', { a: { c: 1 } }, "No results for path: $['a']['b']"],
    ['$.a[2]', { a: [1] }, "No results for path: $['a'][2]"],
    ['$.a.length', { a: [1] }, "No results for path: $['a']['length']"],
    ['$.toString', {}, "No results for path: $['toString']"],
  ])('%s says in the words of AWS where it led nowhere', (path, data, sentence) => {
    expect(() => read(path, data)).toThrow(sentence);
  });
});

describe('An indefinite path', () => {
  it.each<[string, Json, Json]>([
    ['$.a[*]', {}, []],
    ['$[*]', null, []],
    ['$.a[*].b', { a: [{ b: 1 }, {}, { b: 2 }] }, [1, 2]],
    ['$.a[1:]', { a: [1, 2, 3] }, [2, 3]],
    ['$.a[-2:]', { a: [1, 2, 3] }, [2, 3]],
    ['$.a[0,2]', { a: [1, 2, 3] }, [1, 3]],
    ['$..b', { b: 1, c: [{ b: 2 }] }, [1, 2]],
    ['$.a[?(@.n == 1)].m', { a: [{ n: 1, m: 'x' }, { n: '1', m: 'y' }, { m: 'z' }] }, ['x']],
    [
      "$.a[?(@.n.o != 'x' && @.p > 2)]",
      { a: [{ n: { o: 'y' }, p: 3 }, { n: { o: 'x' }, p: 3 }, { p: '3' }] },
      [{ n: { o: 'y' }, p: 3 }],
    ],
    ['$.a[?(@.n != 1)]', { a: [{ n: 1 }, { m: 1 }] }, [{ m: 1 }]],
    ['$.a[?(@.n)]', { a: [{ n: null }, { m: 1 }, 5] }, [{ n: null }]],
    ['$.a[?(@.n < 2 || @.n >= 4)].n', { a: [{ n: 1 }, { n: 2 }, { n: 4 }] }, [1, 4]],
  ])('%s selects a list', (path, data, values) => {
    expect(read(path, data)).toEqual(values);
  });
});

describe('What is no path here', () => {
  it.each([
    '',
    'a',
    '$a',
    '$.',
    '$..',
    '$.a^',
    '$.a~',
    '$.length()',
    '$.a[(@.length-1)]',
    '$.a[?(@.n =~ /x/)]',
    '$.a[?(@.n == @.m)]',
    '$.a[?(1 == 1)]',
    "$['a','b']",
    '$.a.@string()',
    'States.UUID()',
  ])('%s is refused when the definition is loaded', (text) => {
    expect(() => compilePath(text)).toThrow(SyntaxError);
  });
});

describe('A reference path', () => {
  const write = (path: string, data: Json, value: Json) => compileReferencePath(path).write(data, value);

  it('puts a value in its place, makes the objects on the way, and changes nothing that was there', () => {
    const data = { kept: { deep: 1 }, a: { b: 1 } };
    expect(write('$.a.c.d', data, 2)).toEqual({ kept: { deep: 1 }, a: { b: 1, c: { d: 2 } } });
    expect(data).toEqual({ kept: { deep: 1 }, a: { b: 1 } });
  });

  it('replaces an element of an array, and everything when it is $', () => {
    expect(write('$.a[1]', { a: [1, 2, 3] }, 9)).toEqual({ a: [1, 9, 3] });
    expect(write('$', { a: 1 }, 'all')).toBe('all');
  });

  it.each<[string, Json]>([
    ['$.a', 'text'],
    ['$.a.b', { a: 5 }],
    ['$.a[3]', { a: [1] }],
  ])('%s refuses %j', (path, data) => {
    expect(() => write(path, data, 1)).toThrow(/There is no/);
  });

  it('is read back by the path of the same text, whatever is written', () => {
    const key = fc.stringMatching(/^[a-z]{1,5}$/);
    fc.assert(
      fc.property(fc.array(key, { minLength: 1, maxLength: 4 }), fc.jsonValue(), (keys, value) => {
        const path = `$.${keys.join('.')}`;
        expect(read(path, write(path, {}, value as Json))).toEqual(value);
      }),
    );
  });
});
