import { describe, expect, it } from 'vitest';
import type { Profile } from '../../lib/profile.ts';
import { readProfiles } from '../../profiles/file.ts';
import {
  associations,
  launchActions,
  ledgerOfInstances,
  outcomes,
  playWorld,
  registrations,
  startByHand,
  untilEnded,
  untilOneEnded,
} from '../support/world.ts';

const MINUTE = 60_000;

const withPolicy = (onFailure: Profile['onFailure']) =>
  readProfiles('profiles.yml').map((profile) => ({ ...profile, onFailure }));

async function playFailure(onFailure: Profile['onFailure']) {
  const world = await playWorld({ profiles: withPolicy(onFailure) });
  world.faults.set([{ service: 'opsworks-cm', operation: 'AssociateNode', error: 'ValidationException' }]);
  const [instance = ''] = world.autoScaling.launch('web', 1);
  const failed = await untilOneEnded(world);
  return { world, instance, failed };
}

describe('a launch whose enrolment failed for good', () => {
  it('hold: waits in its hook, until a person has mended the cause and starts it again', async () => {
    const { world, instance, failed } = await playFailure('hold');
    expect(failed.lifecycle).toBe('Pending:Wait');
    expect(outcomes(world)).toMatchObject([{ detailType: 'Instance Enrolment Held', detail: { action: 'hold' } }]);
    world.faults.set([]);
    startByHand(world, { instanceId: instance });
    await untilEnded(world, 2);
    expect(launchActions(world)).toMatchObject([{ result: 'CONTINUE', resolvedBy: 'caller' }]);
    const [item] = await ledgerOfInstances(world);
    expect(item).toMatchObject({ status: 'enrolled', generation: 2 });
    expect(item).not.toHaveProperty('lastError');
    expect(outcomes(world).map(({ detailType }) => detailType)).toEqual([
      'Instance Enrolment Held',
      'Instance Enrolled',
    ]);
  });

  it('abandon: is terminated and replaced', async () => {
    const { world, instance } = await playFailure('abandon');
    await world.clock.advance(MINUTE);
    expect(world.autoScaling.members.get(instance)).toBeUndefined();
    // The one that replaces it may fail and be replaced in its turn.
    expect(world.autoScaling.members.all).not.toEqual([]);
    expect(outcomes(world)[0]).toMatchObject({
      detailType: 'Instance Enrolment Failed',
      detail: { instance, action: 'abandon', error: 'AssociationFailed', profile: 'web', server: 'ChefServer' },
    });
  });

  it('continue: serves as it is', async () => {
    const { world, instance, failed } = await playFailure('continue');
    expect(failed.cause).toMatch(
      new RegExp(`To enrol it, fix this and start enrol-node with {"instanceId":"${instance}"}\\.$`),
    );
    await world.clock.advance(MINUTE);
    expect(world.autoScaling.members.get(instance)?.lifecycleState).toBe('InService');
    expect(registrations(world)).toHaveLength(1);
    expect(outcomes(world)).toMatchObject([
      { detailType: 'Instance Enrolment Failed', detail: { action: 'continue' } },
    ]);
  });
});

describe('an instance that cannot do IMDSv2', () => {
  const refusal = [{ service: 'ec2', operation: 'ModifyInstanceMetadataOptions', error: 'UnsupportedOperation' }];
  const withMetadata = (onFailure: 'continue' | 'fail') =>
    withPolicy('abandon').map((profile) => ({
      ...profile,
      ...(profile.metadata && { metadata: { ...profile.metadata, onFailure } }),
    }));

  it('is enrolled all the same where metadata.onFailure says continue', async () => {
    const world = await playWorld({ profiles: withMetadata('continue') });
    world.faults.set(refusal);
    world.autoScaling.launch('web', 1);
    expect(await untilOneEnded(world)).toMatchObject({ outcome: 'enrolled' });
    expect(outcomes(world).map(({ detailType }) => detailType)).toEqual(['Instance Enrolled']);
  });

  it('fails, and is abandoned, where metadata.onFailure says fail', async () => {
    const world = await playWorld({ profiles: withMetadata('fail') });
    world.faults.set(refusal);
    const [instance] = world.autoScaling.launch('web', 1);
    expect(await untilOneEnded(world)).toMatchObject({ outcome: 'failed' });
    expect(outcomes(world)[0]?.detail).toMatchObject({
      instance,
      error: 'MetadataOptionsUnsupported',
      action: 'abandon',
    });
  });
});

describe('a node that is enrolled, and whose launch cannot be finished', () => {
  it('is never abandoned: it stays enrolled, and its launch waits for a person', async () => {
    const world = await playWorld({ profiles: withPolicy('abandon') });
    world.faults.set([{ service: 'autoscaling', operation: 'CompleteLifecycleAction', error: 'AccessDenied' }]);
    const [instance = ''] = world.autoScaling.launch('web', 1);
    const failed = await untilOneEnded(world);
    expect(failed.cause).toContain(`${instance} is enrolled, but its launch was not finished (profile web):`);
    expect(launchActions(world)).toMatchObject([{ result: undefined }]);
    expect(associations(world)).toHaveLength(1);
    expect(await ledgerOfInstances(world)).toMatchObject([{ status: 'enrolled', lastError: failed.cause }]);
    expect(outcomes(world).map(({ detailType }) => detailType)).toEqual(['Instance Enrolment Held']);

    world.faults.set([]);
    startByHand(world, { instanceId: instance });
    await untilEnded(world, 2);
    expect(launchActions(world)).toMatchObject([{ result: 'CONTINUE', resolvedBy: 'caller' }]);
    expect(world.machines.executions(world.retireNodeArn)).toEqual([]);
  });

  it('is waited for while Auto Scaling is out of order', async () => {
    const world = await playWorld({ profiles: withPolicy('abandon') });
    world.faults.set([{ service: 'autoscaling', operation: 'CompleteLifecycleAction', statusCode: 500 }]);
    world.autoScaling.launch('web', 1);
    await world.clock.advance(90 * MINUTE);
    world.faults.set([]);
    expect(await untilOneEnded(world)).toMatchObject({ outcome: 'enrolled' });
    expect(launchActions(world)).toMatchObject([{ result: 'CONTINUE', resolvedBy: 'caller' }]);
    expect(outcomes(world).map(({ detailType }) => detailType)).toEqual(['Instance Enrolled']);
  });
});

describe('an error that nobody has foreseen', () => {
  it('is held, whatever the profile says of failures', async () => {
    const world = await playWorld({ profiles: withPolicy('abandon') });
    world.faults.set([{ service: 'opsworks', operation: 'RegisterInstance', error: 'SomethingNewException' }]);
    world.autoScaling.launch('web', 1);
    const failed = await untilOneEnded(world);
    expect(failed.cause).toContain('It is held and not abandoned, because this is no verdict on the instance.');
    expect(launchActions(world)).toMatchObject([{ result: undefined }]);
    expect(world.logs.filter(({ PolicyRelaxed }) => PolicyRelaxed === 1)).toHaveLength(1);
  });
});
