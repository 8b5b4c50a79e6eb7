import type { LifecycleState } from '@aws-sdk/client-auto-scaling';
import { awsEvent } from '../../eventbridge/aws-event.ts';
import { Timers } from '../../kernel/timers.ts';
import { uuid } from '../../kernel/uuid.ts';
import { ServiceError } from '../../wire/service.ts';
import type { Ec2Instance } from '../ec2/instance.ts';
import { abandonedMessage, activityEvent, type EventContent, lifecycleActionEvent, type Outcome } from './events.ts';
import { type Activity, at, type Group, instanceTags, type Member, type Place } from './group.ts';
import type { LifecycleAction, LifecycleActions, LifecycleHook, LifecycleTransition } from './lifecycle-actions.ts';
import type { AutoScalingOptions } from './options.ts';

const DEFAULTS = { launchSeconds: 3, proceedSeconds: 1, relaunchSeconds: 15, healthCheckSeconds: 30 };

/** Where a member is headed: what its states are called on the way, and what to do when no hook holds it any more. */
interface Passage {
  readonly state: 'Pending' | 'Warmed:Pending' | 'ReplacingRootVolume' | 'Terminating' | 'Warmed:Terminating';
  readonly transition: LifecycleTransition;
  readonly arrive: () => void;
  /** Left out: an abandoned member goes on all the same. */
  readonly onAbandon?: (action: LifecycleAction) => void;
}

/** A hook that a member waits in, or will. */
interface Hold {
  readonly hook: LifecycleHook;
  readonly token: string | undefined;
  readonly isAnnounced: boolean;
}

/** A launch that an event from outside of this world told of. */
export interface AnnouncedLaunch {
  readonly instanceId: string;
  readonly origin: Place;
  readonly destination: Place;
  /** The action in which the instance waits; undefined when its launch is over. */
  readonly action: { readonly hook: LifecycleHook; readonly token: string | undefined } | undefined;
}

/**
 * The ways of the instances through their groups, past the hooks.
 *
 *   EC2 ──> Pending ─[launch hooks: Pending:Wait]─> Pending:Proceed ──> InService
 *                          │ any ABANDON                                    │ scale-in, request, health check
 *                          └──────────> Terminating ─[terminate hooks: Terminating:Wait]─> Terminating:Proceed ──> EC2
 *
 * A warm pool has the same way once more in front: EC2 ─> Warmed:Pending ─[launch hooks]─> Warmed:Stopped or
 * Warmed:Running, and from there, with the launch hooks again, into service.
 *
 * The replacement of a root volume passes both kinds of hooks, and the instance runs on:
 *
 *   InService ──> ReplacingRootVolume ─[terminate hooks: ReplacingRootVolume:Wait]─> ReplacingRootVolume:Proceed
 *     ──> RootVolumeReplaced ─[launch hooks: Pending:Wait]─> Pending:Proceed ──> InService
 *
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks-overview.html
 */
export class Members {
  readonly #options: AutoScalingOptions & typeof DEFAULTS;
  readonly #actions: LifecycleActions;
  readonly #onVacancy: (group: Group, cause: string) => void;
  readonly #members = new Map<string, Member>();
  readonly #timers: Timers;
  /** By instance id: called when the replacement of its root volume has ended, in whatever way. */
  readonly #onReturn = new Map<string, () => void>();
  #launches = 0;

