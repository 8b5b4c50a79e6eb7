import { describe, expect, it } from 'vitest';
import { SWEEP } from '../../events/request.ts';
import type { Profile } from '../../lib/profile.ts';
import { ESTATE } from '../../local/estate.ts';
import { readProfiles } from '../../profiles/file.ts';
import { profileVersion } from '../../profiles/version.ts';
import { startEnrolment } from '../../services/announced-start.ts';
import { ledgerOfInstances, type Played, playWorld, startByHand, untilEnded, untilOneEnded } from '../support/world.ts';

const ask = (world: Played, input: unknown) => world.lambda.invoke('muster-dev-revert-metadata', input);

/** The refusal of a request: its name, and its sentence. */
async function refusal(world: Played, input: unknown) {
  const failure = await ask(world, input).then(
    (answer) => Promise.reject(new Error(`It was answered: ${JSON.stringify(answer)}`)),
    (error: { error: string; cause: string }) => error,
  );
  return { name: failure.error, sentence: JSON.parse(failure.cause).errorMessage as string };
}

const seconds = (world: Played, count: number) => world.clock.advance(count * 1000);
const optionsOf = ({ ec2 }: Played, instanceId: string) => ec2.instance(instanceId)?.metadataOptions;
const sentTo = ({ calls }: Played) =>
  calls.filter(({ operation }) => /^(Modify|Update)Instance/.test(operation)).map(({ input }) => input);

async function recordOf(world: Played, instance: string) {
  return (await ledgerOfInstances(world)).find((item) => item.instance === instance);
}

function estate(MetadataOptions: object) {
  return { ...ESTATE, groups: ESTATE.groups.map((group) => ({ ...group, MetadataOptions })) };
}

function withMetadata(metadata: Partial<NonNullable<Profile['metadata']>>): Profile[] {
  return readProfiles('profiles.yml').map((profile) =>
    profile.metadata ? { ...profile, metadata: { ...profile.metadata, ...metadata } } : profile,
  );
}

/** A world in which an instance of `web` was enrolled, and what was changed is forgotten. */
async function enrolled(options: Parameters<typeof playWorld>[0] = {}) {
  const world = await playWorld(options);
  const [instanceId = ''] = world.autoScaling.launch('web', 1);
  expect(await untilOneEnded(world)).toMatchObject({ outcome: 'enrolled' });
  // The group announces it once more when it is in service.
  await seconds(world, 60);
  world.calls.length = 0;
  return { world, instanceId };
}

/** Enrols it as a person does, and waits for whatever runs. */
/** The gate has let it through: only then IMDSv1 is closed on an instance that runs. */
async function enrolBySweep(world: Played, instanceId: string): Promise<void> {
  const eventTime = new Date(world.clock.now()).toISOString();
  const announcement = { subject: instanceId, by: 'sweep', detailType: SWEEP, eventId: '1', eventTime } as const;
  const start = { execution: `${instanceId}-1`, input: { instanceId }, announcement };
  await startEnrolment(start, new AbortController().signal);
  await untilEnded(world, world.machines.executions().length);
}

async function enrolByHand(world: Played, instanceId: string): Promise<void> {
  startByHand(world, { instanceId });
  await untilEnded(world, world.machines.executions().length);
}

