import { describe, expect, it } from 'vitest';
import type { Exemption } from '../../lib/profile.ts';
import { atRest, sweep } from '../support/sweeps.ts';
import {
  associations,
  changes,
  ledgerOfInstances,
  type Played,
  playWorld,
  registrations,
  startByHand,
  statesOf,
  untilEnded,
  untilOneEnded,
} from '../support/world.ts';

const DAY = 24 * 3600 * 1000;

/** Worlds begin on 2031-05-06. */
const exemption = (changed: Partial<Exemption> = {}): Exemption => ({
  match: { tags: { 'aws:autoscaling:groupName': 'web' } },
  from: ['imdsv2'],
  owner: 'payments',
  reason: 'Its scanner speaks IMDSv1 only.',
  expires: '2031-05-07',
  ...changed,
});

async function enrolled(exemptions: readonly Exemption[]) {
  const world = await playWorld({ exemptions });
  const [instance = ''] = world.autoScaling.launch('web', 1);
  const enrolment = await untilOneEnded(world);
  expect(enrolment).toMatchObject({ instance, outcome: 'enrolled' });
  return { world, instance, enrolment };
}

/** What a later enrolment of the same instance does. */
async function again(world: Played, instanceId: string) {
  // Until the group has said that it is in service: that is ignored.
  await world.clock.advance(60_000);
  const before = changes(world).length;
  const ended = world.machines.executions().length;
  startByHand(world, { instanceId });
  expect((await untilEnded(world, ended + 1)).at(-1)).toMatchObject({ outcome: 'enrolled' });
  return { changed: changes(world).slice(before), states: statesOf(lastOf(world)) };
}

function lastOf(world: Played) {
  const execution = world.machines.executions().at(-1);
  if (!execution) throw new Error('Nothing was started.');
  return execution;
}

const dataOf = (world: Played) => world.machines.executions()[0]?.outcome.output;

describe('a launch of an instance that is exempt', () => {
  it('from imdsv2 leaves its metadata options alone, and does everything else', async () => {
    const { world, instance, enrolment } = await enrolled([exemption()]);
    expect(changes(world)).not.toContain('ec2.ModifyInstanceMetadataOptions');
    expect(enrolment).toMatchObject({ metadata: { HttpTokens: 'optional' } });
    expect(associations(world)).toMatchObject([{ serverName: 'ChefServer', nodeName: instance }]);
    expect(await world.ledger()).toMatchObject([{ instance, status: 'enrolled', exempt: ['imdsv2'] }]);
  });

  it('from association hardens it, and lets nobody near it: neither the node, nor a stack, nor a server', async () => {
    const { world, instance, enrolment } = await enrolled([exemption({ from: ['association'] })]);
    expect(enrolment).toMatchObject({ metadata: { HttpTokens: 'required', State: 'applied' } });
    expect(changes(world)).toEqual([
      'states.StartExecution',
      'ec2.ModifyInstanceMetadataOptions',
      'autoscaling.CompleteLifecycleAction',
    ]);
    expect([associations(world), registrations(world)]).toEqual([[], []]);
    expect(await world.ledger()).toMatchObject([{ instance, status: 'enrolled', exempt: ['association'] }]);
  });

  it('from both lets it into service as it is', async () => {
    const { world } = await enrolled([exemption({ from: ['imdsv2', 'association'] })]);
    expect(changes(world)).toEqual(['states.StartExecution', 'autoscaling.CompleteLifecycleAction']);
  });

  it('says so in its data, with who answers for it, why, and until when; and in one line of its log', async () => {
    const { world, instance } = await enrolled([exemption()]);
    const told = { owner: 'payments', reason: 'Its scanner speaks IMDSv1 only.', until: '2031-05-07' };
    expect(dataOf(world)).toMatchObject({ enrolment: { exemptions: { imdsv2: told, association: null } } });
    expect(world.logs.filter(({ message }) => message === 'Exempt')).toMatchObject([
      { instance, from: ['imdsv2'], exemptions: { imdsv2: told } },
    ]);
  });

  it('has these fields where nobody is exempt too', async () => {
    const { world } = await enrolled([]);
    expect(dataOf(world)).toMatchObject({
      enrolment: { exempt: [], exemptions: { imdsv2: null, association: null } },
    });
    expect(world.logs.filter(({ message }) => message === 'Exempt')).toEqual([]);
  });
});

