import type {
  DescribeInstancesRequest,
  DescribeInstancesResult,
  ModifyInstanceMetadataOptionsRequest,
  ModifyInstanceMetadataOptionsResult,
  Reservation,
  RunInstancesRequest,
  TerminateInstancesRequest,
  TerminateInstancesResult,
} from '@aws-sdk/client-ec2';
import { ACCOUNT_ID, REGION, regionOf } from '../../kernel/account.ts';
import { hex } from '../../kernel/hex.ts';
import { Timers } from '../../kernel/timers.ts';
import { type RequestContext, ServiceError, type ServiceOf } from '../../wire/service.ts';
import { type Datapoint, MetadataUse, type Range } from '../cloudwatch/metadata-use.ts';
import { pageBySerial } from '../paging/serial-page.ts';
import type { Input, Writable } from '../types.ts';
import { badToken, malformedId, notFound, unauthorized } from './errors.ts';
import { matcher } from './filters.ts';
import { describeInstance, type Ec2Instance, type Ec2State, SUBNETS, stateOf } from './instance.ts';
import { LAUNCH_METADATA, type MetadataOptions, metadataChanges } from './metadata.ts';
import { type RootVolumeOptions, type RootVolumeSource, RootVolumes } from './root-volumes.ts';

/** Told of what becomes of instances. */
export interface Ec2Observer {
  /** A machine comes into being; its instance is `pending`. */
  onLaunch?(instance: Ec2Instance): void;
  /** The machine is being switched off for good; its instance is `shutting-down`. */
  onTerminate?(instance: Ec2Instance): void;
  /** Another root volume is attached, and the machine has rebooted from it. */
  onRootVolumeReplaced?(instance: Ec2Instance, source: RootVolumeSource): void;
  /** Every change of `instance.state` after `pending` at the launch. */
  onStateChange?(instance: Ec2Instance): void;
}

export interface Ec2Options extends Ec2Observer, RootVolumeOptions {
  /** From launch to `running`, and from a start to `running`. */
  readonly pendingSeconds?: number;
  readonly stoppingSeconds?: number;
  /** From TerminateInstances to `terminated`. */
  readonly shuttingDownSeconds?: number;
  /** How long metadata options stay `pending` after a change. */
  readonly metadataSeconds?: number;
  /** EC2 is eventually consistent: for so long after its launch an instance is not found. */
  readonly visibleAfterSeconds?: number;
  /** For so long after its launch an instance is described without its tags. */
  readonly tagsAfterSeconds?: number;
  /**
   * The tag that the caller's policy has as a condition (`aws:ResourceTag/KEY`): changes of an instance are refused while
   * EC2 does not show it yet.
   */
  readonly tagCondition?: string | undefined;
  /** Instances a page of DescribeInstances; a request may ask for fewer by MaxResults. */
  readonly pageSize?: number;
}

/** What a launch asks for; what it leaves out takes EC2's default, or the world's. */
export interface LaunchRequest {
  /** For an instance that was named before it came into being here. */
  readonly instanceId?: string | undefined;
  readonly imageId?: string | undefined;
  readonly instanceType?: string | undefined;
  readonly subnetId?: string | undefined;
  /** For an instance of another Region than the world's own: only a sweep looks for it there. */
  readonly region?: string | undefined;
  readonly tags?: ReadonlyMap<string, string>;
  readonly metadataOptions?: Partial<MetadataOptions> | undefined;
  readonly rootDeviceType?: Ec2Instance['rootDeviceType'] | undefined;
}

const DEFAULTS = {
  pendingSeconds: 8,
  stoppingSeconds: 20,
  shuttingDownSeconds: 25,
  metadataSeconds: 2,
  visibleAfterSeconds: 0,
  tagsAfterSeconds: 0,
  pageSize: 1000,
};
/** Terminated instances can be described for about an hour. */
const REMEMBERED_SECONDS = 3600;

