import type { Random } from '../../world/kernel/random.ts';
import type { Fault } from '../../world/wire/faults.ts';
import { between, MINUTE, oneOf, SECOND } from './chance.ts';
import type { SoakWorld } from './world.ts';

/** One thing that goes wrong for a while. Instants are milliseconds since the epoch. */
interface Window {
  readonly from: number;
  readonly to: number;
  readonly fault: Fault;
}

/**
 * Services that every heartbeat needs. One of them is away at a time, for as long as a hook of five minutes survives:
 * the README names these limits.
 */
const OF_HEARTBEATS: readonly (readonly [service: Fault['service'], mostMinutes: number])[] = [
  ['autoscaling', 1.5],
  ['dynamodb', 10],
  ['states', 2],
];
const OF_TASKS: readonly (readonly [service: Fault['service'], mostMinutes: number])[] = [
  ['ec2', 20],
  ['lightsail', 60],
  ['opsworks', 60],
  ['opsworks-cm', 60],
  ['ssm', 60],
  ['secretsmanager', 60],
  ['events', 60],
  ['cloudwatch', 60],
  ['s3', 60],
];
const SERVICES = [...OF_HEARTBEATS, ...OF_TASKS].map(([service]) => service);

/** Each affects one to three calls. */
const TROUBLES: readonly Omit<Fault, 'service'>[] = [
  { statusCode: 500 },
  { statusCode: 500, after: true },
  { statusCode: 503 },
  { error: 'ThrottlingException' },
  { drop: true },
  { drop: true, after: true },
  { delaySeconds: 4 },
  { delaySeconds: 12, drop: true, after: true },
];

/** "Not found", for minutes: no service is to be believed at the first look. */
const ABSENCES: readonly Fault[] = [
  { service: 'ec2', operation: 'DescribeInstances', error: 'InvalidInstanceID.NotFound' },
  { service: 'lightsail', operation: 'GetInstance', error: 'NotFoundException' },
  { service: 'opsworks', operation: 'DescribeInstances', error: 'ResourceNotFoundException' },
  { service: 'opsworks', operation: 'DeregisterInstance', error: 'ResourceNotFoundException' },
  { service: 'opsworks-cm', operation: 'AssociateNode', error: 'ResourceNotFoundException' },
  { service: 'opsworks-cm', operation: 'DisassociateNode', error: 'ResourceNotFoundException' },
  { service: 'opsworks-cm', operation: 'DescribeNodeAssociationStatus', error: 'ResourceNotFoundException' },
  { service: 'opsworks-cm', operation: 'DescribeServers', error: 'ResourceNotFoundException' },
  { service: 'secretsmanager', operation: 'GetSecretValue', error: 'ResourceNotFoundException' },
  { service: 'ssm', operation: 'SendCommand', error: 'InvalidDocument' },
];

/**
 * Plans what goes wrong from now until `until`: outages of whole services, every few minutes a trouble that
 * meets a few calls, and now and then a server in maintenance, an instance that EC2 does not show, or shows without tags.
 */
export function planWeather(world: SoakWorld, random: Random, until: number): void {
  const now = world.clock.now();
  const windows: Window[] = [];
  for (const [services, everyMinutes] of [
    [OF_HEARTBEATS, 30],
    [OF_TASKS, 90],
  ] as const)
    for (let instant = now; instant < until; instant += everyMinutes * MINUTE) {
      const [service, mostMinutes] = oneOf(random, services);
      const from = instant + between(random, 0, (everyMinutes - mostMinutes) * MINUTE);
      const to = Math.min(until, from + between(random, mostMinutes / 3, mostMinutes) * MINUTE);
      const refusal = oneOf(random, [{ statusCode: 500 }, { error: 'ThrottlingException' }]);
      windows.push({ from, to, fault: { service, ...refusal } });
    }
  for (let instant = now; instant < until; instant += between(random, 1, 6) * MINUTE) {
    const fault = { service: oneOf(random, SERVICES), ...oneOf(random, TROUBLES), times: timesOf(random) };
    windows.push({ from: instant, to: instant + 10 * MINUTE, fault });
  }
  // Each absence ends within four minutes, so a second look five minutes later can't meet it.
  for (const absence of ABSENCES)
    for (let instant = now; instant < until; instant += between(random, 30, 180) * MINUTE)
      windows.push({ from: instant, to: instant + 4 * MINUTE, fault: { ...absence, times: timesOf(random) } });
  inForce(world, windows);
  planServers(world, random, until);
  planSight(world, random, until);
}

const timesOf = (random: Random) => 1 + Math.floor(random() * 3);

/** Opens and closes faults with their windows. Call counts carry over. */
function inForce({ clock, faults, history }: SoakWorld, windows: readonly Window[]): void {
  const nameOf = (index: number) => `weather ${index}`;
  for (const [index, { from, to, fault }] of windows.entries()) {
    const name = nameOf(index);
    clock.at(from, () => {
      history.weather(`${JSON.stringify(fault)} for ${Math.round((to - from) / SECOND)} s`);
      faults.set([...faults.list(), { ...fault, message: name }]);
    });
    clock.at(to, () => faults.set(faults.list().filter(({ message }) => message !== name)));
  }
}

/** Maintenance at OpsWorks CM, and servers of one's own that are busy or down. */
function planServers({ clock, opsWorksCm, chef, puppet, history }: SoakWorld, random: Random, until: number): void {
  for (let instant = clock.now(); instant < until; instant += between(random, 2, 6) * 60 * MINUTE) {
    const seconds = between(random, 5, 90) * 60;
    const away = oneOf(random, ['ChefServer', 'PuppetServer', 'chef', 'puppet']);
    const isAway = (answer: boolean) => {
      if (away === 'chef') chef.setBusy(answer);
      else puppet.isDown = answer;
    };
    clock.at(instant, () => {
      history.weather(`${away} is away for ${Math.round(seconds)} s`);
      if (away.endsWith('Server')) return opsWorksCm.maintenance(away, seconds);
      isAway(true);
      clock.at(clock.now() + seconds * SECOND, () => isAway(false));
    });
  }
}

/** Eventual consistency: for less than five minutes EC2 or Auto Scaling does not show an instance, or not its tags. */
function planSight({ clock, ec2, autoScaling, history }: SoakWorld, random: Random, until: number): void {
  for (let instant = clock.now(); instant < until; instant += between(random, 1, 10) * MINUTE) {
    const hide = oneOf(random, [
      (id: string, seconds: number) => ec2.hide(id, seconds),
      (id: string, seconds: number) => ec2.hideTags(id, seconds),
      (id: string, seconds: number) => autoScaling.hide(id, seconds),
    ]);
    const [share, seconds] = [random(), between(random, 5, 240)];
    clock.at(instant, () => {
      const members = autoScaling.members.all;
      const member = members[Math.floor(share * members.length)];
      if (!member) return;
      history.add(member.instance.instanceId, `not shown, or without tags, for ${Math.round(seconds)} s`);
      hide(member.instance.instanceId, seconds);
    });
  }
}
