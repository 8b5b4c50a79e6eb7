import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type InstanceRef, ledgerKey, lightsailNodeName, namedBy } from '../../../lib/instance.ts';

const HOME = 'eu-west-1';
const region = fc.constantFrom(HOME, 'us-east-1', 'us-gov-west-1');
const lightsail: fc.Arbitrary<InstanceRef> = fc.record({
  platform: fc.constant('lightsail' as const),
  instanceId: fc.stringMatching(/^\w([\w.-]{0,40}\w)?$/),
  region,
});
const ec2: fc.Arbitrary<InstanceRef> = fc.record({
  platform: fc.constant('ec2' as const),
  instanceId: fc.stringMatching(/^i-[0-9a-f]{17}$/),
  region,
});

describe("an instance's key in the ledger", () => {
  it('names the instance again; of EC2, with the Region that its record has', () => {
    fc.assert(
      fc.property(fc.oneof(lightsail, ec2), (which) => {
        expect(namedBy({ instance: ledgerKey(which), region: which.region })).toEqual(which);
      }),
    );
  });

  it("is a Lightsail instance's own in every Region, whatever its record says", () => {
    fc.assert(
      fc.property(lightsail, region, (which, another) => {
        expect(namedBy({ instance: ledgerKey(which), region: another })).toEqual(which);
      }),
    );
  });
});

describe("a Lightsail node's name", () => {
  it('is the instance’s in lower case, and has its Region where that is another than the stack’s', () => {
    expect(lightsailNodeName({ instanceId: 'Blog-1', region: HOME }, HOME)).toBe('blog-1');
    expect(lightsailNodeName({ instanceId: 'Blog-1', region: 'us-east-1' }, HOME)).toBe('blog-1.us-east-1');
  });
});