  /** `onVacancy` is called when it is time to replace an instance that left; `cause` is why it left. */
  constructor(
    options: AutoScalingOptions,
    actions: LifecycleActions,
    onVacancy: (group: Group, cause: string) => void,
  ) {
    this.#options = { ...DEFAULTS, ...options };
    this.#actions = actions;
    this.#onVacancy = onVacancy;
    this.#timers = new Timers(options.clock);
    options.ec2.observe({ onStateChange: (instance) => this.#follow(instance) });
  }

  /** The instance as its group keeps it, until it has left. */
  get(instanceId: string): Member | undefined {
    return this.#members.get(instanceId);
  }

  /** Every instance of every group, oldest first. */
  get all(): readonly Member[] {
    return [...this.#members.values()];
  }

  /** Launches one instance, into service or into the warm pool. */
  launch(group: Group, destination: Place, cause: string): Member {
    const member = this.#create(group, this.#activity('EC2', destination, cause));
    this.#enter(member);
    return member;
  }

  /** Takes up a launch where its announcement left it. What was announced is not announced again. */
  takeUp(group: Group, { instanceId, origin, destination, action }: AnnouncedLaunch): Member {
    const member = this.#create(group, this.#activity(origin, destination, 'It was announced.'), instanceId);
    if (action) this.#holdIn(member, this.#launchPassage(member), [{ ...action, isAnnounced: true }]);
    else member.lifecycleState = destination === 'WarmPool' ? 'Warmed:Running' : 'InService';
    return member;
  }

  /** Takes a running instance of no group into service, past the launch hooks. */
  attach(group: Group, instance: Ec2Instance, cause: string): Member {
    this.#options.ec2.tag(instance.instanceId, instanceTags(group));
    const activity = {
      ...this.#activity('EC2', 'AutoScalingGroup', cause),
      verb: 'Attaching an existing EC2 instance',
    };
    const member = this.#join(group, instance, activity);
    this.#enter(member);
    return member;
  }

  /** Takes an instance out of service for a while. It stays in its group. */
  enterStandby(member: Member, cause: string): void {
    const { group } = member;
    group.active.delete(member);
    group.standby.add(member);
    member.activity = { ...this.#activity('AutoScalingGroup', 'EC2', cause), verb: 'Moving EC2 instance to Standby' };
    member.lifecycleState = 'Standby';
  }

  /** Brings an instance back into service, past the launch hooks, as if it were launched. */
  exitStandby(member: Member, cause: string): void {
    const { group } = member;
    group.standby.delete(member);
    group.active.add(member);
    const activity = this.#activity('EC2', 'AutoScalingGroup', cause);
    member.activity = { ...activity, verb: 'Moving EC2 instance out of Standby' };
    member.lifecycleState = 'Pending';
    this.#enter(member);
  }

  /**
   * Replaces the root volume of an instance in service. `onEnd` is called when it is in service again, or leaves its group
   * because the replacement failed or a hook abandoned it.
   */
  replaceRootVolume(member: Member, imageId: string | undefined, cause: string, onEnd: () => void): void {
    const activity = this.#activity('AutoScalingGroup', 'AutoScalingGroup', cause);
    member.activity = { ...activity, verb: 'Replacing root volume of EC2 instance', action: 'ReplaceRootVolume' };
    member.lifecycleState = 'ReplacingRootVolume';
    this.#onReturn.set(member.instance.instanceId, onEnd);
    const { ec2, launchSeconds, proceedSeconds } = this.#options;
    const failed = `${this.#at()} an instance was taken out of service because its root volume could not be replaced.`;
    const onReplaced = (hasSucceeded: boolean) => {
      if (member.lifecycleState !== 'ReplacingRootVolume:Proceed') return;
      if (!hasSucceeded) {
        this.retire(member, 'EC2', failed);
        return;
      }
      member.lifecycleState = 'RootVolumeReplaced';
      this.#later(member, proceedSeconds, () => this.#pass(member, this.#launchPassage(member)));
    };
    const arrive = () => {
      try {
        ec2.replaceRootVolume(
          member.instance.instanceId,
          imageId === undefined ? {} : { ImageId: imageId },
          onReplaced,
        );
      } catch (error) {
        if (!(error instanceof ServiceError)) throw error;
        this.retire(member, 'EC2', `${failed} ${error.message}`);
      }
    };
    const transition = 'autoscaling:EC2_INSTANCE_TERMINATING';
    this.#later(member, launchSeconds, () => this.#pass(member, { state: 'ReplacingRootVolume', transition, arrive }));
  }

  #returned(member: Member): void {
    const { instanceId } = member.instance;
    const onEnd = this.#onReturn.get(instanceId);
    this.#onReturn.delete(instanceId);
    onEnd?.();
  }

  #create(group: Group, activity: Activity, instanceId?: string): Member {
    const { settings, subnetIds } = group;
    const instance = this.#options.ec2.launch({
      instanceId,
      imageId: settings.ImageId,
      instanceType: settings.InstanceType,
      subnetId: subnetIds[(this.#launches + 1) % subnetIds.length],
      region: group.region,
      tags: instanceTags(group),
      metadataOptions: settings.MetadataOptions,
    });
    return this.#join(group, instance, activity);
  }

  #join(group: Group, instance: Ec2Instance, activity: Activity): Member {
    const warming = activity.destination === 'WarmPool';
    const member: Member = {
      serial: ++this.#launches,
      group,
      instance,
      lifecycleState: warming ? 'Warmed:Pending' : 'Pending',
      healthStatus: 'Healthy',
      activity,
    };
    this.#members.set(instance.instanceId, member);
    (warming ? group.warm : group.active).add(member);
    return member;
  }

  /** Brings an instance that is ready in the warm pool into service; undefined when there is none. */
  takeFromWarmPool(group: Group, cause: string): Member | undefined {
    const ready: readonly LifecycleState[] = ['Warmed:Stopped', 'Warmed:Running'];
    const member = [...group.warm].find(({ lifecycleState }) => ready.includes(lifecycleState));
    if (!member) return undefined;
    if (member.lifecycleState === 'Warmed:Stopped') this.#options.ec2.start(member.instance.instanceId);
    group.warm.delete(member);
    group.active.add(member);
    member.lifecycleState = 'Pending';
    member.activity = this.#activity('WarmPool', 'AutoScalingGroup', cause);
    this.#enter(member);
    return member;
  }

  /** The launch, into service or into the warm pool, past the launch hooks. */
  #enter(member: Member): void {
    this.#later(member, this.#options.launchSeconds, () => this.#pass(member, this.#launchPassage(member)));
  }