describe('metadata options', () => {
  it('are put back to exactly what they were at the launch, and the service is asked whether it applied them', async () => {
    const launched = { HttpTokens: 'optional', HttpPutResponseHopLimit: 5, InstanceMetadataTags: 'enabled' };
    const { world, instanceId } = await enrolled({ estate: estate(launched) });
    expect(optionsOf(world, instanceId)).toMatchObject({ HttpTokens: 'required', HttpPutResponseHopLimit: 2 });
    const metadataOptions = { httpTokens: 'optional', httpEndpoint: 'enabled', httpPutResponseHopLimit: 5 };
    expect(await ask(world, { instanceId })).toEqual({
      instance: instanceId,
      state: 'pending',
      metadataOptions,
      message: expect.stringContaining('Invoke this again'),
    });
    expect(await ask(world, { instanceId })).toMatchObject({ state: 'pending' });
    await seconds(world, 10);
    expect(await ask(world, { instanceId })).toEqual({
      instance: instanceId,
      state: 'applied',
      metadataOptions,
      message: expect.stringContaining('stay so until the profile'),
    });
    expect(optionsOf(world, instanceId)).toMatchObject({ ...launched, State: 'applied' });
    expect(sentTo(world)).toEqual([{ InstanceId: instanceId, HttpTokens: 'optional', HttpPutResponseHopLimit: 5 }]);
  });

  it('that the profile did not name are not sent', async () => {
    const world = await playWorld({ estate: estate({ HttpPutResponseHopLimit: 5, HttpEndpoint: 'disabled' }) });
    const [InstanceId = ''] = world.autoScaling.launch('database', 1);
    await untilOneEnded(world);
    world.calls.length = 0;
    await ask(world, { instanceId: InstanceId });
    expect(sentTo(world)).toEqual([{ InstanceId, HttpTokens: 'optional' }]);
  });

  it('are put back with an endpoint that was disabled, which EC2 takes alone', async () => {
    const launched = { HttpEndpoint: 'disabled', HttpTokens: 'optional', HttpPutResponseHopLimit: 1 };
    const { world, instanceId } = await enrolled({
      estate: estate(launched),
      profiles: withMetadata({ httpEndpoint: 'enabled' }),
    });
    expect(optionsOf(world, instanceId)).toMatchObject({ HttpEndpoint: 'enabled', HttpTokens: 'required' });
    await ask(world, { instanceId });
    await seconds(world, 10);
    expect(await ask(world, { instanceId })).toMatchObject({ state: 'applied' });
    expect(optionsOf(world, instanceId)).toMatchObject(launched);
  });

  it('are those from before the first change, whatever was changed since', async () => {
    const { world, instanceId } = await enrolled();
    process.env.MUSTER_PROFILES = JSON.stringify({ profiles: withMetadata({ httpPutResponseHopLimit: 3 }) });
    await enrolByHand(world, instanceId);
    expect(optionsOf(world, instanceId)).toMatchObject({ HttpPutResponseHopLimit: 3 });
    await ask(world, { instanceId });
    expect(optionsOf(world, instanceId)).toMatchObject({ HttpTokens: 'optional', HttpPutResponseHopLimit: 1 });
  });

  it('of a Lightsail instance are put back, with httpTokens said', async () => {
    const world = await playWorld();
    const create = { availabilityZone: 'eu-west-1a', blueprintId: 'amazon_linux_2023', bundleId: 'nano_3_0' };
    await world.lightsail.createInstances({ ...create, instanceNames: ['Blog-1'] }, { requestId: '1' });
    expect(await untilOneEnded(world)).toMatchObject({ outcome: 'enrolled' });
    world.calls.length = 0;
    await ask(world, { lightsailInstanceName: 'Blog-1' });
    await seconds(world, 10);
    expect(await ask(world, { lightsailInstanceName: 'Blog-1' })).toMatchObject({ state: 'applied' });
    expect(sentTo(world)).toEqual([{ instanceName: 'Blog-1', httpTokens: 'optional' }]);
    expect(world.lightsail.instance('Blog-1')?.metadataOptions).toMatchObject({ httpTokens: 'optional' });
  });
});

describe('the ledger', () => {
  it('says when they were put back, and for which version of the profile', async () => {
    const { world, instanceId } = await enrolled();
    await ask(world, { instanceId });
    const [web] = readProfiles('profiles.yml');
    const first = (await recordOf(world, instanceId))?.reverted;
    expect(first).toEqual({ at: expect.any(String), profileVersion: web && profileVersion(web) });
    await ask(world, { instanceId });
    expect((await recordOf(world, instanceId))?.reverted).toEqual(first);
  });

  it('says so before the service is asked, so that no sweep comes between, and the next request goes on', async () => {
    const { world, instanceId } = await enrolled();
    world.faults.set([{ service: 'ec2', operation: 'ModifyInstanceMetadataOptions', error: 'UnauthorizedOperation' }]);
    expect((await refusal(world, { instanceId })).name).toBe('PermissionDenied');
    expect(await recordOf(world, instanceId)).toHaveProperty('reverted');
    expect(optionsOf(world, instanceId)).toMatchObject({ HttpTokens: 'required' });
    world.faults.set([]);
    expect(await ask(world, { instanceId })).toMatchObject({ state: 'pending' });
    expect(optionsOf(world, instanceId)).toMatchObject({ HttpTokens: 'optional' });
  });

  it('says it no more when they are changed again', async () => {
    const { world, instanceId } = await enrolled();
    await ask(world, { instanceId });
    await seconds(world, 10);
    process.env.MUSTER_PROFILES = JSON.stringify({ profiles: withMetadata({ httpPutResponseHopLimit: 3 }) });
    await enrolByHand(world, instanceId);
    const record = await recordOf(world, instanceId);
    expect(record).not.toHaveProperty('reverted');
    expect(record).toMatchObject({ metadataBefore: { httpTokens: 'optional' } });
  });

  it('says when IMDSv1 was closed on an instance that had run with it, and not of a launch', async () => {
    const { world, instanceId } = await enrolled();
    expect(await recordOf(world, instanceId)).not.toHaveProperty('hardenedAt');
    const tags = new Map([['aws:autoscaling:groupName', 'batch-nightly']]);
    const running = world.ec2.launch({ tags }).instanceId;
    await seconds(world, 3600);
    await enrolBySweep(world, running);
    const { hardenedAt, claimedAt, endedAt } = (await recordOf(world, running)) ?? {};
    expect(Date.parse(String(hardenedAt))).toBeGreaterThanOrEqual(Date.parse(String(claimedAt)));
    expect(Date.parse(String(hardenedAt))).toBeLessThan(Date.parse(String(endedAt)));
  });
});

