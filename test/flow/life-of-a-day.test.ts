import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import { type Random, seededRandom } from '../../world/kernel/random.ts';
import type { ApiCall } from '../../world/wire/apis.ts';
import { sized } from '../support/size.ts';
import { associations, ledgerOfInstances, type Played, playWorld, registrations } from '../support/world.ts';

/** Most of them end within the day. */
const { launches: LAUNCHES, changes: LEAST_CHANGES } = sized({
  small: { launches: 80, changes: 144 },
  full: { launches: 1100, changes: 1990 },
});
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const BY_THE_TEST = { requestId: 'by-the-test' };

/** Where instances are launched, and how many of a hundred. */
const SHARES = { web: 15, database: 3, 'batch-nightly': 12, lightsail: 70 };
const PROFILES = ['web', 'database', 'batch', 'lightsail'];
const SERVER_OF: Record<string, string> = {
  web: 'ChefServer',
  database: 'PuppetServer',
  'batch-nightly': 'ChefServer',
};

const SERVICES = ['opsworks', 'opsworks-cm', 'lightsail', 'ec2', 'autoscaling', 'ssm', 'states', 'events', 'dynamodb'];

/** What goes wrong with a service: each meets a few calls. */
const TROUBLES = [
  { statusCode: 500 },
  { statusCode: 500, after: true },
  { error: 'ThrottlingException' },
  { drop: true },
  { drop: true, after: true },
  { delaySeconds: 4 },
  { delaySeconds: 12, drop: true, after: true },
];
type Trouble = (typeof TROUBLES)[number];

const oneOf = <T>(random: Random, of: readonly T[]) => of[Math.floor(random() * of.length)] as T;

function groupOf(random: Random): string {
  let share = random() * 100;
  for (const [group, percent] of Object.entries(SHARES)) {
    share -= percent;
    if (share < 0) return group;
  }
  return 'web';
}

/** One in ten goes within three minutes of its launch, in the middle of its enrolment; the others within hours. */
function lifetime(random: Random): number {
  return random() < 0.1 ? random() * 3 * MINUTE : 5 * MINUTE + random() * 8 * HOUR;
}

function planLaunch(world: Played, random: Random, serial: number): void {
  const group = groupOf(random);
  const [launchedAt, livesFor] = [random() * DAY, lifetime(random)];
  const { clock, autoScaling, lightsail } = world;
  const start = clock.now();
  clock.at(start + launchedAt, () => {
    if (group !== 'lightsail') {
      const [instance = ''] = autoScaling.launch(group, 1);
      if (launchedAt + livesFor < DAY) clock.at(clock.now() + livesFor, () => autoScaling.terminate(instance, true));
      return;
    }
    const what = { availabilityZone: 'eu-west-1a', blueprintId: 'debian_12', bundleId: 'nano_3_0' };
    const instanceName = `site-${serial}`;
    void lightsail.createInstances({ instanceNames: [instanceName], ...what }, BY_THE_TEST);
    if (launchedAt + livesFor < DAY)
      clock.at(clock.now() + livesFor, () => void lightsail.deleteInstance({ instanceName }, BY_THE_TEST));
  });
}

/**
 * Every twenty minutes something else goes wrong in two services; three times a server is in maintenance.
 * @returns the troubles that met a call, as the day goes on
 */
function planTroubles({ clock, faults, opsWorksCm }: Played, random: Random): ReadonlySet<Trouble> {
  const start = clock.now();
  const met = new Set<Trouble>();
  let inForce: { trouble: Trouble; fault: object }[] = [];
  const replace = (next: typeof inForce) => {
    const unmet = faults.list();
    for (const { trouble, fault } of inForce)
      if (!unmet.some((left) => isDeepStrictEqual(left, fault))) met.add(trouble);
    inForce = next;
    faults.set(next.map(({ fault }) => fault));
  };
  for (let instant = 0; instant < DAY; instant += 20 * MINUTE) {
    const next = Array.from({ length: 2 }, () => {
      const [service, trouble] = [oneOf(random, SERVICES), oneOf(random, TROUBLES)];
      return { trouble, fault: { service, ...trouble, times: 1 + Math.floor(random() * 2) } };
    });
    clock.at(start + instant, () => replace(next));
  }
  for (const [hour, server] of [
    [2, 'ChefServer'],
    [9, 'PuppetServer'],
    [15, 'ChefServer'],
  ] as const)
    clock.at(start + hour * HOUR, () => opsWorksCm.maintenance(server, 3600));
  clock.at(start + DAY, () => replace([]));
  return met;
}

