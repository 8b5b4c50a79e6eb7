import { type EnrolmentInput, EnrolmentRequest } from '../events/request.ts';
import { interpret } from '../events/table.ts';
import { InvalidRequest } from '../lib/errors.ts';
import { isoSeconds } from '../world/eventbridge/aws-event.ts';
import { REGION } from '../world/kernel/account.ts';
import type { Group } from '../world/services/auto-scaling/group.ts';
import type { LifecycleHook } from '../world/services/auto-scaling/lifecycle-actions.ts';
import type { Announcement } from './event-files.ts';
import type { World } from './world.ts';

/** Creates everything that the announcements name, then sends them. */
export function play(world: World, announcements: readonly Announcement[]): void {
  for (const announcement of announcements) conjure(world, announcement);
  for (const announcement of announcements) announce(world, announcement);
}

/** An event gets the current time: with the time in its file, its launch would have expired long ago. */
function announce({ clock, bus, machines, enrolNodeArn }: World, announcement: Announcement): void {
  if (announcement.kind === 'event') bus.deliver({ ...announcement.event, time: isoSeconds(clock.now()) });
  else machines.start({ stateMachineArn: enrolNodeArn, input: JSON.stringify(announcement.input) });
}

/**
 * Creates the group and its hook, the instance, the lifecycle action with its token, or the Lightsail instance that an
 * announcement names. Existing ones stay as they are. An announcement that cannot be parsed creates nothing: its
 * function reports the error.
 */
function conjure(world: World, announcement: Announcement): void {
  for (const request of requestsOf(announcement)) {
    if (request.lightsailInstanceName) conjureLightsail(world, request.lightsailInstanceName);
    else if (request.instanceId) conjureEc2(world, request, request.instanceId);
  }
}

/** A person's request says less than an event's. */
type ConjuredRequest = Omit<EnrolmentInput, 'trigger'> & Partial<Pick<EnrolmentInput, 'trigger'>>;

function requestsOf(announcement: Announcement): readonly ConjuredRequest[] {
  if (announcement.kind === 'request') {
    const { data } = EnrolmentRequest.safeParse(announcement.input);
    return data ? [data] : [];
  }
  try {
    const interpretation = interpret(announcement.event);
    return interpretation.kind === 'enrolment' ? interpretation.requests : [];
  } catch (error) {
    if (error instanceof InvalidRequest) return [];
    throw error;
  }
}

function conjureLightsail({ lightsail }: World, name: string): void {
  if (lightsail.instance(name)) return;
  const image = { blueprintId: 'amazon_linux_2023', bundleId: 'nano_3_0' };
  lightsail.takeUp({ instanceNames: [name], availabilityZone: `${REGION}a`, ...image });
}

function conjureEc2(world: World, request: ConjuredRequest, instanceId: string): void {
  const { autoScaling, ec2 } = world;
  if (ec2.instance(instanceId)) return;
  const { lifecycleAction } = request;
  const group = groupOf(world, lifecycleAction?.autoScalingGroupName ?? request.autoScalingGroupName);
  const hook = lifecycleAction ? hookOf(group, lifecycleAction.lifecycleHookName) : launchHook(group);
  // Launch Successful tells that no hook is in the way any more. A person may mean an instance that still waits.
  const waits = lifecycleAction || !request.trigger;
  autoScaling.takeUp(group.settings.AutoScalingGroupName, {
    instanceId,
    origin: lifecycleAction?.origin === 'WarmPool' ? 'WarmPool' : 'EC2',
    destination: lifecycleAction?.destination === 'WarmPool' ? 'WarmPool' : 'AutoScalingGroup',
    action: waits && hook ? { hook, token: lifecycleAction?.lifecycleActionToken } : undefined,
  });
}

/** A person who names only the instance gets one of the first group that has a launch hook. */
function groupOf({ autoScaling }: World, name: string | undefined): Group {
  const group = name === undefined ? [...autoScaling.groups.values()].find(launchHook) : autoScaling.groups.get(name);
  return group ?? autoScaling.createGroup({ AutoScalingGroupName: name ?? 'web' });
}

function launchHook({ hooks }: Group): LifecycleHook | undefined {
  return hooks.values().find(({ LifecycleTransition }) => LifecycleTransition === 'autoscaling:EC2_INSTANCE_LAUNCHING');
}

/** The group's hook of that name, made with the service's defaults where it has none. */
function hookOf(group: Group, name: string): LifecycleHook {
  const hook: LifecycleHook = group.hooks.get(name) ?? {
    LifecycleHookName: name,
    AutoScalingGroupName: group.settings.AutoScalingGroupName,
    LifecycleTransition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
    HeartbeatTimeout: 3600,
    GlobalTimeout: 172_800,
    DefaultResult: 'ABANDON',
  };
  group.hooks.set(name, hook);
  return hook;
}
