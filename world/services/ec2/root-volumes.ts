import type {
  CreateReplaceRootVolumeTaskRequest,
  CreateReplaceRootVolumeTaskResult,
  DescribeReplaceRootVolumeTasksRequest,
  DescribeReplaceRootVolumeTasksResult,
  ReplaceRootVolumeTask,
  ReplaceRootVolumeTaskState,
} from '@aws-sdk/client-ec2';
import { isoSeconds } from '../../eventbridge/aws-event.ts';
import { REGION, regionOf } from '../../kernel/account.ts';
import type { Clock } from '../../kernel/clock.ts';
import { hex } from '../../kernel/hex.ts';
import type { Random } from '../../kernel/random.ts';
import { Timers } from '../../kernel/timers.ts';
import { type RequestContext, ServiceError } from '../../wire/service.ts';
import { type Numbered, pageBySerial } from '../paging/serial-page.ts';
import type { Input, Writable } from '../types.ts';
import { badToken, notFound } from './errors.ts';
import type { Ec2Instance, RootVolume } from './instance.ts';

/** What another root volume is made from: an AMI, or a disk (a snapshot of it, too) that the machine has written to. */
export type RootVolumeSource = 'image' | 'former-disk';

export interface RootVolumeOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** From a task's start until the original volume is detached, and from then until the task has succeeded. */
  readonly replacingSeconds?: number;
  /** EC2 is eventually consistent: for so long after a replacement DescribeInstances shows the original root volume. */
  readonly volumesAfterSeconds?: number;
  /** For so long after its start, and after its end, a task is listed as it was before. */
  readonly tasksAfterSeconds?: number;
  /** Whether the next tasks fail, with the original volume still attached. */
  readonly replacementsFail?: boolean;
}

interface Task extends Numbered {
  readonly id: string;
  readonly instance: Writable<Ec2Instance>;
  readonly request: Omit<CreateReplaceRootVolumeTaskRequest, 'InstanceId'>;
  readonly startedAt: number;
  readonly states: { readonly at: number; readonly state: ReplaceRootVolumeTaskState }[];
  readonly onEnd: (hasSucceeded: boolean) => void;
}

const DEFAULTS = { replacingSeconds: 20, volumesAfterSeconds: 0, tasksAfterSeconds: 0, replacementsFail: false };

const ENDED: readonly ReplaceRootVolumeTaskState[] = ['succeeded', 'failed', 'failed-detached'];

/**
 * Root volumes of running instances, and the tasks that replace them.
 *
 *   pending ──► in-progress (detached) ──► succeeded (another volume is attached, and the machine has rebooted)
 *      └──────────────┴──► failed: the original volume is attached · failed-detached: the instance has gone meanwhile
 *
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/replace-root.html
 */
export class RootVolumes {
  readonly #options: RootVolumeOptions & typeof DEFAULTS;
  readonly #find: (instanceIds: readonly string[], context: RequestContext) => Writable<Ec2Instance>[];
  readonly #onReplaced: (instance: Ec2Instance, source: RootVolumeSource) => void;
  readonly #timers: Timers;
  readonly #tasks: Task[] = [];
  #volumes = 0;
  /** The volume that DescribeInstances still shows, by instance id. */
  readonly #stale = new Map<string, { readonly until: number; readonly volume: RootVolume | undefined }>();

  constructor(
    options: RootVolumeOptions,
    find: (instanceIds: readonly string[], context: RequestContext) => Writable<Ec2Instance>[],
    onReplaced: (instance: Ec2Instance, source: RootVolumeSource) => void,
  ) {
    this.#options = { ...DEFAULTS, ...options };
    this.#find = find;
    this.#onReplaced = onReplaced;
    this.#timers = new Timers(options.clock);
  }

  get operations() {
    return {
      CreateReplaceRootVolumeTask: (
        input: Input<CreateReplaceRootVolumeTaskRequest, 'InstanceId'>,
        context: RequestContext,
      ) => this.#create(input, context),
      DescribeReplaceRootVolumeTasks: (input: DescribeReplaceRootVolumeTasksRequest, context: RequestContext) =>
        this.#describe(input, context),
    };
  }

