import { describe, expect, it } from 'vitest';
import { spread } from '../../support/size.ts';

describe('rows that are spread over a table', () => {
  const table = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];

  it.each([
    [1, 'a'],
    [2, 'ag'],
    [3, 'adg'],
    [4, 'aceg'],
    [7, 'abcdefg'],
    [9, 'abcdefg'],
  ])('are %i, at equal distances, from the first to the last', (count, rows) => {
    expect(spread(table, count).join('')).toBe(rows);
  });
});
