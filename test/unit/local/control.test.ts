import { beforeEach, expect, it } from 'vitest';
import { createControl } from '../../../local/control.ts';
import { WorldClock } from '../../../world/kernel/clock.ts';
import { seededRandom } from '../../../world/kernel/random.ts';
import { AutoScaling } from '../../../world/services/auto-scaling/auto-scaling.ts';
import { Ec2 } from '../../../world/services/ec2/ec2.ts';
import { Lightsail } from '../../../world/services/lightsail/lightsail.ts';
import { Faults } from '../../../world/wire/faults.ts';

function playground() {
  const clock = new WorldClock({ speed: Number.POSITIVE_INFINITY });
  const random = seededRandom(1);
  const events: string[] = [];
  const emit = (event: { 'detail-type': string }) => events.push(event['detail-type']);
  const ec2 = new Ec2({ clock, random });
  const autoScaling = new AutoScaling({ clock, random, ec2, emit });
  const lightsail = new Lightsail({ clock, random, emit });
  autoScaling.createGroup({ AutoScalingGroupName: 'web', MaxSize: 5 });
  const world = () => ({ ec2: ec2.snapshot(), lightsail: lightsail.snapshot(), autoScaling: autoScaling.snapshot() });
  const control = createControl({ clock, random, ec2, autoScaling, lightsail, faults: new Faults(), world });
  return { clock, ec2, autoScaling, lightsail, events, control };
}

let world: ReturnType<typeof playground>;
beforeEach(() => {
  world = playground();
});

const message = (sentence: string) => ({ message: expect.stringContaining(sentence) });

it('launches instances into a group', async () => {
  const answer = await world.control('POST', '/_local/launch', { autoScalingGroupName: 'web', count: 3 });
  const instanceIds = world.autoScaling.members.all.map(({ instance }) => instance.instanceId);
  expect(instanceIds).toHaveLength(3);
  expect(answer).toEqual({ status: 200, body: { instanceIds } });
  await world.clock.advance(20_000);
  expect(world.events).toEqual(Array(3).fill('EC2 Instance Launch Successful'));
});

it('scales a group out and in', async () => {
  const scale = (desiredCapacity: number) =>
    world.control('POST', '/_local/scale', { autoScalingGroupName: 'web', desiredCapacity });
  expect(await scale(2)).toMatchObject({
    status: 200,
    body: { instanceIds: [expect.any(String), expect.any(String)] },
  });
  expect(await scale(0)).toEqual({ status: 200, body: { instanceIds: [] } });
  await world.clock.run();
  expect(world.autoScaling.members.all).toEqual([]);
});

it('makes Lightsail instances appear, with their event', async () => {
  const answer = await world.control('POST', '/_local/lightsail', { instanceNames: ['a'] });
  expect(answer).toMatchObject({ status: 200, body: { operations: [{ resourceName: 'a', status: 'Started' }] } });
  await world.clock.run();
  expect(world.events).toEqual(['AWS API Call via CloudTrail']);
  expect(world.lightsail.instance('a')?.state).toBe('running');
});

it('has an instance use IMDSv1, some days ago too', async () => {
  const [instanceId = ''] = world.autoScaling.launch('web', 1);
  const body = { instanceId, count: 3, daysAgo: 2 };
  const at = new Date(world.clock.now() - 2 * 24 * 3600 * 1000);
  expect(await world.control('POST', '/_local/imdsv1-calls', body)).toEqual({
    status: 200,
    body: { at: at.toISOString(), count: 3 },
  });
  const range = { start: new Date(0), end: new Date(world.clock.now()), periodSeconds: 86_400 };
  expect(world.ec2.metadataNoToken(instanceId, 'eu-west-1', range)).toMatchObject([{ sum: 3 }]);
  expect(await world.control('POST', '/_local/imdsv1-calls', { count: 3 })).toMatchObject({ status: 400 });
});

it('terminates an instance of a group, one of no group, and one of Lightsail', async () => {
  const [member] = world.autoScaling.launch('web', 1);
  const { instanceId } = world.ec2.launch({});
  await world.control('POST', '/_local/lightsail', { instanceNames: ['a'] });
  await world.clock.advance(30_000);
  const terminate = (body: object) => world.control('POST', '/_local/terminate', body);
  expect(await terminate({ instanceId: member, shouldDecrementDesiredCapacity: true })).toMatchObject({ status: 200 });
  expect(await terminate({ instanceId })).toEqual({ status: 200, body: { instanceId, state: 'shutting-down' } });
  expect(await terminate({ lightsailInstanceName: 'a' })).toMatchObject({ status: 200 });
  await world.clock.advance(120_000);
  expect(world.ec2.instance(member ?? '')?.state).toBe('terminated');
  expect(world.ec2.instance(instanceId)?.state).toBe('terminated');
  expect(world.lightsail.instance('a')).toBeUndefined();
  expect(world.autoScaling.group('web').desiredCapacity).toBe(0);
});

