/**
 * How large the tests play. `npm test` plays bursts, days, fleets, tables and properties small. `npm run test:full` plays them
 * large, and leaves out the tests that have one size. `npm run test:whole` plays the largest numbers, for an hour or two. All
 * assert the same.
 */
const { MUSTER_TEST_SIZE: size = 'small' } = process.env;
if (size !== 'small' && size !== 'full' && size !== 'whole')
  throw new Error(`MUSTER_TEST_SIZE is ${size}: write small, full or whole.`);

/** For a test that no smaller number shows: `it.runIf(isFull)`. */
export const isFull = size !== 'small';

/** @param sizes.whole left out, as large as `full` */
export function sized<Value>(sizes: {
  readonly small: Value;
  readonly full: Value;
  readonly whole?: NonNullable<Value>;
}): Value {
  if (size === 'whole') return sizes.whole ?? sizes.full;
  return size === 'full' ? sizes.full : sizes.small;
}

/** All rows of a table when tests play large, `count` of them when they play small. */
export function sampled<Row>(rows: readonly Row[], count: number): Row[] {
  return sized({ small: spread(rows, count), full: [...rows] });
}

/** As many rows, at equal distances: the first and the last among them where `count` is more than one. */
export function spread<Row>(rows: readonly Row[], count: number): Row[] {
  if (count >= rows.length) return [...rows];
  const step = count > 1 ? (rows.length - 1) / (count - 1) : rows.length;
  return Array.from({ length: count }, (_, index) => Math.round(index * step)).flatMap((at) => rows.slice(at, at + 1));
}
