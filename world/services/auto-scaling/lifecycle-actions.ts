import type { Clock } from '../../kernel/clock.ts';
import type { Random } from '../../kernel/random.ts';
import { Timers } from '../../kernel/timers.ts';
import { uuid } from '../../kernel/uuid.ts';
import { ServiceError } from '../../wire/service.ts';
import type { Writable } from '../types.ts';

export type LifecycleTransition = 'autoscaling:EC2_INSTANCE_LAUNCHING' | 'autoscaling:EC2_INSTANCE_TERMINATING';
export type LifecycleResult = 'CONTINUE' | 'ABANDON';

/** A hook as DescribeLifecycleHooks shows it. Time-outs are in seconds. */
export interface LifecycleHook {
  readonly LifecycleHookName: string;
  readonly AutoScalingGroupName: string;
  readonly LifecycleTransition: LifecycleTransition;
  readonly HeartbeatTimeout: number;
  /** How long heartbeats can keep an instance waiting: 48 hours or 100 heartbeat time-outs, the smaller. */
  readonly GlobalTimeout: number;
  readonly DefaultResult: LifecycleResult;
  readonly NotificationMetadata?: string;
  readonly NotificationTargetARN?: string;
  readonly RoleARN?: string;
}

/** One instance waiting in one hook, and what became of it. Instants are milliseconds since the epoch. */
export interface LifecycleAction {
  readonly token: string;
  readonly instanceId: string;
  readonly autoScalingGroupName: string;
  readonly hook: string;
  readonly transition: LifecycleTransition;
  readonly startedAt: number;
  readonly heartbeats: number;
  /** undefined while the instance waits. */
  readonly result: LifecycleResult | undefined;
  /**
   * `caller`: CompleteLifecycleAction. `timeout`: the hook's DefaultResult. `group`: another hook abandoned the
   * instance, or it left while it waited.
   */
  readonly resolvedBy: 'caller' | 'timeout' | 'group' | undefined;
  readonly resolvedAt: number | undefined;
}

/** Which action a call means: the instance's, or the token's, which wins when both are given. */
export interface ActionTarget {
  readonly AutoScalingGroupName: string;
  readonly LifecycleHookName: string;
  readonly LifecycleActionToken?: string | undefined;
  readonly InstanceId?: string | undefined;
}

interface OpenAction {
  readonly action: Writable<LifecycleAction>;
  readonly hook: LifecycleHook;
  readonly onResolved: (action: LifecycleAction) => void;
}

/**
 * The lifecycle actions of all groups.
 *
 *   start ──── heartbeat ──── heartbeat ────────────────┬─ no word for HeartbeatTimeout  -> DefaultResult
 *     └──────────────────── at most GlobalTimeout ──────┴─ CompleteLifecycleAction       -> its result
 */
export class LifecycleActions {
  /** Every action that ever was, oldest first. */
  readonly all: LifecycleAction[] = [];
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #timers: Timers;
  /** By token. */
  readonly #open = new Map<string, OpenAction>();
  /** By instance id: the tokens of its open actions. */
  readonly #tokens = new Map<string, Set<string>>();

  readonly #starts: (() => void)[] = [];

  constructor(options: { clock: Clock; random: Random }) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.#timers = new Timers(options.clock);
  }

  /** Whether any instance waits in a hook. */
  get isAnyOpen(): boolean {
    return this.#open.size > 0;
  }

  /** Calls back whenever an instance begins to wait. */
  onStart(callback: () => void): void {
    this.#starts.push(callback);
  }

  /** Makes an instance wait in a hook; `onResolved` is called once when a caller or the time-out resolves it. */
  start(
    hook: LifecycleHook,
    instanceId: string,
    onResolved: (action: LifecycleAction) => void,
    token = uuid(this.#random),
  ): LifecycleAction {
    const action: Writable<LifecycleAction> = {
      token,
      instanceId,
      autoScalingGroupName: hook.AutoScalingGroupName,
      hook: hook.LifecycleHookName,
      transition: hook.LifecycleTransition,
      startedAt: this.#clock.now(),
      heartbeats: 0,
      result: undefined,
      resolvedBy: undefined,
      resolvedAt: undefined,
    };
    this.all.push(action);
    this.#open.set(action.token, { action, hook, onResolved });
    const tokens = this.#tokens.get(instanceId) ?? new Set();
    this.#tokens.set(instanceId, tokens.add(action.token));
    this.#restartTimer({ action, hook, onResolved });
    for (const callback of this.#starts) callback();
    return action;
  }

  /** Starts the hook's time-out anew, within its global time-out. Throws ValidationError when nothing waits. */
  heartbeat(target: ActionTarget): void {
    const open = this.#find(target);
    open.action.heartbeats++;
    this.#restartTimer(open);
  }

  /** Resolves an action. Throws ValidationError when nothing waits: resolved already, expired, or never there. */
  complete(target: ActionTarget, result: LifecycleResult): void {
    const open = this.#find(target);
    this.#close(open, result, 'caller');
    open.onResolved(open.action);
  }

  /** Ends every action that an instance still waits in, without an event. */
  drop(instanceId: string): void {
    for (const token of [...(this.#tokens.get(instanceId) ?? [])]) {
      const open = this.#open.get(token);
      if (open) this.#close(open, 'ABANDON', 'group');
    }
  }

  #restartTimer(open: OpenAction): void {
    const { action, hook } = open;
    const secondsLeft = hook.GlobalTimeout - (this.#clock.now() - action.startedAt) / 1000;
    this.#timers.set(action.token, Math.min(hook.HeartbeatTimeout, secondsLeft), () => {
      this.#close(open, hook.DefaultResult, 'timeout');
      open.onResolved(action);
    });
  }

  #close({ action }: OpenAction, result: LifecycleResult, resolvedBy: 'caller' | 'timeout' | 'group'): void {
    this.#timers.cancel(action.token);
    this.#open.delete(action.token);
    const tokens = this.#tokens.get(action.instanceId);
    tokens?.delete(action.token);
    if (tokens?.size === 0) this.#tokens.delete(action.instanceId);
    Object.assign(action, { result, resolvedBy, resolvedAt: this.#clock.now() });
  }

  #find(target: ActionTarget): OpenAction {
    const { LifecycleActionToken: token, InstanceId: instanceId } = target;
    if (!token && !instanceId)
      throw new ServiceError('ValidationError', 'Either LifecycleActionToken or InstanceId must be specified.');
    const tokens = token ? [token] : [...(this.#tokens.get(instanceId ?? '') ?? [])];
    const open = tokens.map((each) => this.#open.get(each)).find((each) => each && isMeant(each.action, target));
    if (open) return open;
    const sought = token ? `token ${token}` : `instance ID ${instanceId}`;
    throw new ServiceError('ValidationError', `No active Lifecycle Action found with ${sought}`);
  }
}

function isMeant(action: LifecycleAction, target: ActionTarget): boolean {
  return action.autoScalingGroupName === target.AutoScalingGroupName && action.hook === target.LifecycleHookName;
}
