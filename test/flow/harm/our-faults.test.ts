import { describe, expect, it } from 'vitest';
import { readProfiles } from '../../../profiles/file.ts';
import { sampled } from '../../support/size.ts';
import { launchActions, outcomes, playWorld, untilOneEnded } from '../../support/world.ts';

type Policy = 'abandon' | 'continue';
const profilesWhere = (onFailure: Policy) => readProfiles('profiles.yml').map((profile) => ({ ...profile, onFailure }));

const DENIED = 'User: x is not authorized to perform: y with an explicit deny in a service control policy';

/** Faults that another instance would meet as well. */
const OURS: [error: string, fault: object, sentence: string][] = [
  [
    'PermissionDenied',
    { service: 'ssm', operation: 'SendCommand', error: 'AccessDeniedException' },
    "Allow it in the function's role",
  ],
  [
    'PermissionDenied',
    { service: 'ec2', operation: 'ModifyInstanceMetadataOptions', error: 'UnauthorizedOperation', message: DENIED },
    "a policy of the organization denies it, whatever the function's role allows.",
  ],
  [
    'InvalidRequest',
    { service: 'opsworks-cm', operation: 'AssociateNode', error: 'ResourceNotFoundException' },
    'Correct serverName in profiles.yml.',
  ],
  [
    'InvalidRequest',
    { service: 'opsworks', operation: 'DescribeInstances', error: 'ResourceNotFoundException' },
    'Correct stackId and layerIds in profiles.yml.',
  ],
  [
    'InvalidRequest',
    { service: 'ssm', operation: 'SendCommand', error: 'InvalidDocument' },
    "Deploy Muster's documents in eu-west-1 too",
  ],
  [
    'InvalidRequest',
    { service: 'ssm', operation: 'SendCommand', error: 'UnsupportedPlatformType' },
    'Muster enrols Linux nodes only.',
  ],
  [
    'QuotaExceeded',
    { service: 'opsworks-cm', operation: 'AssociateNode', error: 'LimitExceededException' },
    'a quota of this account is used up (LimitExceededException: ',
  ],
];

async function play(onFailure: Policy, fault: object) {
  const world = await playWorld({ profiles: profilesWhere(onFailure) });
  world.faults.set([fault]);
  world.autoScaling.launch('web', 1);
  return { world, ended: await untilOneEnded(world) };
}

describe('a fault of ours', () => {
  it.each(sampled(OURS, 3))('(%s, %o) holds a launch whose profile says abandon', async (error, fault, sentence) => {
    const { world, ended } = await play('abandon', fault);
    expect(ended.cause).toContain(sentence);
    expect(ended.cause).toContain('It is held and not abandoned, because this is no verdict on the instance.');
    expect(launchActions(world)).toMatchObject([{ result: undefined }]);
    expect(outcomes(world)).toMatchObject([{ detailType: 'Instance Enrolment Held', detail: { error } }]);
    expect((await world.ledger()).filter(({ instance }) => String(instance).startsWith('group/'))).toEqual([]);
  });

  it.each(sampled(OURS, 2))('(%s, %o) lets a launch into service whose profile says continue', async (error, fault) => {
    const { world } = await play('continue', fault);
    expect(launchActions(world)).toMatchObject([{ result: 'CONTINUE' }]);
    expect(outcomes(world)).toMatchObject([
      { detailType: 'Instance Enrolment Failed', detail: { error, action: 'continue' } },
    ]);
  });
});

describe('"not found" of what a profile names', () => {
  const absences = OURS.map(([, fault]) => fault).filter(
    (fault) => 'error' in fault && /NotFound|InvalidDocument/.test(`${fault.error}`),
  );

  it.each(absences)('is not believed at the first look: %o', async (fault) => {
    const { ended } = await play('abandon', { ...fault, times: 1 });
    expect(ended).toMatchObject({ outcome: 'enrolled' });
  });

  it.each(absences)('is believed after a second look, minutes later: %o', async (fault) => {
    const { ended } = await play('abandon', fault);
    expect(ended).toMatchObject({ outcome: 'failed', cause: expect.stringContaining('It has been missing since') });
    expect(ended.seconds).toBeGreaterThan(300);
  });
});

describe('a verdict on the instance', () => {
  it.each([
    ['RegistrationFailed', { service: 'opsworks', operation: 'RegisterInstance', error: 'ValidationException' }],
    ['AssociationFailed', { service: 'opsworks-cm', operation: 'AssociateNode', error: 'ValidationException' }],
  ])('(%s) abandons its launch where its profile says so', async (error, fault) => {
    const { world } = await play('abandon', fault);
    expect(launchActions(world)[0]).toMatchObject({ result: 'ABANDON' });
    expect(outcomes(world)[0]).toMatchObject({ detail: { error, action: 'abandon' } });
  });
});

describe('a quota that is free again when executions end', () => {
  it('is waited for', async () => {
    const world = await playWorld();
    world.faults.set([{ service: 'states', operation: 'StartExecution', error: 'ExecutionLimitExceeded', times: 2 }]);
    world.autoScaling.launch('web', 1);
    expect(await untilOneEnded(world)).toMatchObject({ outcome: 'enrolled' });
  });
});
