import { describe, expect, it } from 'vitest';
import type { Profile } from '../../lib/profile.ts';
import { ESTATE } from '../../local/estate.ts';
import { Journal } from '../../local/journal.ts';
import type { AwsEvent } from '../../world/eventbridge/aws-event.ts';
import { sample } from '../support/samples.ts';
import { atRest, deploy, HOUR, loseEvents, startsOf, sweep } from '../support/sweeps.ts';
import {
  associations,
  changes,
  enrolments,
  launchActions,
  type Played,
  playWorld,
  startByHand,
  untilEnded,
  untilOneEnded,
} from '../support/world.ts';

const HERE = 'eu-west-1';
const THERE = 'us-east-1';
const METADATA: Profile['metadata'] = {
  httpTokens: 'required',
  onFailure: 'continue',
  lookBackDays: 14,
  canary: '10%',
};
const COMMON = {
  regions: [HERE, THERE],
  metadata: METADATA,
  enrolWithinMinutes: 60,
  onFailure: 'hold',
  abandonLimit: 3,
} as const;

const DATABASE: Profile = {
  ...COMMON,
  name: 'database',
  match: { autoScalingGroup: 'database*' },
  regions: [...COMMON.regions],
  lifecycleHook: 'muster-launch',
  terminationHook: 'muster-terminate',
  associate: { engine: 'opsworks-cm', serverName: 'ChefServer', serverEngine: 'ChefAutomate' },
};
const BLOG: Profile = {
  ...COMMON,
  name: 'blog',
  match: { lightsail: '*' },
  regions: [...COMMON.regions],
  associate: { engine: 'opsworks-cm', serverName: 'PuppetServer', serverEngine: 'Puppet' },
};

const LAUNCHING = 'autoscaling:EC2_INSTANCE_LAUNCHING';
const TERMINATING = 'autoscaling:EC2_INSTANCE_TERMINATING';

/** A world whose groups `database-there` and `database-elsewhere` are in other Regions, and forward their events. */
function playRegions(options: Parameters<typeof playWorld>[0] = {}): Promise<Played> {
  const groups = [
    { AutoScalingGroupName: 'database-there', region: THERE },
    { AutoScalingGroupName: 'database-elsewhere', region: 'ap-south-1' },
  ];
  const hooks = groups.flatMap(({ AutoScalingGroupName }) => [
    { AutoScalingGroupName, LifecycleHookName: 'muster-launch', LifecycleTransition: LAUNCHING } as const,
    { AutoScalingGroupName, LifecycleHookName: 'muster-terminate', LifecycleTransition: TERMINATING } as const,
  ]);
  return playWorld({
    profiles: [DATABASE, BLOG],
    estate: { ...ESTATE, groups: [...ESTATE.groups, ...groups], hooks: [...ESTATE.hooks, ...hooks] },
    nodes: { agentUpAfterSeconds: 5 },
    ...options,
  });
}

/** An instance that runs, as a member of a group that no world plays. */
async function runIn(world: Played, region: string): Promise<string> {
  const { instanceId } = world.ec2.launch({ region, tags: new Map([['aws:autoscaling:groupName', 'database']]) });
  await world.clock.advance(HOUR);
  return instanceId;
}

async function createIn(world: Played, region: string, name = 'blog-1'): Promise<void> {
  const image = { availabilityZone: `${region}a`, blueprintId: 'amazon_linux_2023', bundleId: 'nano_3_0' };
  world.lightsail.takeUp({ ...image, instanceNames: [name] });
  world.activate(name, region);
  await world.clock.advance(HOUR);
}

async function deleteIn(world: Played, region: string, name = 'blog-1'): Promise<void> {
  await world.lightsail.deleteInstance({ instanceName: name }, { requestId: 'by-the-test', region });
  await world.clock.advance(2 * HOUR);
}

const statuses = async (world: Played) =>
  Object.fromEntries((await world.ledger()).map(({ instance, status }) => [instance, status]));
const retirements = (world: Played) => startsOf(world).filter((start) => start.startsWith('retire-node'));
const causeOf = (world: Played) => world.machines.executions().at(-1)?.outcome.cause;
const nodes = (world: Played) => associations(world).map(({ nodeName }) => nodeName);

