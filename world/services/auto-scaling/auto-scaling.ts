import { uuid } from '../../kernel/uuid.ts';
import { ServiceError, type ServiceOf } from '../../wire/service.ts';
import type { Ec2Instance } from '../ec2/instance.ts';
import {
  type Activity,
  at,
  createGroup,
  describeGroup,
  describeMember,
  type Group,
  type GroupSettings,
  type Member,
} from './group.ts';
import { InstanceRefreshes } from './instance-refresh.ts';
import { LifecycleActions } from './lifecycle-actions.ts';
import { type AnnouncedLaunch, Members } from './members.ts';
import { autoScalingOperations } from './operations.ts';
import type { AutoScalingOptions } from './options.ts';

/**
 * Amazon EC2 Auto Scaling. A group converges: it launches, replaces and terminates until it has as many instances as it
 * wants. `members.ts` shows the states of each.
 */
export class AutoScaling {
  readonly service: ServiceOf<'autoscaling'>;
  readonly actions: LifecycleActions;
  readonly groups = new Map<string, Group>();
  readonly members: Members;
  readonly #refreshes: InstanceRefreshes;
  readonly #options: AutoScalingOptions;
  readonly #hiddenUntil = new Map<string, number>();

  constructor(options: AutoScalingOptions) {
    this.#options = options;
    this.actions = new LifecycleActions(options);
    this.members = new Members(options, this.actions, (group, cause) => this.#converge(group, cause));
    this.#refreshes = new InstanceRefreshes(this.members, options.random);
    this.service = { name: 'autoscaling', operations: autoScalingOperations(this) };
  }

  /** The answer to CreateAutoScalingGroup: the group exists, and launches what it wants. */
  createGroup(settings: GroupSettings): Group {
    const { clock, random } = this.#options;
    const group = createGroup(settings, this.groups.size + 1, uuid(random), new Date(clock.now()));
    this.groups.set(settings.AutoScalingGroupName, group);
    this.#converge(group, `${this.#at()} a user request created an AutoScalingGroup.`);
    return group;
  }

  /** Throws ValidationError. */
  group(name: string): Group {
    const group = this.groups.get(name);
    if (group) return group;
    throw new ServiceError('ValidationError', `AutoScalingGroup name not found - AutoScalingGroup '${name}' not found`);
  }

  /**
   * Makes the group larger by `count`; answers the ids of the instances that come for it.
   * Throws ValidationError for an unknown group, and past its MaxSize.
   */
  launch(name: string, count: number): string[] {
    return this.setDesiredCapacity(name, this.group(name).desiredCapacity + count);
  }

  /** Eventual consistency: for so long DescribeAutoScalingInstances leaves the instance out. */
  hide(instanceId: string, seconds: number): void {
    this.#hiddenUntil.set(instanceId, this.#options.clock.now() + seconds * 1000);
  }

  isShown(instanceId: string): boolean {
    return this.#options.clock.now() >= (this.#hiddenUntil.get(instanceId) ?? 0);
  }

  /** Takes up a launch that an event from outside told of: the group has one instance more. */
  takeUp(name: string, launch: AnnouncedLaunch): void {
    const group = this.group(name);
    if (launch.destination !== 'WarmPool') group.desiredCapacity++;
    this.members.takeUp(group, launch);
  }

  /** SetDesiredCapacity; answers the ids of the instances that come for it. Throws ValidationError. */
  setDesiredCapacity(name: string, capacity: number): string[] {
    const group = this.group(name);
    const bound = (word: string, limit: number) =>
      new ServiceError(
        'ValidationError',
        `New SetDesiredCapacity value ${capacity} is ${word} value ${limit} for the AutoScalingGroup.`,
      );
    if (capacity > group.maxSize) throw bound('above max', group.maxSize);
    if (capacity < group.minSize) throw bound('below min', group.minSize);
    const change = `from ${group.desiredCapacity} to ${capacity}`;
    group.desiredCapacity = capacity;
    return this.#converge(
      group,
      `${this.#at()} a user request explicitly set group desired capacity changing the desired capacity ${change}.`,
    );
  }

  /**
   * TerminateInstanceInAutoScalingGroup. Throws ValidationError for an instance of no group, of a warm pool, and when
   * the group may not become smaller.
   */
  terminate(instanceId: string, shouldDecrementDesiredCapacity: boolean): Activity {
    const member = this.members.get(instanceId);
    if (!member || member.group.warm.has(member))
      throw new ServiceError(
        'ValidationError',
        `Instance Id not found - No managed instance found for instance ID: ${instanceId}`,
      );
    const { group } = member;
    if (group.leaving.has(member)) {
      this.members.endRetained(member);
      return member.activity;
    }
    if (shouldDecrementDesiredCapacity) decrement(group);
    this.members.retire(
      member,
      'EC2',
      `${this.#at()} instance ${instanceId} was taken out of service in response to a user request.`,
    );
    return member.activity;
  }