  #launchPassage(member: Member): Passage {
    return {
      state: member.activity.destination === 'WarmPool' ? 'Warmed:Pending' : 'Pending',
      transition: 'autoscaling:EC2_INSTANCE_LAUNCHING',
      arrive: () => this.#settle(member),
      onAbandon: (action) => {
        this.#emitActivity(member, 'Launch Unsuccessful', abandonedMessage(action));
        this.retire(
          member,
          'EC2',
          `${this.#at()} an instance was taken out of service in response to an abandoned lifecycle action.`,
        );
      },
    };
  }

  /** Holds the member in the hooks of its transition, one after another; it passes when all have let it go. */
  #pass(member: Member, passage: Passage): void {
    const hooks = [...member.group.hooks.values()].filter((hook) => hook.LifecycleTransition === passage.transition);
    this.#holdIn(
      member,
      passage,
      hooks.map((hook) => ({ hook, token: undefined, isAnnounced: false })),
    );
  }

  #holdIn(member: Member, passage: Passage, [hold, ...others]: readonly Hold[]): void {
    const { state, onAbandon } = passage;
    const { instanceId } = member.instance;
    const proceed = () => {
      member.lifecycleState = `${state}:Proceed`;
      this.#later(member, this.#options.proceedSeconds, passage.arrive);
    };
    if (!hold) {
      proceed();
      return;
    }
    const onResolved = (action: LifecycleAction) => {
      if (action.result !== 'ABANDON') this.#holdIn(member, passage, others);
      else if (onAbandon) onAbandon(action);
      else proceed();
    };
    member.lifecycleState = `${state}:Wait`;
    const action = this.#actions.start(hold.hook, instanceId, onResolved, hold.token);
    if (!hold.isAnnounced) this.#emit(member, lifecycleActionEvent(member, hold.hook, action));
  }

  /** The end of a launch, as soon as the machine is in the state that its place asks for. */
  #settle(member: Member): void {
    const { activity, group, instance } = member;
    if (!member.lifecycleState.endsWith('Pending:Proceed')) return;
    const { ec2 } = this.#options;
    const stopping = activity.destination === 'WarmPool' && group.settings.WarmPool?.PoolState === 'Stopped';
    if (stopping && instance.state === 'running') ec2.stop(instance.instanceId);
    if (instance.state !== (stopping ? 'stopped' : 'running')) return;
    if (activity.destination === 'AutoScalingGroup') member.lifecycleState = 'InService';
    else member.lifecycleState = stopping ? 'Warmed:Stopped' : 'Warmed:Running';
    if (activity.action) this.#returned(member);
    if (activity.origin !== 'AutoScalingGroup') this.#emitActivity(member, 'Launch Successful');
  }

  /** Takes an instance out, back into the warm pool if the group reuses its instances. */
  scaleIn(member: Member, cause: string): void {
    const reusable = member.group.settings.WarmPool?.ReuseOnScaleIn && member.lifecycleState === 'InService';
    this.retire(member, reusable ? 'WarmPool' : 'EC2', cause);
  }

  /** The way out, past the terminate hooks, whose result changes nothing. */
  retire(member: Member, destination: 'EC2' | 'WarmPool', cause: string): void {
    const { group, instance } = member;
    const warm = group.warm.delete(member);
    group.active.delete(member);
    group.standby.delete(member);
    group.leaving.add(member);
    this.#timers.cancel(instance.instanceId);
    this.#actions.drop(instance.instanceId);
    this.#returned(member);
    member.lifecycleState = warm ? 'Warmed:Terminating' : 'Terminating';
    member.activity = this.#activity(warm ? 'WarmPool' : 'AutoScalingGroup', destination, cause);
    const arrive = () => (destination === 'EC2' ? this.#end(member) : this.#returnToPool(member));
    const { state, isRetained } = { state: member.lifecycleState, isRetained: retainsAbandoned(group) };
    this.#pass(member, {
      state,
      transition: 'autoscaling:EC2_INSTANCE_TERMINATING',
      arrive,
      ...(isRetained && {
        onAbandon: () => {
          member.lifecycleState = `${state}:Retained`;
        },
      }),
    });
    this.#timers.set(`replace ${instance.instanceId}`, this.#options.relaunchSeconds, () =>
      this.#onVacancy(group, cause),
    );
  }

  /** Terminates an instance that its group retained after its termination hook was abandoned. */
  endRetained(member: Member): void {
    if (member.lifecycleState.endsWith(':Retained')) this.#end(member);
  }

  #end(member: Member): void {
    if (member.instance.state === 'terminated') this.#forget(member);
    else this.#options.ec2.terminate(member.instance.instanceId);
  }

  #forget(member: Member): void {
    this.#timers.cancel(member.instance.instanceId);
    member.group.leaving.delete(member);
    this.#members.delete(member.instance.instanceId);
    this.#emitActivity(member, 'Terminate Successful');
  }

  #returnToPool(member: Member): void {
    this.#emitActivity(member, 'Terminate Successful');
    member.group.leaving.delete(member);
    member.group.warm.add(member);
    member.lifecycleState = 'Warmed:Pending:Proceed';
    if (member.instance.state === 'running') this.#settle(member);
    else this.#noticeLoss(member);
  }

  /** What EC2 reports of a member's machine. */
  #follow(instance: Ec2Instance): void {
    const member = this.#members.get(instance.instanceId);
    if (!member) return;
    if (instance.state === 'running' || instance.state === 'stopped') this.#settle(member);
    const isLeaving = /Terminating:(Proceed|Retained)$/.test(member.lifecycleState);
    if (instance.state === 'terminated' && isLeaving) this.#forget(member);
    if (instance.state === 'shutting-down' && !member.group.leaving.has(member)) this.#noticeLoss(member);
  }

  #noticeLoss(member: Member): void {
    member.healthStatus = 'Unhealthy';
    this.#timers.set(`lost ${member.instance.instanceId}`, this.#options.healthCheckSeconds, () => {
      if (member.group.leaving.has(member)) return;
      const check = 'in response to an EC2 health check indicating it has been terminated or stopped.';
      this.retire(member, 'EC2', `${this.#at()} an instance was taken out of service ${check}`);
    });
  }

  #activity(origin: Place, destination: Place, cause: string): Activity {
    const { clock, random } = this.#options;
    return { activityId: uuid(random), requestId: uuid(random), startedAt: clock.now(), cause, origin, destination };
  }

  /** A member has one thing to come at a time: what is planned now replaces what was. */
  #later(member: Member, seconds: number, callback: () => void): void {
    this.#timers.set(member.instance.instanceId, seconds, callback);
  }

  #emitActivity(member: Member, outcome: Outcome, statusMessage?: string): void {
    this.#emit(member, activityEvent(member, outcome, this.#options.clock.now(), statusMessage));
  }

  #emit({ group }: Member, content: EventContent): void {
    this.#options.emit(awsEvent(content, this.#options, group.region));
  }

  #at(): string {
    return at(this.#options.clock.now());
  }
}

/** Whether the group's instance lifecycle policy keeps an instance whose termination hook is abandoned. */
function retainsAbandoned({ settings }: Group): boolean {
  return settings.InstanceLifecyclePolicy?.RetentionTriggers?.TerminateHookAbandon === 'retain';
}
