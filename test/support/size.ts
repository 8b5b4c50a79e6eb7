/**
 * How large the tests play. `npm test` plays bursts, days, fleets and properties small; `npm run test:full` plays them whole,
 * and leaves out the tests that have one size.
 * Both assert the same.
 */
const { MUSTER_TEST_SIZE: size = 'small' } = process.env;
if (size !== 'small' && size !== 'full') throw new Error(`MUSTER_TEST_SIZE is ${size}: write small or full.`);

export function sized<Value>(sizes: { readonly small: Value; readonly full: Value }): Value {
  return size === 'full' ? sizes.full : sizes.small;
}