/** Which instances run, and where each belongs. */
function running(world: Played) {
  const members = world.autoScaling.members.all.map(({ instance, group, lifecycleState }) => {
    return { instance: instance.instanceId, group: group.settings.AutoScalingGroupName, lifecycleState };
  });
  const sites = world.lightsail.snapshot().instances.map(({ name = '' }) => `lightsail/eu-west-1/${name}`);
  return { members, sites };
}

describe(`a day of ${LEAST_CHANGES} launches and terminations, with faults in all services`, () => {
  it('ends with no node without its instance, and no instance without its node', { timeout: 600_000 }, async () => {
    const random = seededRandom(20310506);
    const refusals = new Set<string>();
    const onCall = ({ operation, error }: ApiCall) => error && refusals.add(`${operation} ${error.code}`);
    const world = await playWorld({ onLog: () => {}, onCall, onEvent: () => {} });
    for (let serial = 0; serial < LAUNCHES; serial++) planLaunch(world, random, serial);
    const met = planTroubles(world, random);
    await world.clock.advance(DAY + 3 * HOUR);

    const { members, sites } = running(world);
    expect(2 * LAUNCHES - members.length - sites.length, 'launches and terminations').toBeGreaterThanOrEqual(
      LEAST_CHANGES,
    );
    expect(members).not.toEqual([]);
    expect(sites).not.toEqual([]);
    expect(TROUBLES.filter((trouble) => !met.has(trouble))).toEqual([]);
    expect(refusals, 'maintenance').toContain('AssociateNode InvalidStateException');
    expect(interrupted(world), 'launches cut short').toBeGreaterThan(0);
    expect(members.filter(({ lifecycleState }) => lifecycleState !== 'InService')).toEqual([]);
    expect(
      associations(world)
        .map(({ serverName, nodeName }) => `${serverName} ${nodeName}`)
        .sort(),
    ).toEqual(members.map(({ instance, group }) => `${SERVER_OF[group]} ${instance}`).sort());
    expect(
      registrations(world)
        .map(({ ec2InstanceId }) => ec2InstanceId)
        .sort(),
    ).toEqual(
      members
        .filter(({ group }) => group === 'web')
        .map(({ instance }) => instance)
        .sort(),
    );
    expect(unhardened(world)).toEqual([]);

    const items = await ledgerOfInstances(world);
    expect(items.map(({ profile }) => profile)).toEqual(expect.arrayContaining(PROFILES));
    expect(items.filter(({ status }) => status !== 'retired' && status !== 'enrolled')).toEqual([]);
    const enrolled = items.filter(({ status }) => status === 'enrolled').map(({ instance }) => instance);
    expect(enrolled.sort()).toEqual([...members.map(({ instance }) => instance), ...sites].sort());
    expect(world.lambda.deadLetters).toEqual([]);
    expect(world.autoScaling.actions.all.filter(({ resolvedBy }) => resolvedBy === 'timeout')).toEqual([]);
    expect(endsOf(world)).toEqual([]);
    expect(process.memoryUsage().heapUsed / 2 ** 20, 'MiB of heap').toBeLessThan(512);
  });
});

/** Instances that still answer IMDSv1. */
function unhardened({ ec2, lightsail }: Played): unknown[] {
  const running = ec2.snapshot().instances.filter(({ State }) => State?.Name === 'running');
  return [
    ...running.filter(({ MetadataOptions }) => MetadataOptions?.HttpTokens !== 'required'),
    ...lightsail.snapshot().instances.filter(({ metadataOptions }) => metadataOptions?.httpTokens !== 'required'),
  ];
}

/** How many enrolments ended because their instance was terminated. */
function interrupted({ machines }: Played): number {
  return machines.executions().filter(({ status, outcome }) => status === 'ABORTED' || outcome.error === 'InstanceGone')
    .length;
}

/** Unexpected ends of executions. A launch may be cut short by its termination, and by nothing else. */
function endsOf({ machines }: Played): unknown[] {
  const expected = ['SUCCEEDED', 'ABORTED'];
  return machines
    .executions()
    .filter(({ status, outcome }) => !expected.includes(status) && outcome.error !== 'InstanceGone')
    .map(({ name, status, stateName, outcome }) => ({ name, status, stateName, ...outcome }));
}
