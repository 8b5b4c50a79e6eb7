import type { LifecycleState } from '@aws-sdk/client-auto-scaling';
import { awsEvent } from '../../eventbridge/aws-event.ts';
import { Timers } from '../../kernel/timers.ts';
import { uuid } from '../../kernel/uuid.ts';
import type { Ec2Instance } from '../ec2/instance.ts';
import { abandonedMessage, activityEvent, type EventContent, lifecycleActionEvent, type Outcome } from './events.ts';
import { type Activity, at, type Group, instanceTags, type Member, type Place } from './group.ts';
import type { LifecycleAction, LifecycleActions, LifecycleHook, LifecycleTransition } from './lifecycle-actions.ts';
import type { AutoScalingOptions } from './options.ts';

const DEFAULTS = { launchSeconds: 3, proceedSeconds: 1, relaunchSeconds: 15, healthCheckSeconds: 30 };

/** Where a member is headed: what its states are called on the way, and what to do when no hook holds it any more. */
interface Passage {
  readonly state: 'Pending' | 'Warmed:Pending' | 'Terminating' | 'Warmed:Terminating';
  readonly transition: LifecycleTransition;
  readonly arrive: () => void;
  /** Left out: an abandoned member goes on all the same. */
  readonly onAbandon?: (action: LifecycleAction) => void;
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
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/lifecycle-hooks-overview.html
 */
export class Members {
  readonly #options: AutoScalingOptions & typeof DEFAULTS;
  readonly #actions: LifecycleActions;
  readonly #onVacancy: (group: Group, cause: string) => void;
  readonly #members = new Map<string, Member>();
  readonly #timers: Timers;
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
    if (action) this.#holdIn(member, this.#launchPassage(member), [action]);
    else member.lifecycleState = destination === 'WarmPool' ? 'Warmed:Running' : 'InService';
    return member;
  }

  #create(group: Group, activity: Activity, instanceId?: string): Member {
    const { settings, subnetIds } = group;
    const serial = ++this.#launches;
    const instance = this.#options.ec2.launch({
      instanceId,
      imageId: settings.ImageId,
      instanceType: settings.InstanceType,
      subnetId: subnetIds[serial % subnetIds.length],
      region: group.region,
      tags: instanceTags(group),
      metadataOptions: settings.MetadataOptions,
    });
    const warming = activity.destination === 'WarmPool';
    const member: Member = {
      serial,
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

  /** Holds the member in the hooks of its transition, all at once; it passes when all have let it go. */
  #pass(member: Member, passage: Passage): void {
    const hooks = [...member.group.hooks.values()].filter((hook) => hook.LifecycleTransition === passage.transition);
    const started = this.#holdIn(
      member,
      passage,
      hooks.map((hook) => ({ hook, token: undefined })),
    );
    for (const { hook, action } of started) this.#emit(member, lifecycleActionEvent(member, hook, action));
  }

  #holdIn(
    member: Member,
    passage: Passage,
    holds: readonly { readonly hook: LifecycleHook; readonly token: string | undefined }[],
  ) {
    const { state } = passage;
    let waiting = holds.length;
    const proceed = () => {
      member.lifecycleState = `${state}:Proceed`;
      this.#later(member, this.#options.proceedSeconds, passage.arrive);
    };
    const onResolved = (action: LifecycleAction) => {
      waiting--;
      if (action.result === 'ABANDON') {
        this.#actions.drop(member.instance.instanceId);
        if (passage.onAbandon) passage.onAbandon(action);
        else proceed();
      } else if (waiting === 0) proceed();
    };
    if (waiting === 0) {
      proceed();
      return [];
    }
    member.lifecycleState = `${state}:Wait`;
    return holds.map(({ hook, token }) => ({
      hook,
      action: this.#actions.start(hook, member.instance.instanceId, onResolved, token),
    }));
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
    group.leaving.add(member);
    this.#timers.cancel(instance.instanceId);
    this.#actions.drop(instance.instanceId);
    member.lifecycleState = warm ? 'Warmed:Terminating' : 'Terminating';
    member.activity = this.#activity(warm ? 'WarmPool' : 'AutoScalingGroup', destination, cause);
    const arrive = () => (destination === 'EC2' ? this.#end(member) : this.#returnToPool(member));
    this.#pass(member, {
      state: member.lifecycleState,
      transition: 'autoscaling:EC2_INSTANCE_TERMINATING',
      arrive,
    });
    this.#timers.set(`replace ${instance.instanceId}`, this.#options.relaunchSeconds, () =>
      this.#onVacancy(group, cause),
    );
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
    if (instance.state === 'terminated' && member.lifecycleState.endsWith('Terminating:Proceed')) this.#forget(member);
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