describe("a sweep of a profile's other Region", () => {
  it('finds an EC2 instance there, enrols and hardens it', async () => {
    const world = await playRegions();
    loseEvents(world);
    const instance = await runIn(world, THERE);
    const { rows, profiles } = await sweep(world);
    expect(profiles[0]).toMatchObject({ profile: 'database', regions: [HERE, THERE], status: 'swept' });
    expect(rows).toMatchObject([{ instance, region: THERE, finding: 'drifting', action: 'started' }]);
    await atRest(world);
    expect(enrolments(world)[1]).toMatchObject({ instance, outcome: 'enrolled' });
    expect(nodes(world)).toEqual([instance]);
    expect(world.ec2.instance(instance)?.metadataOptions).toMatchObject({ HttpTokens: 'required', State: 'applied' });
    expect(await world.ledger()).toMatchObject([{ instance, region: THERE, status: 'enrolled' }]);
    expect((await sweep(world)).rows).toEqual([]);
  });

  it('leaves IMDSv1 open there while it is used there', async () => {
    const world = await playRegions({ profiles: [{ ...DATABASE, associate: undefined }] });
    loseEvents(world);
    const instance = await runIn(world, THERE);
    world.ec2.countMetadataNoToken(instance, 3);
    expect((await sweep(world)).rows).toMatchObject([{ instance, region: THERE, finding: 'still-on-imdsv1' }]);
  });

  it('counts the canary of all Regions as one: who goes first in one is waited for in the other', async () => {
    const world = await playRegions({ profiles: [{ ...DATABASE, associate: undefined }] });
    loseEvents(world);
    const instances = [await runIn(world, HERE), await runIn(world, THERE)];
    const { rows } = await sweep(world);
    expect(rows.map(({ instance }) => instance).toSorted()).toEqual(instances.toSorted());
    expect(rows.map(({ finding }) => finding).toSorted()).toEqual(['after-canary', 'drifting']);
  });

  it('asks there for a node that it lists no more, and leaves it where it is still there', async () => {
    const world = await playRegions();
    loseEvents(world);
    const instance = await runIn(world, THERE);
    await sweep(world);
    await atRest(world);
    deploy(({ profiles }) => {
      for (const { match } of profiles) match.autoScalingGroup &&= 'elsewhere';
    });
    await sweep(world);
    await world.clock.advance(HOUR);
    expect((await sweep(world)).rows).toMatchObject([
      { instance, region: THERE, finding: 'not-listed', reason: expect.stringContaining('but it still exists') },
    ]);
    expect(retirements(world)).toEqual([]);
  });

  it('stops the whole profile where a page of it fails, says which Region, and retires nothing', async () => {
    const world = await playRegions({ ec2: { pageSize: 2 } });
    loseEvents(world);
    const [gone = ''] = [await runIn(world, HERE), await runIn(world, THERE)];
    deploy((file) => {
      for (const { metadata } of file.profiles) if (metadata) metadata.canary = '100%';
    });
    await sweep(world);
    await atRest(world);
    world.ec2.terminate(gone);
    await world.clock.advance(2 * HOUR);
    await sweep(world);
    // The second listing is the other Region's.
    world.faults.set([{ service: 'ec2', operation: 'DescribeInstances', error: 'InternalError', skip: 1 }]);
    await world.clock.advance(HOUR);
    const { profiles, alerts } = await sweep(world);
    const sentence = `Could not list the instances of EC2 in ${THERE}`;
    expect(profiles[0]).toMatchObject({ status: 'stopped', reason: expect.stringContaining(sentence) });
    expect(profiles[1]).toMatchObject({ status: 'swept' });
    expect(alerts).toEqual([expect.stringContaining(`The sweep of database stopped: ${sentence}`)]);
    expect(retirements(world)).toEqual([]);
    world.faults.set([]);
    await sweep(world);
    expect(retirements(world)).toEqual([`retire-node ${gone}`]);
  });
});