/**
 * Amazon EC2, as far as an instance's life and its metadata options go.
 *
 *   pending -> running -> shutting-down -> terminated -> forgotten after an hour
 *                 ^ stopping -> stopped (the instances of a warm pool)
 *
 * https://docs.aws.amazon.com/AWSEC2/latest/APIReference/
 */
export class Ec2 {
  readonly service: ServiceOf<'ec2'>;
  readonly rootVolumes: RootVolumes;
  readonly #options: Ec2Options & typeof DEFAULTS;
  readonly #observers: Ec2Observer[];
  readonly #instances = new Map<string, Writable<Ec2Instance>>();
  readonly #timers: Timers;
  /** Until when instances cannot be found, by id: milliseconds since the epoch. */
  readonly #hiddenUntil = new Map<string, number>();
  /** Until when instances are described without their tags, by id: milliseconds since the epoch. */
  readonly #untaggedUntil = new Map<string, number>();
  #launches = 0;

  constructor(options: Ec2Options) {
    this.#options = { ...DEFAULTS, ...options };
    this.#observers = [options];
    this.#timers = new Timers(options.clock);
    this.rootVolumes = new RootVolumes(
      options,
      (ids, context) => this.#find(ids, context),
      (instance, source) => {
        for (const observer of this.#observers) observer.onRootVolumeReplaced?.(instance, source);
      },
    );
    this.service = {
      name: 'ec2',
      operations: {
        ...this.rootVolumes.operations,
        DescribeInstances: (input: DescribeInstancesRequest, context: RequestContext) => this.#describe(input, context),
        ModifyInstanceMetadataOptions: (
          input: Input<ModifyInstanceMetadataOptionsRequest, 'InstanceId'>,
          context: RequestContext,
        ) => this.#modifyMetadata(input, context),
        RunInstances: (input: Input<RunInstancesRequest, 'MinCount' | 'MaxCount'>, { region }: RequestContext) =>
          this.#run(input, region),
        TerminateInstances: (input: Input<TerminateInstancesRequest, 'InstanceIds'>, context: RequestContext) =>
          this.#terminateAll(input, context),
      },
    };
  }

  /** Tells one more observer of everything that happens from now on. */
  observe(observer: Ec2Observer): void {
    this.#observers.push(observer);
  }

  /** The instance as it is now, whether its launch can be seen from outside yet or not. */
  instance(instanceId: string): Ec2Instance | undefined {
    return this.#instances.get(instanceId);
  }

  /** Eventual consistency: for so long nothing finds the instance, although it was found before. */
  hide(instanceId: string, seconds: number): void {
    this.#hiddenUntil.set(this.#existing(instanceId).instanceId, this.#options.clock.now() + seconds * 1000);
  }

  /** Eventual consistency: for so long the instance is described without its tags. */
  hideTags(instanceId: string, seconds: number): void {
    this.#untaggedUntil.set(this.#existing(instanceId).instanceId, this.#options.clock.now() + seconds * 1000);
  }

  /** Whether a policy with a condition on a tag lets its caller act on the instance now. */
  hasTag(instanceId: string, key: string): boolean {
    const instance = this.#instances.get(instanceId);
    return instance !== undefined && this.#shown(instance).tags.has(key);
  }

  /** Launches one instance. Throws InvalidSubnetID.NotFound. */
  launch(request: LaunchRequest, reservationId = `r-${hex(this.#options.random, 17)}`): Ec2Instance {
    const instance = this.#create(request, reservationId);
    this.#instances.set(instance.instanceId, instance);
    for (const observer of this.#observers) observer.onLaunch?.(instance);
    this.#becomeLater(instance, 'running', this.#options.pendingSeconds);
    this.#applyLater(instance, this.#options.pendingSeconds);
    return instance;
  }

  /** Adds tags to an instance. Throws InvalidInstanceID.NotFound. */
  tag(instanceId: string, tags: ReadonlyMap<string, string>): void {
    const instance = this.#existing(instanceId);
    instance.tags = new Map([...instance.tags, ...tags]);
  }

  /** Stops a running instance, as a warm pool does. */
  stop(instanceId: string): void {
    const instance = this.#existing(instanceId);
    this.#become(instance, 'stopping');
    this.#becomeLater(instance, 'stopped', this.#options.stoppingSeconds);
  }

  /** Starts a stopped instance, or lets one that is stopping come back. */
  start(instanceId: string): void {
    const instance = this.#existing(instanceId);
    instance.launchTime = this.#second();
    this.#become(instance, 'pending');
    this.#becomeLater(instance, 'running', this.#options.pendingSeconds);
  }

  /** Terminates an instance; one that is going already, goes on. Throws InvalidInstanceID.NotFound. */
  terminate(instanceId: string): void {
    const instance = this.#existing(instanceId);
    if (instance.state === 'shutting-down' || instance.state === 'terminated') return;
    this.#timers.cancel(`${instanceId} metadata`);
    this.#become(instance, 'shutting-down');
    this.#timers.set(instanceId, this.#options.shuttingDownSeconds, () => {
      this.#become(instance, 'terminated');
      this.#timers.set(instanceId, REMEMBERED_SECONDS, () => this.#instances.delete(instanceId));
    });
    for (const observer of this.#observers) observer.onTerminate?.(instance);
  }

  /**
   * Has the root volume replaced, as CreateReplaceRootVolumeTask does. Throws InvalidInstanceID.NotFound, and what EC2
   * refuses.
   */
  replaceRootVolume(instanceId: string, ...how: Tail<Parameters<RootVolumes['start']>>): void {
    this.rootVolumes.start(this.#existing(instanceId), ...how);
  }

  /** Detaches the root volume, and attaches it or another one. Throws InvalidInstanceID.NotFound. */
  reattachRootVolume(instanceId: string, volumeId?: string): void {
    this.rootVolumes.reattach(this.#existing(instanceId), volumeId);
  }

  /** Says that the instance answered so many IMDSv1 calls, now or at an instant before. Throws InvalidInstanceID.NotFound. */
  countMetadataNoToken(instanceId: string, calls: number, instant = this.#options.clock.now()): void {
    this.#existing(instanceId).metadataUse.count(calls, instant);
  }

  /** The data points of its metric MetadataNoToken: what CloudWatch has of it. */
  metadataNoToken(instanceId: string, region: string, range: Range): Datapoint[] {
    const instance = this.#instances.get(instanceId);
    if (!instance || regionOf(instance) !== region) return [];
    return instance.metadataUse.datapoints(range, this.#options.clock.now());
  }

  /** Every instance that EC2 remembers, as DescribeInstances shows it. */
  snapshot() {
    return { instances: [...this.#instances.values()].map(describeInstance) };
  }

  #create(request: LaunchRequest, reservationId: string): Writable<Ec2Instance> {
    const serial = ++this.#launches;
    const subnetId = request.subnetId ?? Object.keys(SUBNETS)[serial % 3] ?? '';
    const home = SUBNETS[subnetId];
    if (!home) throw new ServiceError('InvalidSubnetID.NotFound', `The subnet ID '${subnetId}' does not exist`);
    const instanceType = request.instanceType ?? 't3.micro';
    const privateIpAddress = `10.${addressOf(serial + 3)}`;
    return {
      serial,
      instanceId: request.instanceId ?? `i-0${hex(this.#options.random, 16)}`,
      reservationId,
      imageId: request.imageId ?? 'ami-0123456789abcdef0',
      instanceType,
      // Graviton families bear a g behind their generation: t4g, m7gd, c6gn.
      architecture: /^[a-z]+\d+g[a-z]*\./.test(instanceType) ? 'arm64' : 'x86_64',
      subnetId,
      availabilityZone: `${request.region ?? REGION}${home.at(-1)}`,
      privateIpAddress,
      publicIpAddress: `198.${addressOf(serial + (18 << 16))}`,
      privateDnsName: `ip-${privateIpAddress.replaceAll('.', '-')}.${REGION}.compute.internal`,
      tags: new Map(request.tags),
      launchTime: this.#second(),
      attachTime: this.#second(),
      state: 'pending',
      rootDeviceType: request.rootDeviceType ?? 'ebs',
      rootVolume: request.rootDeviceType === 'instance-store' ? undefined : this.rootVolumes.attach(),
      metadataOptions: { ...LAUNCH_METADATA, ...request.metadataOptions, State: 'pending' },
      metadataUse: new MetadataUse(),
    };
  }

  /** EC2 tells the times of an instance in whole seconds. */
  #second(): Date {
    return new Date(Math.floor(this.#options.clock.now() / 1000) * 1000);
  }

  #become(instance: Writable<Ec2Instance>, state: Ec2State): void {
    instance.state = state;
    if (state === 'running') instance.metadataUse.starts(this.#options.clock.now());
    else instance.metadataUse.stops(this.#options.clock.now());
    for (const observer of this.#observers) observer.onStateChange?.(instance);
  }

  #becomeLater(instance: Writable<Ec2Instance>, state: Ec2State, seconds: number): void {
    this.#timers.set(instance.instanceId, seconds, () => this.#become(instance, state));
  }

  #applyLater(instance: Writable<Ec2Instance>, seconds: number): void {
    this.#timers.set(`${instance.instanceId} metadata`, seconds, () => {
      instance.metadataOptions = { ...instance.metadataOptions, State: 'applied' };
    });
  }

  #existing(instanceId: string): Writable<Ec2Instance> {
    const instance = this.#instances.get(instanceId);
    if (!instance) throw notFound([instanceId]);
    return instance;
  }

  #find(instanceIds: readonly string[], { region }: Pick<RequestContext, 'region'>): Writable<Ec2Instance>[] {
    const malformed = instanceIds.find((id) => !/^i-([0-9a-f]{8}|[0-9a-f]{17})$/.test(id));
    if (malformed !== undefined) throw malformedId(malformed);
    const found = instanceIds
      .flatMap((id) => this.#instances.get(id) ?? [])
      .filter((each) => this.#isVisible(each, region));
    if (found.length === instanceIds.length) return found;
    const known = new Set(found.map(({ instanceId }) => instanceId));
    throw notFound(instanceIds.filter((id) => !known.has(id)));
  }

  #isVisible(instance: Ec2Instance, region = REGION): boolean {
    if (regionOf(instance) !== region) return false;
    const { visibleAfterSeconds, clock } = this.#options;
    if (clock.now() < (this.#hiddenUntil.get(instance.instanceId) ?? 0)) return false;
    return visibleAfterSeconds === 0 || clock.now() >= instance.attachTime.getTime() + visibleAfterSeconds * 1000;
  }

  /** The instance as others see it: the tags of a launch, and another root volume, arrive late; tags may be missing later. */
  #shown(instance: Ec2Instance): Ec2Instance {
    const { tagsAfterSeconds, clock } = this.#options;
    const shown = this.rootVolumes.shown(instance);
    const untaggedUntil = Math.max(
      tagsAfterSeconds === 0 ? 0 : instance.attachTime.getTime() + tagsAfterSeconds * 1000,
      this.#untaggedUntil.get(instance.instanceId) ?? 0,
    );
    return clock.now() >= untaggedUntil ? shown : { ...shown, tags: new Map() };
  }

  /** IAM's answer while the tag of the condition is not there. */
  #authorize(operation: string, { instanceId }: Ec2Instance): void {
    const { tagCondition } = this.#options;
    if (tagCondition === undefined || this.hasTag(instanceId, tagCondition)) return;
    throw unauthorized(operation, instanceId);
  }

  #describe(input: DescribeInstancesRequest, { region }: RequestContext): DescribeInstancesResult {
    const { InstanceIds: ids, MaxResults: limit } = input;
    checkPage(limit);
    if (ids?.length && limit !== undefined)
      throw new ServiceError(
        'InvalidParameterCombination',
        'The parameter instancesSet cannot be used with the parameter maxResults',
      );
    const candidates = ids?.length
      ? this.#find([...new Set(ids)], { region })
      : [...this.#instances.values()].filter((each) => this.#isVisible(each, region));
    const matching = candidates.map((each) => this.#shown(each)).filter(matcher(input.Filters ?? []));
    const { pageSize } = this.#options;
    const page = ids?.length ? matching.length : Math.min(limit ?? pageSize, pageSize);
    const { items, nextToken } = pageBySerial(matching, page, input.NextToken, badToken);
    return { Reservations: reservations(items), ...(nextToken && { NextToken: nextToken }) };
  }

  #modifyMetadata(
    input: Input<ModifyInstanceMetadataOptionsRequest, 'InstanceId'>,
    context: RequestContext,
  ): ModifyInstanceMetadataOptionsResult {
    const [instance] = this.#find([input.InstanceId], context);
    if (!instance) throw notFound([input.InstanceId]);
    this.#authorize('ModifyInstanceMetadataOptions', instance);
    if (instance.state !== 'running' && instance.state !== 'stopped')
      throw new ServiceError(
        'IncorrectInstanceState',
        `This instance '${input.InstanceId}' is not in a state from which its metadata options can be modified.`,
      );
    const changes = metadataChanges(input);
    instance.metadataOptions = { ...instance.metadataOptions, ...changes, State: 'pending' };
    this.#applyLater(instance, this.#options.metadataSeconds);
    return { InstanceId: input.InstanceId, InstanceMetadataOptions: { ...instance.metadataOptions } };
  }

  #run(input: Input<RunInstancesRequest, 'MinCount' | 'MaxCount'>, region?: string): Reservation {
    if (!input.ImageId) throw new ServiceError('MissingParameter', 'The request must contain the parameter ImageId');
    if (input.MinCount < 1 || input.MaxCount < input.MinCount)
      throw new ServiceError(
        'InvalidParameterValue',
        `MinCount (${input.MinCount}) is at least 1 and at most MaxCount (${input.MaxCount}).`,
      );
    const request: LaunchRequest = {
      imageId: input.ImageId,
      instanceType: input.InstanceType,
      subnetId: input.SubnetId,
      region,
      tags: instanceTags(input),
      metadataOptions: metadataChanges(input.MetadataOptions ?? {}),
    };
    const reservationId = `r-0${hex(this.#options.random, 16)}`;
    const launched = Array.from({ length: input.MaxCount }, () => this.launch(request, reservationId));
    return reservations(launched)[0] ?? {};
  }

  #terminateAll(
    input: Input<TerminateInstancesRequest, 'InstanceIds'>,
    context: RequestContext,
  ): TerminateInstancesResult {
    const instances = this.#find([...new Set(input.InstanceIds)], context);
    const TerminatingInstances = instances.map((instance) => {
      const PreviousState = stateOf(instance.state);
      this.terminate(instance.instanceId);
      return { InstanceId: instance.instanceId, PreviousState, CurrentState: stateOf(instance.state) };
    });
    return { TerminatingInstances };
  }
}

type Tail<List extends readonly unknown[]> = List extends readonly [unknown, ...infer Rest] ? Rest : never;

function checkPage(limit: number | undefined): void {
  if (limit === undefined || limit >= 5) return;
  const sentence = `Value ( ${limit} ) for parameter maxResults is invalid. Expecting a value greater than 5.`;
  throw new ServiceError('InvalidParameterValue', sentence);
}

function instanceTags(input: RunInstancesRequest): ReadonlyMap<string, string> {
  const specified = (input.TagSpecifications ?? []).filter(({ ResourceType }) => ResourceType === 'instance');
  return new Map(specified.flatMap(({ Tags = [] }) => Tags.map(({ Key = '', Value = '' }) => [Key, Value] as const)));
}

function reservations(instances: readonly Ec2Instance[]): Reservation[] {
  const groups = Map.groupBy(instances, ({ reservationId }) => reservationId);
  return [...groups].map(([ReservationId, members]) => ({
    ReservationId,
    OwnerId: ACCOUNT_ID,
    Groups: [],
    Instances: members.map(describeInstance),
  }));
}

function addressOf(number: number): string {
  return `${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`;
}