it('shows what every service holds', async () => {
  world.autoScaling.launch('web', 1);
  expect(await world.control('GET', '/_local/world', undefined)).toMatchObject({
    status: 200,
    body: {
      ec2: { instances: [{ State: { Name: 'pending' } }] },
      autoScaling: { groups: [{ AutoScalingGroupName: 'web', DesiredCapacity: 1 }] },
      lightsail: { instances: [] },
    },
  });
});

it.each([
  [{}, 'The faults must be a JSON list of objects, one for each fault.'],
  [[{ service: 'sqs', error: 'X' }], 'Fault 1 cannot be set: service must be "opsworks" or "opsworks-cm" or'],
  [[{ service: 'ec2', operation: 'StopInstances', error: 'X' }], 'ec2 has no operation StopInstances here, only Des'],
  [[{ service: 'ec2', error: 'X', tims: 3 }], 'Fault 1 cannot be set: Unknown field "tims". Did you mean "times"?'],
  [[{ service: 'ec2', error: 'X', times: 0 }], 'Fault 1 cannot be set: times must be at least 1, not 0.'],
  [[{ service: 'ec2', delaySeconds: 0 }], 'Fault 1 cannot be set: delaySeconds must be more than 0, not 0.'],
  [[{ service: 'ec2', error: 'X' }, { service: 'ec2' }], 'Fault 2 cannot be set: Say what goes wrong'],
  [[{ service: 'ec2', error: 'X' }, 'ec2'], 'Fault 2 cannot be set: it must be an object, not "ec2".'],
  [
    [{ service: 'ec2', delaySeconds: 1, after: true }],
    'An answer is lost only with error, statusCode, deniedBy or drop',
  ],
  [[{ service: 'ec2', drop: true, error: 'X' }], 'A dropped call has no error or statusCode'],
])('refuses faults with a sentence that names fault and field: %j', async (body, sentence) => {
  expect(await world.control('PUT', '/_local/faults', body)).toEqual({
    status: 400,
    body: { message: expect.stringContaining(sentence) },
  });
  expect(await world.control('GET', '/_local/faults', undefined)).toEqual({ status: 200, body: [] });
});

it('keeps faults, and refuses one that is none', async () => {
  const faults = [{ service: 'lightsail', operation: 'GetInstance', error: 'ServiceException', times: 2 }];
  expect(await world.control('PUT', '/_local/faults', faults)).toEqual({ status: 200, body: faults });
  expect(await world.control('PUT', '/_local/faults', [{ service: 'mail' }])).toEqual({
    status: 400,
    body: message('service'),
  });
  expect(await world.control('GET', '/_local/faults', undefined)).toEqual({ status: 200, body: faults });
});

it.each([
  ['launch', { autoScalingGroupName: 'web', count: 'three' }, 'count must be a number, not "three".'],
  [
    'launch',
    { autoScalingGroupName: 'web', cuont: 3 },
    'Unknown field "cuont". The fields are autoScalingGroupName, count.',
  ],
  ['launch', { count: 3 }, 'autoScalingGroupName is missing.'],
  ['launch', { autoScalingGroupName: 'web', count: 6 }, 'above max value 5'],
  ['launch', { autoScalingGroupName: 'db' }, "'db' not found"],
  ['launch', undefined, 'The body is not what this path takes: it is missing.'],
  ['scale', { autoScalingGroupName: 'web', desiredCapacity: -1 }, 'desiredCapacity must be at least 0, not -1.'],
  ['lightsail', { instanceNames: [] }, 'instanceNames is empty.'],
  ['lightsail', { instanceNames: ['twice', 'twice'] }, 'Some names are already in use: twice'],
  ['terminate', {}, 'Name either instanceId or lightsailInstanceName'],
  ['terminate', { instanceId: 'i-1', lightsailInstanceName: 'a' }, 'Name either instanceId or lightsailInstanceName'],
  ['terminate', { instanceId: 'i-00000000000000000' }, "The instance ID 'i-00000000000000000' does not exist"],
  ['terminate', { lightsailInstanceName: 'a' }, 'The Instance does not exist: a'],
])('refuses POST /_local/%s %j with a sentence, and changes nothing', async (path, body, sentence) => {
  const before = JSON.stringify(world.autoScaling.snapshot());
  expect(await world.control('POST', `/_local/${path}`, body)).toEqual({ status: 400, body: message(sentence) });
  expect(JSON.stringify(world.autoScaling.snapshot())).toBe(before);
});

it('names the paths that there are, and the methods that a path takes', async () => {
  expect(await world.control('GET', '/_local/wrold', undefined)).toEqual({
    status: 404,
    body: message('There is /_local/world, /_local/launch'),
  });
  expect(await world.control('DELETE', '/_local/faults', undefined)).toEqual({
    status: 405,
    body: { message: '/_local/faults takes GET or PUT, not DELETE.' },
  });
});