describe('a launch of an instance that is not exempt (any more)', () => {
  it.each([
    ['expired the day before', { expires: '2031-05-05' }],
    ['is further away than a year', { expires: '2032-05-07' }],
    ['means another instance', { match: { instanceId: 'i-0123456789abcdef0' } }],
    ['cannot be read', { expires: undefined as unknown as string }],
  ])('does everything: the exemption %s', async (_what, changed) => {
    const { world, instance, enrolment } = await enrolled([exemption(changed)]);
    expect(enrolment).toMatchObject({ metadata: { HttpTokens: 'required' } });
    expect(associations(world)).toMatchObject([{ nodeName: instance }]);
  });
});

describe('an exemption that ends', () => {
  it('leaves IMDSv1 to the sweep and its gate, which does what was left out and nothing besides', async () => {
    const { world, instance } = await enrolled([exemption()]);
    await world.clock.advance(2 * DAY);
    expect((await again(world, instance)).changed).not.toContain('ec2.ModifyInstanceMetadataOptions');
    const before = changes(world).length;
    await sweep(world);
    await atRest(world);
    const changed = changes(world).slice(before);
    expect(changed).toContain('ec2.ModifyInstanceMetadataOptions');
    expect(changed).not.toContain('opsworks.RegisterInstance');
    expect(await ledgerOfInstances(world)).toMatchObject([{ instance, status: 'enrolled', exempt: [] }]);
    expect(associations(world)).toHaveLength(1);
  });

  it('has a node associated that never was', async () => {
    const { world, instance } = await enrolled([exemption({ from: ['association'] })]);
    await world.clock.advance(2 * DAY);
    await again(world, instance);
    expect(associations(world)).toMatchObject([{ serverName: 'ChefServer', nodeName: instance }]);
    expect(await world.ledger()).toMatchObject([{ exempt: [], associate: { serverName: 'ChefServer' } }]);
  });

  it('is not over on its last day: a second enrolment has nothing to do', async () => {
    const { world, instance } = await enrolled([exemption()]);
    await world.clock.advance(DAY);
    expect((await again(world, instance)).states).not.toContain('EnforceImdsV2');
  });
});

describe('an exemption that begins after the enrolment', () => {
  it('changes nothing of what is enrolled, and its retirement still undoes all that was done', async () => {
    const { world, instance } = await enrolled([]);
    process.env.MUSTER_PROFILES = JSON.stringify({
      ...JSON.parse(process.env.MUSTER_PROFILES ?? ''),
      exemptions: [exemption({ from: ['association'] })],
    });
    expect((await again(world, instance)).changed).toEqual([]);
    world.autoScaling.setDesiredCapacity('web', 0);
    await world.clock.advance(DAY / 24);
    expect([associations(world), registrations(world)]).toEqual([[], []]);
  });

  it('leaves to the retirement what an older version of the profile had done', async () => {
    const { world, instance } = await enrolled([]);
    const compiled = JSON.parse(process.env.MUSTER_PROFILES ?? '');
    const [web] = compiled.profiles;
    process.env.MUSTER_PROFILES = JSON.stringify({
      profiles: [{ ...web, associate: { ...web.associate, serverName: 'PuppetServer', serverEngine: 'Puppet' } }],
      exemptions: [exemption({ from: ['association'] })],
    });
    await again(world, instance);
    expect(await world.ledger()).toMatchObject([{ exempt: ['association'], associate: { serverName: 'ChefServer' } }]);
    world.autoScaling.setDesiredCapacity('web', 0);
    await world.clock.advance(DAY / 24);
    expect([associations(world), registrations(world)]).toEqual([[], []]);
  });
});
