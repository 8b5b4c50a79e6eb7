import { describe, expect, it } from 'vitest';
import { readProfiles } from '../../../profiles/file.ts';
import { launchActions, playWorld, untilOneEnded } from '../../support/world.ts';

const GROUP_TAG = 'aws:autoscaling:groupName';

describe('an instance whose tags EC2 does not show yet', () => {
  it('is waited for, and enrolled in its hook', async () => {
    const world = await playWorld({ ec2: { tagsAfterSeconds: 90 } });
    const [instance] = world.autoScaling.launch('web', 1);
    expect(await untilOneEnded(world)).toMatchObject({ instance, outcome: 'enrolled', profile: 'web' });
    expect(launchActions(world)).toMatchObject([{ result: 'CONTINUE', resolvedBy: 'caller' }]);
  });

  it('is waited for where no hook waits', async () => {
    const world = await playWorld({ ec2: { tagsAfterSeconds: 90 } });
    world.autoScaling.launch('batch-nightly', 1);
    expect(await untilOneEnded(world)).toMatchObject({ outcome: 'enrolled', profile: 'batch' });
  });

  it('is enrolled with the group that Auto Scaling names when its tags do not come for hours', async () => {
    const world = await playWorld({ ec2: { tagsAfterSeconds: 6 * 3600 } });
    world.autoScaling.launch('web', 1);
    const enrolment = await untilOneEnded(world);
    expect(enrolment).toMatchObject({ outcome: 'enrolled', profile: 'web' });
    expect(enrolment.seconds).toBeGreaterThan(600);
    expect((await world.ledger())[0]).toMatchObject({ autoScalingGroupName: 'web' });
  });

  it('is waited for where a tag of its own decides between two profiles of its group', async () => {
    const [web, ...others] = readProfiles('profiles.yml').filter(({ name }) => name === 'web');
    if (!web) throw new Error('profiles.yml has no profile web.');
    const first = { ...web, name: 'web-blue', match: { ...web.match, tags: { colour: 'blue' } } };
    const world = await playWorld({ profiles: [first, web, ...others] });
    const [instance = ''] = world.autoScaling.launch('web', 1);
    await world.clock.advance(90_000);
    world.ec2.tag(instance, new Map([['colour', 'blue']]));
    expect(await untilOneEnded(world)).toMatchObject({ instance, outcome: 'enrolled', profile: 'web-blue' });
  });

  it('is waited for while IAM denies what a role allows by them', async () => {
    const world = await playWorld({ ec2: { tagCondition: GROUP_TAG, tagsAfterSeconds: 0 } });
    const denial = { error: 'AccessDeniedException', times: 2 };
    world.faults.set([
      { service: 'ssm', operation: 'SendCommand', ...denial },
      { service: 'ec2', operation: 'ModifyInstanceMetadataOptions', error: 'UnauthorizedOperation', times: 2 },
    ]);
    world.autoScaling.launch('web', 1);
    expect(await untilOneEnded(world)).toMatchObject({ outcome: 'enrolled', metadata: { HttpTokens: 'required' } });
  });

  it('is held by a denial that outlasts them', async () => {
    const world = await playWorld();
    world.faults.set([{ service: 'ssm', operation: 'SendCommand', error: 'AccessDeniedException' }]);
    world.autoScaling.launch('web', 1);
    const failed = await untilOneEnded(world);
    expect(failed).toMatchObject({ outcome: 'failed', lifecycle: 'Pending:Wait' });
    expect(failed.seconds).toBeGreaterThan(600);
    expect(failed.seconds).toBeLessThan(3600);
    expect(failed.cause).toContain('AccessDeniedException');
  });
});
