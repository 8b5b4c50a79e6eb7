import { describe, expect, it } from 'vitest';
import { isSameInstance } from '../../../lib/ledger-item.ts';

const AT = '2031-05-06T07:08:09.000Z';
const LATER = '2031-05-06T07:10:09.000Z';

describe('an instance and the item of its name', () => {
  it.each([
    ['the same ARN', { arn: 'a', launchTime: AT }, { arn: 'a', launchTime: AT }, true],
    ['another ARN, created in the same second', { arn: 'a', launchTime: AT }, { arn: 'b', launchTime: AT }, false],
    ['an item from before ARNs, and the same creation', { launchTime: AT }, { arn: 'b', launchTime: AT }, true],
    ['an item from before ARNs, and a later creation', { launchTime: AT }, { arn: 'b', launchTime: LATER }, false],
  ])('on Lightsail are compared by the ARN: %s', (_what, item, found, isSame) => {
    expect(isSameInstance(item, { platform: 'lightsail', ...found })).toBe(isSame);
  });

  it('on EC2 are the same, also when the instance was started anew: an id is never given again', () => {
    expect(isSameInstance({ arn: null, launchTime: AT }, { platform: 'ec2', arn: null, launchTime: LATER })).toBe(true);
  });
});