describe('two Lightsail instances of one name, in two Regions,', () => {
  async function bothEnrolled(hear: Partial<Journal['hear']> = {}): Promise<Played> {
    const world = await playRegions({
      ...hear,
      profiles: [{ ...BLOG, metadata: { ...COMMON.metadata, canary: '100%' } as never }],
    });
    loseEvents(world);
    await createIn(world, HERE);
    await createIn(world, THERE);
    const { rows } = await sweep(world);
    expect(rows.map(({ instance, region, action }) => [instance, region, action])).toEqual([
      ['blog-1', HERE, 'started'],
      ['blog-1', THERE, 'started'],
    ]);
    await atRest(world);
    return world;
  }

  it('are two nodes: in the ledger, at their server and at Systems Manager', async () => {
    const world = await bothEnrolled();
    expect(await statuses(world)).toEqual({
      [`lightsail/${HERE}/blog-1`]: 'enrolled',
      [`lightsail/${THERE}/blog-1`]: 'enrolled',
    });
    expect(nodes(world).toSorted()).toEqual(['blog-1', `blog-1.${THERE}`]);
    expect(
      world.fleet
        .snapshot()
        .map(({ installed }) => installed)
        .toSorted(),
    ).toEqual(['blog-1', `blog-1.${THERE}`]);
    for (const region of [HERE, THERE])
      expect(world.lightsail.instance('blog-1', region)?.metadataOptions).toMatchObject({ httpTokens: 'required' });
    expect((await sweep(world)).rows).toEqual([]);
  });

  it('are told of as two, each with what is held of it', async () => {
    const journal = new Journal(() => 0);
    const world = await bothEnrolled(journal.hear);
    expect(enrolments(world).slice(1)).toMatchObject(
      [HERE, THERE].map((region) => ({
        ...{ instance: 'blog-1', platform: 'lightsail', outcome: 'enrolled' },
        association: { serverName: 'PuppetServer', nodeName: region === HERE ? 'blog-1' : `blog-1.${THERE}` },
        metadata: { httpTokens: 'required' },
      })),
    );
    expect(journal.stories).toMatchObject([
      { instance: 'blog-1', region: HERE, outcome: 'enrolled' },
      { instance: 'blog-1', region: THERE, outcome: 'enrolled' },
    ]);
  });

  it.each([
    [THERE, ['blog-1'], `lightsail/${THERE}/blog-1`],
    [HERE, [`blog-1.${THERE}`], `lightsail/${HERE}/blog-1`],
  ])('are retired one by one: of the one in %s nothing is left, of the other everything', async (region, left, key) => {
    const world = await bothEnrolled();
    await deleteIn(world, region);
    await sweep(world);
    await world.clock.advance(HOUR);
    expect((await sweep(world)).rows).toMatchObject([
      { instance: 'blog-1', region, finding: 'gone', action: 'started' },
    ]);
    await world.clock.advance(HOUR);
    expect(nodes(world)).toEqual(left);
    expect((await world.ledger()).filter(({ status }) => status === 'retired')).toMatchObject([{ instance: key }]);
    await deleteIn(world, region === HERE ? THERE : HERE);
    await sweep(world);
    await world.clock.advance(HOUR);
    await sweep(world);
    await world.clock.advance(HOUR);
    expect(nodes(world)).toEqual([]);
    expect(Object.values(await statuses(world))).toEqual(['retired', 'retired']);
  });
});

