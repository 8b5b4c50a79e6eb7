import { describe, expect, it } from 'vitest';
import { OUTCOMES } from '../../events/outcomes.ts';
import type { Profile } from '../../lib/profile.ts';
import { readProfiles } from '../../profiles/file.ts';
import { outcomes, type Played, playWorld, startByHand } from '../support/world.ts';

const MINUTE = 60_000;

const withPolicy = (onFailure: Profile['onFailure']) =>
  readProfiles('profiles.yml').map((profile) => ({ ...profile, onFailure, abandonLimit: 1 }));

function createSite({ lightsail }: Played): void {
  const what = { availabilityZone: 'eu-west-1a', blueprintId: 'debian_12', bundleId: 'nano_3_0' };
  void lightsail.createInstances({ instanceNames: ['blog'], ...what }, { requestId: 'by-the-test' });
}

function retireByHand(world: Played, input: unknown): void {
  world.machines.start({ stateMachineArn: world.retireNodeArn, input: JSON.stringify(input) });
}

/** Ways to each outcome: what happens, half an hour later what else, and what the world hears. */
const LIVES: [life: string, heard: string[], begin: (world: Played) => void, end?: (world: Played) => void][] = [
  ['a launch', ['Instance Enrolled'], ({ autoScaling }) => autoScaling.launch('web', 1)],
  [
    'launches that fail and are abandoned as often as allowed, then held',
    // What the server refused is not undone: the retirement takes back the registration only.
    ['Instance Enrolment Failed', 'Instance Retired', 'Instance Enrolment Held'],
    ({ autoScaling, faults }) => {
      faults.set([{ service: 'opsworks-cm', operation: 'AssociateNode', error: 'ValidationException' }]);
      autoScaling.launch('web', 1);
    },
  ],
  [
    'a launch and its termination',
    ['Instance Enrolled', 'Instance Retired'],
    ({ autoScaling }) => autoScaling.launch('web', 1),
    ({ autoScaling }) => autoScaling.setDesiredCapacity('web', 0),
  ],
  [
    'a launch and its termination, without hooks',
    ['Instance Enrolled', 'Instance Retired'],
    ({ autoScaling }) => autoScaling.launch('batch-nightly', 1),
    ({ autoScaling }) => autoScaling.setDesiredCapacity('batch-nightly', 0),
  ],
  [
    'a Lightsail instance',
    ['Instance Enrolled', 'Instance Retired'],
    createSite,
    ({ lightsail }) => void lightsail.deleteInstance({ instanceName: 'blog' }, { requestId: 'by-the-test' }),
  ],
  [
    'a termination in the middle of an enrolment',
    ['Instance Retired'],
    ({ autoScaling, opsWorksCm }) => {
      opsWorksCm.setStatus('ChefServer', 'UNDER_MAINTENANCE');
      autoScaling.launch('web', 1);
    },
    ({ autoScaling, opsWorksCm }) => {
      autoScaling.setDesiredCapacity('web', 0);
      opsWorksCm.setStatus('ChefServer', 'HEALTHY');
    },
  ],
  [
    'another team’s launch and its termination',
    [],
    ({ autoScaling }) => autoScaling.launch('analytics', 1),
    ({ autoScaling }) => autoScaling.setDesiredCapacity('analytics', 0),
  ],
  [
    'a person who enrols what is unknown',
    ['Instance Enrolment Failed'],
    (world) => startByHand(world, { instanceId: 'i-0123456789abcdef0' }),
  ],
  ['a person who types nonsense', ['Instance Enrolment Failed'], (world) => startByHand(world, ['nonsense'])],
  [
    'a person who retires what is unknown',
    ['Instance Retirement Failed'],
    (world) => retireByHand(world, { lightsailInstanceName: 'nobody' }),
  ],
  ['a person who retires nonsense', ['Instance Retirement Failed'], (world) => retireByHand(world, 'nonsense')],
];

describe('what Muster tells the world', () => {
  it.each(LIVES)('of %s: once each outcome, as it is documented', async (_life, heard, begin, end) => {
    const world = await playWorld({ profiles: withPolicy('abandon') });
    begin(world);
    await world.clock.advance(30 * MINUTE);
    end?.(world);
    await world.clock.advance(30 * MINUTE);
    const told = outcomes(world);
    for (const { detailType, detail } of told) {
      expect(Object.keys(OUTCOMES)).toContain(detailType);
      expect(OUTCOMES[detailType as keyof typeof OUTCOMES].safeParse(detail)).toMatchObject({ success: true });
    }
    expect(told.map(({ detailType }) => detailType)).toEqual(heard);
    const identities = told.map(({ detailType, detail }) => `${detailType} ${detail.execution}`);
    expect(new Set(identities).size).toBe(identities.length);
  });
});