  /** A new volume, attached now. */
  attach(): RootVolume {
    const volumeId = `vol-0${(++this.#volumes).toString(16).padStart(16, '0')}`;
    return { volumeId, attachTime: new Date(Math.floor(this.#options.clock.now() / 1000) * 1000) };
  }

  /** The instance as others see it: a replaced volume is shown late. */
  shown(instance: Ec2Instance): Ec2Instance {
    const stale = this.#stale.get(instance.instanceId);
    return stale && this.#options.clock.now() < stale.until ? { ...instance, rootVolume: stale.volume } : instance;
  }

  /** Detaches the root volume and attaches another one, or the same again: no task does that. */
  reattach(instance: Writable<Ec2Instance>, volumeId = instance.rootVolume?.volumeId): void {
    instance.rootVolume = { ...this.attach(), ...(volumeId !== undefined && { volumeId }) };
  }

  /** Starts a task. Throws what EC2 refuses; `onEnd` is called once. */
  start(
    instance: Writable<Ec2Instance>,
    request: Task['request'] = {},
    onEnd: Task['onEnd'] = () => undefined,
  ): ReplaceRootVolumeTask {
    const { clock, random, replacingSeconds } = this.#options;
    this.#check(instance, request);
    const now = clock.now();
    const task: Task = {
      serial: this.#tasks.length + 1,
      id: `replacevol-0${hex(random, 16)}`,
      instance,
      request,
      startedAt: now,
      states: [{ at: now, state: 'pending' }],
      onEnd,
    };
    this.#tasks.push(task);
    this.#timers.set(task.id, replacingSeconds / 2, () => this.#detach(task));
    return this.#describeTask(task, now);
  }

  /** Ends every task that has not ended, with the original volume attached. */
  cancelAll(): void {
    for (const task of this.#tasks.filter((one) => !ENDED.includes(stateOf(one)))) {
      this.#timers.cancel(task.id);
      this.#become(task, 'failed');
    }
  }

  #create(
    { InstanceId, ...request }: Input<CreateReplaceRootVolumeTaskRequest, 'InstanceId'>,
    context: RequestContext,
  ): CreateReplaceRootVolumeTaskResult {
    const [instance] = this.#find([InstanceId], context);
    if (!instance) throw notFound([InstanceId]);
    return { ReplaceRootVolumeTask: this.start(instance, request) };
  }

  /** EC2 documents the conditions, and no codes for them: these are those of like refusals. */
  #check(instance: Ec2Instance, { ImageId, SnapshotId, VolumeId }: Task['request']): void {
    const { instanceId } = instance;
    if ([ImageId, SnapshotId, VolumeId].filter((source) => source !== undefined).length > 1)
      throw new ServiceError(
        'InvalidParameterCombination',
        'Only one of ImageId, SnapshotId and VolumeId can be specified.',
      );
    if (instance.rootDeviceType !== 'ebs')
      throw new ServiceError('UnsupportedOperation', `The root device of '${instanceId}' is not an EBS volume.`);
    if (instance.state !== 'running')
      throw new ServiceError('IncorrectInstanceState', `The instance '${instanceId}' is not in the 'running' state.`);
    if (this.#tasks.some((task) => task.instance === instance && !ENDED.includes(stateOf(task))))
      throw new ServiceError('IncorrectState', `A root volume replacement of '${instanceId}' is in progress.`);
  }

  #detach(task: Task): void {
    if (this.#options.replacementsFail) this.#end(task, 'failed');
    else if (task.instance.state !== 'running') this.#end(task, 'failed-detached');
    else {
      this.#become(task, 'in-progress');
      this.#timers.set(task.id, this.#options.replacingSeconds / 2, () => this.#attach(task));
    }
  }

  #attach(task: Task): void {
    const { instance, request } = task;
    if (instance.state !== 'running') {
      this.#end(task, 'failed-detached');
      return;
    }
    const { clock, volumesAfterSeconds } = this.#options;
    const until = clock.now() + volumesAfterSeconds * 1000;
    this.#stale.set(instance.instanceId, { until, volume: instance.rootVolume });
    instance.rootVolume = { ...this.attach(), ...(request.VolumeId && { volumeId: request.VolumeId }) };
    this.#onReplaced(instance, request.SnapshotId || request.VolumeId ? 'former-disk' : 'image');
    this.#end(task, 'succeeded');
  }

  #become(task: Task, state: ReplaceRootVolumeTaskState): void {
    task.states.push({ at: this.#options.clock.now(), state });
  }

  #end(task: Task, state: ReplaceRootVolumeTaskState): void {
    this.#become(task, state);
    task.onEnd(state === 'succeeded');
  }

  #describe(
    input: DescribeReplaceRootVolumeTasksRequest,
    { region = REGION }: RequestContext,
  ): DescribeReplaceRootVolumeTasksResult {
    const { ReplaceRootVolumeTaskIds: ids = [], Filters = [], MaxResults = 50, NextToken } = input;
    const seenAt = this.#options.clock.now() - this.#options.tasksAfterSeconds * 1000;
    const own = this.#tasks.filter((task) => regionOf(task.instance) === region && task.startedAt <= seenAt);
    const unknown = ids.find((id) => !own.some((task) => task.id === id));
    if (unknown !== undefined)
      throw new ServiceError(
        'InvalidReplaceRootVolumeTaskID.NotFound',
        `The replace root volume task ID '${unknown}' does not exist`,
      );
    const other = Filters.find(({ Name }) => Name !== 'instance-id');
    if (other) throw new ServiceError('InvalidParameterValue', `The filter '${other.Name}' is invalid`);
    const matching = own.filter(
      ({ id, instance }) =>
        (ids.length === 0 || ids.includes(id)) &&
        Filters.every(({ Values = [] }) => Values.includes(instance.instanceId)),
    );
    const { items, nextToken } = pageBySerial(matching, MaxResults, NextToken, badToken);
    return {
      ReplaceRootVolumeTasks: items.map((task) => this.#describeTask(task, seenAt)),
      ...(nextToken && { NextToken: nextToken }),
    };
  }

  #describeTask(task: Task, seenAt: number): ReplaceRootVolumeTask {
    const { id, instance, request, startedAt, states } = task;
    const { at, state } = states.findLast((one) => one.at <= seenAt) ?? { at: startedAt, state: 'pending' as const };
    const { ImageId, SnapshotId, DeleteReplacedRootVolume } = request;
    return {
      ReplaceRootVolumeTaskId: id,
      InstanceId: instance.instanceId,
      TaskState: state,
      StartTime: isoSeconds(startedAt),
      ...(ENDED.includes(state) && { CompleteTime: isoSeconds(at) }),
      Tags: [],
      ...(ImageId !== undefined && { ImageId }),
      ...(SnapshotId !== undefined && { SnapshotId }),
      ...(DeleteReplacedRootVolume !== undefined && { DeleteReplacedRootVolume }),
    };
  }
}

function stateOf({ states }: Task): ReplaceRootVolumeTaskState {
  return states.at(-1)?.state ?? 'pending';
}
