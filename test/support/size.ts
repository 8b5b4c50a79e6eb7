/**
 * How large the tests play. `npm test` plays bursts, days, fleets and properties small. `npm run test:full` plays them large, and
 * leaves out the tests that have one size. `npm run test:whole` plays the largest numbers, for an hour or two. All assert the
 * same.
 */
const { MUSTER_TEST_SIZE: size = 'small' } = process.env;
if (size !== 'small' && size !== 'full' && size !== 'whole')
  throw new Error(`MUSTER_TEST_SIZE is ${size}: write small, full or whole.`);

/** @param sizes.whole left out, as large as `full` */
export function sized<Value>(sizes: {
  readonly small: Value;
  readonly full: Value;
  readonly whole?: NonNullable<Value>;
}): Value {
  if (size === 'whole') return sizes.whole ?? sizes.full;
  return size === 'full' ? sizes.full : sizes.small;
}