describe('an event that another Region forwards', () => {
  it('has the launch enrolled there and released from its hook there, and the termination as well', async () => {
    const world = await playRegions();
    const [instance = ''] = world.autoScaling.launch('database-there', 1);
    expect(await untilOneEnded(world)).toMatchObject({ instance, outcome: 'enrolled' });
    expect(launchActions(world)).toMatchObject([{ instanceId: instance, result: 'CONTINUE', resolvedBy: 'caller' }]);
    expect(world.ec2.instance(instance)?.metadataOptions).toMatchObject({ HttpTokens: 'required' });
    expect(await world.ledger()).toMatchObject([{ instance, region: THERE, status: 'enrolled' }]);
    world.autoScaling.setDesiredCapacity('database-there', 0);
    await world.clock.advance(HOUR);
    expect(launchActions(world)[1]).toMatchObject({
      hook: 'muster-terminate',
      result: 'CONTINUE',
      resolvedBy: 'caller',
    });
    expect(nodes(world)).toEqual([]);
    expect(await statuses(world)).toEqual({ [instance]: 'retired' });
  });

  it('keeps the launch alive there while its server is away', async () => {
    const world = await playRegions();
    world.opsWorksCm.maintenance('ChefServer', 4 * 3600);
    const [instance = ''] = world.autoScaling.launch('database-there', 1);
    expect(await untilOneEnded(world)).toMatchObject({ instance, outcome: 'enrolled' });
    expect(launchActions(world)[0]?.heartbeats).toBeGreaterThan(0);
  });

  it('is left alone where no profile names that Region, and nobody is asked there', async () => {
    const world = await playRegions();
    world.autoScaling.launch('database-elsewhere', 1);
    await world.clock.advance(HOUR / 2);
    world.autoScaling.setDesiredCapacity('database-elsewhere', 0);
    await world.clock.advance(HOUR / 2);
    expect(world.machines.executions()).toEqual([]);
    expect((await sweep(world)).profiles[0]).toMatchObject({ counts: { instances: 0 } });
    expect(changes(world)).toEqual([]);
    expect(await world.ledger()).toEqual([]);
  });

  it('of Lightsail is left alone there as well, and enrolled where a profile names the Region', async () => {
    const world = await playRegions({ profiles: [{ ...BLOG, associate: undefined }] });
    loseEvents(world);
    for (const region of [THERE, 'ap-south-1']) await createIn(world, region, 'Shop-Front_1');
    world.lambda.interceptor = (_invocation, next) => next();
    const { time: _, ...event } = sample('lightsail-create-instances-one') as unknown as AwsEvent;
    for (const region of [THERE, 'ap-south-1'])
      await world.bus.deliver({ ...event, region, time: new Date(world.clock.now()).toISOString() });
    await untilOneEnded(world);
    await world.clock.advance(HOUR);
    expect(enrolments(world)).toMatchObject([{ instance: 'Shop-Front_1', outcome: 'enrolled' }]);
    expect(await statuses(world)).toEqual({ [`lightsail/${THERE}/Shop-Front_1`]: 'enrolled' });
  });

  it('is all that is answered where every profile is for other Regions than the stack’s own', async () => {
    const world = await playRegions({ profiles: [{ ...DATABASE, regions: [THERE] }] });
    world.autoScaling.launch('database', 1);
    const [instance = ''] = world.autoScaling.launch('database-there', 1);
    await untilOneEnded(world);
    world.autoScaling.setDesiredCapacity('database-there', 0);
    await world.clock.advance(HOUR / 4);
    expect(new Set(enrolments(world).map((one) => one.instance))).toEqual(new Set([instance]));
    expect(launchActions(world).filter(({ resolvedBy }) => resolvedBy === 'caller')).toMatchObject([
      { instanceId: instance, hook: 'muster-launch' },
      { instanceId: instance, hook: 'muster-terminate' },
    ]);
  });

  it('has a node retired whose Region no profile names any more, once its hook has let it go', async () => {
    const world = await playRegions();
    const [instance = ''] = world.autoScaling.launch('database-there', 1);
    await untilOneEnded(world);
    deploy(({ profiles }) => {
      for (const profile of profiles) profile.regions = [HERE];
    });
    world.autoScaling.setDesiredCapacity('database-there', 0);
    await world.clock.advance(HOUR / 2);
    expect(await statuses(world)).toEqual({ [instance]: 'enrolled' });
    await world.clock.advance(2 * HOUR);
    expect(launchActions(world)[1]).toMatchObject({ hook: 'muster-terminate', resolvedBy: 'timeout' });
    expect(await statuses(world)).toEqual({ [instance]: 'retired' });
    expect(nodes(world)).toEqual([]);
  });
});

describe('an instance that no profile is for in its Region', () => {
  it('is left alone, though its group is one of theirs', async () => {
    const world = await playRegions({ profiles: [{ ...DATABASE, regions: [HERE] }, BLOG] });
    loseEvents(world);
    const instance = await runIn(world, THERE);
    expect((await sweep(world)).rows).toEqual([]);
    startByHand(world, { instanceId: instance, region: THERE });
    await atRest(world);
    expect(enrolments(world).at(-1)).toMatchObject({ outcome: 'ignored' });
    expect(changes(world)).toEqual([]);
  });
});

