import { describe, expect, it } from 'vitest';
import { SWEEP } from '../../events/request.ts';
import type { Instance } from '../../lib/instance.ts';
import type { Profile } from '../../lib/profile.ts';
import { readProfiles } from '../../profiles/file.ts';
import { startEnrolment } from '../../services/announced-start.ts';
import { listInstances } from '../../services/ec2.ts';
import { findItem } from '../../services/ledger.ts';
import { imdsV1Calls } from '../../services/metadata-use.ts';
import { canaryFacts, type FleetMember } from '../../sweep/canary.ts';
import { hardeningVerdict } from '../../sweep/hardening.ts';
import { type Played, playWorld, untilEnded } from '../support/world.ts';

const { signal } = new AbortController();
const DAY = 24 * 3600 * 1000;
/** Instances of no group, so that nothing but their tag says whose they are. */
const profiles: Profile[] = readProfiles('profiles.yml')
  .filter(({ name }) => name === 'batch')
  .map(({ associate: _, ...profile }) => ({ ...profile, match: { tags: { role: 'batch' } } }));
const [profile] = profiles as [Profile];

const open = (world: Played) =>
  world.ec2.snapshot().instances.flatMap(({ InstanceId = '', MetadataOptions }) => {
    return MetadataOptions?.HttpTokens === 'optional' ? [InstanceId] : [];
  });

async function fleetOf(world: Played): Promise<FleetMember[]> {
  const at = new Date(world.clock.now()).toISOString();
  const instances: Instance[] = [];
  for await (const page of listInstances([], 'eu-west-1', signal))
    instances.push(...page.map(({ instance }) => instance));
  const calls = await imdsV1Calls(instances, { at, lookBackDays: profile.metadata?.lookBackDays ?? 0 }, signal);
  return Promise.all(
    instances.map(async (instance) => {
      const record = (await findItem(instance.instanceId, signal)) ?? null;
      return { instance, record, imdsV1Calls: calls.get(instance.instanceId) ?? null };
    }),
  );
}

/** Starts the enrolments that the gate lets through, as a sweep does, and tells why it let the others not. */
async function sweep(world: Played): Promise<string[]> {
  const at = new Date(world.clock.now()).toISOString();
  const fleet = await fleetOf(world);
  const facts = canaryFacts(profile, { members: fleet, gone: [] }, at);
  const verdicts = fleet
    .filter(({ instance }) => open(world).includes(instance.instanceId))
    .map(({ instance, record, imdsV1Calls }) => {
      return { instance, verdict: hardeningVerdict(instance, { profile, at, imdsV1Calls, record, fleet: facts }) };
    });
  for (const { instance, verdict } of verdicts) {
    if (!verdict.may) continue;
    const { instanceId } = instance;
    const announcement = { subject: instanceId, by: 'sweep', detailType: SWEEP, eventId: at, eventTime: at } as const;
    const execution = `${instanceId}-${Date.parse(at)}`;
    await startEnrolment({ execution, input: { instanceId }, announcement }, signal);
  }
  const { length } = world.machines.executions();
  if (length > 0) await untilEnded(world, length);
  return verdicts.flatMap(({ verdict }) => (verdict.may ? [] : [verdict.finding]));
}

describe('a fleet that ran before Muster', () => {
  it('is hardened by its canary first and a day later in full, but for those who still use IMDSv1', async () => {
    const world = await playWorld({ profiles });
    const ids = Array.from({ length: 30 }, () => world.ec2.launch({ tags: new Map([['role', 'batch']]) }).instanceId);
    await world.clock.advance(20 * DAY);
    const [uses = '', used = ''] = ids;
    world.ec2.countMetadataNoToken(uses, 1);
    world.ec2.countMetadataNoToken(used, 1, world.clock.now() - 16 * DAY);

    const first = await sweep(world);
    const canary = 30 - open(world).length;
    expect(canary).toBeGreaterThan(0);
    expect(first.toSorted()).toEqual([...Array(29 - canary).fill('after-canary'), 'still-on-imdsv1']);

    await world.clock.advance(DAY / 2);
    expect(await sweep(world)).toHaveLength(30 - canary);
    expect(open(world)).toHaveLength(30 - canary);

    await world.clock.advance(DAY / 2);
    expect(await sweep(world)).toEqual(['still-on-imdsv1']);
    expect(open(world)).toEqual([uses]);

    await world.clock.advance(16 * DAY);
    expect(await sweep(world)).toEqual([]);
    expect(open(world)).toEqual([]);
  });

  it('is hardened no further when one of its canary is put back', async () => {
    const world = await playWorld({ profiles });
    for (let count = 0; count < 30; count++) world.ec2.launch({ tags: new Map([['role', 'batch']]) });
    await world.clock.advance(DAY);
    const before = open(world);
    await sweep(world);
    const [instanceId = ''] = before.filter((id) => !open(world).includes(id));
    await world.lambda.invoke('muster-dev-revert-metadata', { instanceId });
    await world.clock.advance(2 * DAY);
    const left = open(world);
    expect(left).toContain(instanceId);
    expect((await sweep(world)).toSorted()).toEqual([...Array(left.length - 1).fill('after-canary'), 'reverted']);
    expect(open(world)).toEqual(left);
  });
});