  /** StartInstanceRefresh. Throws ValidationError and InstanceRefreshInProgress. */
  startInstanceRefresh(request: Parameters<InstanceRefreshes['start']>[1]): string {
    return this.#refreshes.start(
      this.group(request.AutoScalingGroupName),
      request,
      `${this.#at()} an instance refresh was started in response to a user request.`,
    );
  }

  /** AttachInstances: the group has so many instances more. Throws ValidationError. */
  attach(name: string, instanceIds: readonly string[]): void {
    const group = this.group(name);
    const instances = instanceIds.map((id) => this.#attachable(id));
    if (group.desiredCapacity + instances.length > group.maxSize)
      throw new ServiceError(
        'ValidationError',
        `AutoScalingGroup ${name} has a max-size of ${group.maxSize}, which ${instances.length} more instances exceed.`,
      );
    group.desiredCapacity += instances.length;
    for (const instance of instances)
      this.members.attach(group, instance, `${this.#at()} an instance was added in response to an attach request.`);
  }

  #attachable(instanceId: string): Ec2Instance {
    const instance = this.#options.ec2.instance(instanceId);
    if (instance?.state !== 'running')
      throw new ServiceError('ValidationError', `Invalid Instance ID(s): [${instanceId}]: not in running state.`);
    if (this.members.get(instanceId))
      throw new ServiceError('ValidationError', `The instance ${instanceId} is already part of an AutoScalingGroup.`);
    return instance;
  }

  /** EnterStandby. Throws ValidationError for an instance that is not in service. */
  enterStandby(name: string, instanceIds: readonly string[], shouldDecrementDesiredCapacity: boolean): Member[] {
    const group = this.group(name);
    const members = instanceIds.map((id) => this.#inState(group, id, 'InService'));
    const cause = `${this.#at()} an instance was moved to standby in response to a user request.`;
    for (const member of members) {
      if (shouldDecrementDesiredCapacity) decrement(group);
      this.members.enterStandby(member, cause);
    }
    this.#converge(group, cause);
    return members;
  }

  /** ExitStandby: the instances count again. Throws ValidationError for one that is not on standby. */
  exitStandby(name: string, instanceIds: readonly string[]): Member[] {
    const group = this.group(name);
    const members = instanceIds.map((id) => this.#inState(group, id, 'Standby'));
    const cause = `${this.#at()} an instance was moved out of standby in response to a user request.`;
    group.desiredCapacity += members.length;
    for (const member of members) this.members.exitStandby(member, cause);
    return members;
  }

  #inState(group: Group, instanceId: string, state: 'InService' | 'Standby'): Member {
    const member = this.members.get(instanceId);
    if (member?.group === group && member.lifecycleState === state) return member;
    throw new ServiceError('ValidationError', `The instance ${instanceId} is not in ${state}.`);
  }

  /** Every group with its hooks and instances, as the API shows them, and what still waits. */
  snapshot() {
    return {
      groups: [...this.groups.values()].map((group) => ({ ...describeGroup(group), hooks: [...group.hooks.values()] })),
      instances: this.members.all.map(describeMember),
      openActions: this.actions.all.filter(({ result }) => result === undefined),
    };
  }

  #converge(group: Group, request: string): string[] {
    const started = `${request}  ${this.#at()} an instance was started in response to a difference between desired and actual capacity, increasing the capacity from ${group.active.size} to ${group.desiredCapacity}.`;
    const arrived: string[] = [];
    while (group.active.size < group.desiredCapacity) {
      const member =
        this.members.takeFromWarmPool(group, started) ?? this.members.launch(group, 'AutoScalingGroup', started);
      arrived.push(member.instance.instanceId);
    }
    const taken = `${request}  ${this.#at()} an instance was taken out of service in response to a difference between desired and actual capacity, shrinking the capacity from ${group.active.size} to ${group.desiredCapacity}.`;
    for (const member of group.active) {
      if (group.active.size <= group.desiredCapacity) break;
      this.members.scaleIn(member, taken);
    }
    while (group.warm.size < (group.settings.WarmPool?.MinSize ?? 0)) this.members.launch(group, 'WarmPool', started);
    return arrived;
  }

  #at(): string {
    return at(this.#options.clock.now());
  }
}

function decrement(group: Group): void {
  if (group.desiredCapacity <= group.minSize)
    throw new ServiceError(
      'ValidationError',
      `Currently, desiredSize equals minSize (${group.minSize}). Terminating instance without replacement will violate group's min size constraint. Either set shouldDecrementDesiredCapacity flag to false or lower group's min size.`,
    );
  group.desiredCapacity--;
}