describe('a request', () => {
  it.each([
    ['names no instance', {}, 'No instance is named'],
    ['names two', { instanceId: 'i-0123456789abcdef0', lightsailInstanceName: 'a' }, 'keep the one that you mean'],
    ['names none that there can be', { instanceId: 'web-1' }, 'an EC2 instance id such as'],
    ['asks for more', { instanceId: 'i-0123456789abcdef0', httpTokens: 'optional' }, 'httpTokens'],
    ['is nothing', undefined, 'The input'],
  ])('that %s is refused, and nothing is looked at', async (_, input, sentence) => {
    const world = await playWorld();
    const refused = await refusal(world, input);
    expect(refused).toEqual({ name: 'InvalidRequest', sentence: expect.stringContaining(sentence) });
    expect(world.calls).toEqual([]);
  });

  it.each<[string, object, string]>([
    ['EC2', { instanceId: 'i-0123456789abcdef0' }, 'i-0123456789abcdef0'],
    ['Lightsail', { lightsailInstanceName: 'blog' }, 'blog'],
  ])('for an instance that %s does not show is refused, and does not call it gone', async (service, input, name) => {
    const world = await playWorld();
    expect(await refusal(world, input)).toEqual({
      name: 'InstanceNotFound',
      sentence: `${service} does not show ${name} in eu-west-1 now, which may pass. Try again in five minutes; if it still does not, correct the name or its region.`,
    });
  });

  it('for an instance that EC2 misses once are put back by the next request', async () => {
    const { world, instanceId } = await enrolled();
    for (const operation of ['DescribeInstances', 'ModifyInstanceMetadataOptions']) {
      world.faults.set([{ service: 'ec2', operation, error: 'InvalidInstanceID.NotFound', times: 1 }]);
      expect((await refusal(world, { instanceId })).name).toMatch(/^InstanceNot(Found|Ready)$/);
    }
    expect(await ask(world, { instanceId })).toMatchObject({ state: 'pending' });
  });

  it('for an instance that EC2 says is terminated is refused', async () => {
    const { world, instanceId } = await enrolled();
    world.ec2.terminate(instanceId);
    await seconds(world, 60);
    expect(await refusal(world, { instanceId })).toEqual({
      name: 'InstanceGone',
      sentence: `${instanceId} is terminated: there is nothing to put back.`,
    });
  });

  it('for an instance that the ledger does not know is refused, and nothing is changed', async () => {
    const world = await playWorld();
    const { instanceId } = world.ec2.launch({});
    expect(await refusal(world, { instanceId })).toEqual({
      name: 'InvalidRequest',
      sentence: `${instanceId} is not in the ledger: Muster has not changed it.`,
    });
    expect(sentTo(world)).toEqual([]);
    expect(await ledgerOfInstances(world)).toEqual([]);
  });

  it('for an instance that complied from the start is refused, and nothing is changed', async () => {
    const { world, instanceId } = await enrolled({
      estate: estate({ HttpTokens: 'required', HttpPutResponseHopLimit: 2 }),
    });
    expect(await refusal(world, { instanceId })).toEqual({
      name: 'InvalidRequest',
      sentence: `The ledger has no earlier metadata options of ${instanceId}: Muster has not changed them.`,
    });
    expect(await recordOf(world, instanceId)).not.toHaveProperty('reverted');
  });

  it('for an instance that is being enrolled is refused until that has ended', async () => {
    const world = await playWorld();
    const [instanceId = ''] = world.autoScaling.launch('web', 1);
    await seconds(world, 40);
    expect((await recordOf(world, instanceId))?.status).toBe('enrolling');
    expect(await refusal(world, { instanceId })).toMatchObject({ name: 'ClaimedElsewhere' });
    await untilOneEnded(world);
    expect(await ask(world, { instanceId })).toMatchObject({ state: 'pending' });
  });

  it('for a Lightsail instance that bears the name of another one is refused', async () => {
    const world = await playWorld();
    const create = {
      availabilityZone: 'eu-west-1a',
      blueprintId: 'amazon_linux_2023',
      bundleId: 'nano_3_0',
      instanceNames: ['blog'],
    };
    await world.lightsail.createInstances(create, { requestId: '1' });
    await untilOneEnded(world);
    await world.lightsail.deleteInstance({ instanceName: 'blog' }, { requestId: '2' });
    await untilEnded(world, 2);
    await seconds(world, 60);
    world.lightsail.takeUp(create);
    expect(await refusal(world, { lightsailInstanceName: 'blog' })).toMatchObject({
      name: 'InvalidRequest',
      sentence: expect.stringContaining("The ledger's blog was launched at"),
    });
  });
});
