import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Invocation } from '../../world/services/lambda.ts';
import { sized } from '../support/size.ts';
import { associations, ledgerOfInstances, type Played, playWorld, registrations } from '../support/world.ts';

const SECOND = 1000;
const HOUR = 3_600_000;
const BY_THE_TEST = { requestId: 'by-the-test' };

/** How often each event comes, and how long after it happened, in seconds. */
type Deliveries = readonly (readonly number[])[];

const deliveries: fc.Arbitrary<Deliveries> = fc.array(
  fc.array(fc.integer({ min: 0, max: 900 }), { minLength: 1, maxLength: 5 }),
  { minLength: 16, maxLength: 16 },
);

/** Keeps each event of AWS's back, and brings it as often and as late as planned. */
function deliverAs(world: Played, plan: Deliveries): void {
  const planned = new Set<string>();
  world.lambda.interceptor = async ({ functionName, payload }: Invocation, next) => {
    const event = payload as Played['events'][number];
    if (!/start-(enrolment|retirement)$/.test(functionName) || planned.has(event.id)) return next();
    for (const seconds of plan[planned.size % plan.length] ?? [])
      world.clock.at(world.clock.now() + seconds * SECOND, () => world.bus.deliver(event));
    planned.add(event.id);
    return 'kept back';
  };
}

function create({ lightsail }: Played, instanceNames: string[]): void {
  const what = { availabilityZone: 'eu-west-1a', blueprintId: 'debian_12', bundleId: 'nano_3_0' };
  void lightsail.createInstances({ instanceNames, ...what }, BY_THE_TEST);
}

/**
 * Two instances of a group that has a hook, two of one that has none, and two of Lightsail: of each pair one goes, and a
 * Lightsail name is given again.
 */
async function play(plan: Deliveries, goesAfterSeconds: number) {
  const world = await playWorld();
  deliverAs(world, plan);
  for (const group of ['web', 'batch-nightly']) world.autoScaling.launch(group, 2);
  create(world, ['blog', 'shop']);
  await world.clock.advance(goesAfterSeconds * SECOND);
  for (const group of ['web', 'batch-nightly']) world.autoScaling.setDesiredCapacity(group, 1);
  void world.lightsail.deleteInstance({ instanceName: 'blog' }, BY_THE_TEST);
  await world.clock.advance(60 * SECOND);
  create(world, ['blog']);
  await world.clock.advance(2 * HOUR);
  return stateOf(world);
}

/** What every service holds, each instance under what it is and not under its id: which of two goes is the group's choice. */
async function stateOf(world: Played) {
  const alive = world.ec2.snapshot().instances.filter(({ State }) => State?.Name === 'running');
  const living = new Map(alive.map(({ InstanceId = '' }) => [InstanceId, world.autoScaling.members.get(InstanceId)]));
  const nameOf = (id: unknown) => living.get(String(id))?.group.settings.AutoScalingGroupName ?? `gone: ${id}`;
  const items = await ledgerOfInstances(world);
  return {
    members: [...living.values()].map(
      (member) => `${member?.group.settings.AutoScalingGroupName} ${member?.lifecycleState}`,
    ),
    tokens: alive.map(({ MetadataOptions }) => MetadataOptions?.HttpTokens),
    lightsail: world.lightsail
      .snapshot()
      .instances.map(({ name, metadataOptions }) => [name, metadataOptions?.httpTokens]),
    associations: associations(world)
      .map(({ serverName, nodeName }) => [serverName, nameOf(nodeName)])
      .sort(),
    registrations: registrations(world).map(({ ec2InstanceId }) => nameOf(ec2InstanceId)),
    ledger: items
      .map(
        ({ instance, status }) =>
          `${status} ${living.has(String(instance)) ? nameOf(instance) : String(instance).replace(/^i-.*/, 'EC2')}`,
      )
      .sort(),
    waiting: world.autoScaling.actions.all.filter(({ result }) => result === undefined),
    expired: world.autoScaling.actions.all.filter(({ resolvedBy }) => resolvedBy === 'timeout'),
    running: world.machines
      .executions()
      .filter(({ status }) => status === 'RUNNING')
      .map(({ name }) => name),
    deadLetters: world.lambda.deadLetters,
  };
}

describe('the events of whole lives, each delivered one to five times and in any order', () => {
  it('lead to the state that they lead to when each comes once and at once', { timeout: 120_000 }, async () => {
    const expected = await play([[0]], 600);
    expect(expected).toMatchObject({
      members: ['web InService', 'batch-nightly InService'],
      tokens: ['required', 'required'],
      associations: [
        ['ChefServer', 'batch-nightly'],
        ['ChefServer', 'web'],
      ],
      registrations: ['web'],
      ledger: [
        'enrolled batch-nightly',
        'enrolled lightsail/eu-west-1/blog',
        'enrolled lightsail/eu-west-1/shop',
        'enrolled web',
        'retired EC2',
        'retired EC2',
      ],
      waiting: [],
      running: [],
    });
    await fc.assert(
      fc.asyncProperty(deliveries, fc.integer({ min: 10, max: 1200 }), async (plan, goesAfterSeconds) => {
        expect(await play(plan, goesAfterSeconds)).toEqual(expected);
      }),
      { numRuns: sized({ small: 3, full: 10 }), seed: 3, endOnFailure: true },
    );
  });
});