describe('a request by hand', () => {
  it('names the Region, and is enrolled there', async () => {
    const world = await playRegions();
    loseEvents(world);
    const instance = await runIn(world, THERE);
    startByHand(world, { instanceId: instance, region: THERE });
    expect(await untilOneEnded(world)).toMatchObject({ instance, outcome: 'enrolled' });
  });

  it('that names none is about its own Region, and says so', async () => {
    const world = await playRegions();
    const instance = await runIn(world, THERE);
    startByHand(world, { instanceId: instance });
    expect(await untilOneEnded(world)).toMatchObject({
      outcome: 'failed',
      cause: expect.stringContaining(`EC2 has not shown ${instance} in ${HERE} since `),
    });
  });

  it.each([
    ['ap-south-1', 'No profile is for the Region ap-south-1: correct region, or add it to the regions of a profile'],
    ['us-east', 'region must be a Region such as "eu-west-1"'],
  ])('for %s is refused in a sentence, and nobody is asked', async (region, sentence) => {
    const world = await playRegions();
    startByHand(world, { instanceId: 'i-0123456789abcdef0', region });
    expect(await untilOneEnded(world)).toMatchObject({ outcome: 'failed', cause: expect.stringContaining(sentence) });
    expect(world.calls.filter(({ service }) => service === 'ec2')).toEqual([]);
  });

  it('retires a node of another Region without saying where it was, or wrongly, and asks for it there', async () => {
    const world = await playRegions();
    const [instance = ''] = world.autoScaling.launch('database-there', 1);
    await untilOneEnded(world);
    const retire = (input: object) => {
      const { arn } = world.machines.start({ stateMachineArn: world.retireNodeArn, input: JSON.stringify(input) });
      return arn;
    };
    retire({ instanceId: instance });
    await untilEnded(world, 2);
    expect(causeOf(world)).toContain(`${instance} is running`);
    retire({ instanceId: instance, region: HERE });
    await untilEnded(world, 3);
    expect(causeOf(world)).toContain(`${instance} is running`);
    loseEvents(world);
    world.autoScaling.setDesiredCapacity('database-there', 0);
    await world.clock.advance(60_000);
    retire({ instanceId: instance, confirm: true });
    await untilEnded(world, 4);
    expect(launchActions(world)[1]).toMatchObject({
      hook: 'muster-terminate',
      result: 'CONTINUE',
      resolvedBy: 'caller',
    });
    expect(nodes(world)).toEqual([]);
  });

  it('puts metadata options back there', async () => {
    const world = await playRegions();
    loseEvents(world);
    const instance = await runIn(world, THERE);
    await sweep(world);
    await atRest(world);
    const revert = (request: object) => world.lambda.invoke('muster-dev-revert-metadata', request);
    await expect(revert({ instanceId: instance })).rejects.toMatchObject({ cause: expect.stringContaining(HERE) });
    expect(await revert({ instanceId: instance, region: THERE })).toMatchObject({ state: 'pending' });
    await world.clock.advance(60_000);
    expect(world.ec2.instance(instance)?.metadataOptions).toMatchObject({ HttpTokens: 'optional' });
  });
});

describe("a Region without Muster's documents", () => {
  it('has its instances not enrolled, with a sentence that says what to deploy and how to go on', async () => {
    const world = await playRegions();
    world.faults.set([{ service: 'ssm', operation: 'SendCommand', error: 'InvalidDocument' }]);
    const [instance = ''] = world.autoScaling.launch('database-there', 1);
    const { cause } = await untilOneEnded(world);
    expect(cause).toContain(`${instance} of ${THERE} was not enrolled`);
    expect(cause).toContain(`Systems Manager has no document Muster-CollectIdentity-dev in ${THERE}`);
    expect(cause).toContain(`start enrol-node with {"instanceId":"${instance}","region":"${THERE}"}`);
  });
});

describe('a retirement that fails', () => {
  it('says which of two instances of one name it is about, and what is left of it', async () => {
    const world = await playRegions();
    loseEvents(world);
    await createIn(world, THERE);
    await sweep(world);
    await atRest(world);
    world.opsWorksCm.setStatus('PuppetServer', 'FAILED');
    await deleteIn(world, THERE);
    const input = JSON.stringify({ lightsailInstanceName: 'blog-1', region: THERE });
    world.machines.start({ stateMachineArn: world.retireNodeArn, input });
    await atRest(world);
    expect(causeOf(world)).toContain(`blog-1 of ${THERE} was not retired`);
    expect(causeOf(world)).toContain(`Still there: the node blog-1.${THERE} on the server PuppetServer`);
  });
});
