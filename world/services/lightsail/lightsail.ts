import type {
  Operation as ApiOperation,
  CreateInstancesFromSnapshotRequest,
  CreateInstancesRequest,
  DeleteInstanceRequest,
  GetInstanceMetricDataRequest,
  GetInstanceMetricDataResult,
  GetInstanceRequest,
  GetInstancesRequest,
  GetInstancesResult,
  GetOperationRequest,
  OperationType,
  UpdateInstanceMetadataOptionsRequest,
} from '@aws-sdk/client-lightsail';
import type { Emit } from '../../eventbridge/aws-event.ts';
import { ACCOUNT_ID, REGION, regionOf } from '../../kernel/account.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { Random } from '../../kernel/random.ts';
import { uuid } from '../../kernel/uuid.ts';
import type { Operation, RequestContext, ServiceOf } from '../../wire/service.ts';
import { MetadataUse } from '../cloudwatch/metadata-use.ts';
import { pageBySerial } from '../paging/serial-page.ts';
import type { Input, Writable } from '../types.ts';
import { Trail } from './cloudtrail.ts';
import { failure, invalidInput, notFound } from './errors.ts';
import {
  describeInstance,
  type LightsailInstance,
  type LightsailMetadataOptions,
  type LightsailOperation,
  startedOperation,
} from './instance.ts';

export interface LightsailOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly emit: Emit;
  /** From the creation to `running`. */
  readonly pendingSeconds?: number;
  readonly deletionSeconds?: number;
  /** For so long after its deletion GetInstance and GetInstances still show an instance, unless its name is taken again. */
  readonly shownAfterDeletionSeconds?: number;
  /** How long metadata options stay `pending` after a change. */
  readonly metadataSeconds?: number;
  /** From a call to its CloudTrail event. */
  readonly trailSeconds?: number;
  /** Instances a page of GetInstances. */
  readonly pageSize?: number;
  /**
   * Blueprints that cannot do IMDSv2: an instance of one refuses `httpTokens: required` with InvalidInputException,
   * or takes it and lets the operation end as Failed. Read at every call.
   */
  readonly blueprintsWithoutImdsV2?: Readonly<Record<string, 'refuses' | 'fails'>>;
  /** The blueprints of the snapshots that exist; a snapshot that is not named here is one of `defaultBlueprint`. */
  readonly snapshots?: Readonly<Record<string, string>>;
  /** A machine comes into being; its instance is `pending`. */
  readonly onLaunch?: (instance: LightsailInstance) => void;
  /** The machine is being deleted. */
  readonly onTerminate?: (instance: LightsailInstance) => void;
}

type InRegion = Pick<RequestContext, 'region'>;

interface OperationsAnswer {
  readonly operations: ApiOperation[];
}

type Create = Input<CreateInstancesRequest, 'instanceNames' | 'availabilityZone' | 'blueprintId' | 'bundleId'>;
type Restore = Input<CreateInstancesFromSnapshotRequest, 'instanceNames' | 'availabilityZone' | 'bundleId'>;
type Delete = Input<DeleteInstanceRequest, 'instanceName'>;
type Metric = Input<
  GetInstanceMetricDataRequest,
  'instanceName' | 'metricName' | 'period' | 'startTime' | 'endTime' | 'unit' | 'statistics'
>;
/** A change of metadata options that Lightsail does not carry out. */
interface FailedUpdate {
  readonly before: LightsailMetadataOptions;
  readonly errorCode: string;
  readonly errorDetails: string;
}

type Update = Input<UpdateInstanceMetadataOptionsRequest, 'instanceName'>;

const DEFAULTS = {
  pendingSeconds: 20,
  deletionSeconds: 10,
  shownAfterDeletionSeconds: 0,
  metadataSeconds: 4,
  trailSeconds: 5,
  pageSize: 100,
  blueprintsWithoutImdsV2: {} as Readonly<Record<string, 'refuses' | 'fails'>>,
  snapshots: {} as Readonly<Record<string, string>>,
};
const DEFAULT_BLUEPRINT = 'amazon_linux_2023';
const CREATED_METADATA: LightsailMetadataOptions = {
  state: 'applied',
  httpTokens: 'optional',
  httpEndpoint: 'enabled',
  httpPutResponseHopLimit: 1,
  httpProtocolIpv6: 'disabled',
};

/**
 * Amazon Lightsail. It sends no events of its own: each call that changes something, refused ones too, becomes a
 * CloudTrail event.
 *
 *   pending -> running -> shutting-down -> gone
 *
 * https://docs.aws.amazon.com/lightsail/2016-11-28/api-reference/
 */
export class Lightsail {
  readonly service: ServiceOf<'lightsail'>;
  readonly createInstances: Operation<Create, OperationsAnswer>;
  readonly deleteInstance: Operation<Delete, OperationsAnswer>;
  readonly #options: LightsailOptions & typeof DEFAULTS;
  readonly #trail: Trail;
  /** By Region and name: a name is its instance's own in one Region only. */
  readonly #instances = new Map<string, Writable<LightsailInstance>>();
  /** By Region and name: deleted instances that are still shown. */
  readonly #deleted = new Map<string, LightsailInstance>();
  /** ARNs of instances whose next change of metadata options ends as Failed. */
  readonly #failing = new Set<string>();
  readonly #operations = new Map<string, LightsailOperation>();
  #creations = 0;

  constructor(options: LightsailOptions) {
    this.#options = { ...DEFAULTS, ...options };
    this.#trail = new Trail(this.#options);
    const trail = this.#trail;
    this.createInstances = trail.recorded('CreateInstances', (input: Create, context) => this.#create(input, context));
    this.deleteInstance = trail.recorded('DeleteInstance', (input: Delete, context) =>
      this.#delete(input.instanceName, context),
    );
    this.service = {
      name: 'lightsail',
      operations: {
        CreateInstances: this.createInstances,
        CreateInstancesFromSnapshot: trail.recorded('CreateInstancesFromSnapshot', (input: Restore, context) =>
          this.#restore(input, context),
        ),
        DeleteInstance: this.deleteInstance,
        UpdateInstanceMetadataOptions: trail.recorded('UpdateInstanceMetadataOptions', (input: Update, context) =>
          this.#updateMetadata(input, context),
        ),
        GetInstance: (input: Input<GetInstanceRequest, 'instanceName'>, context: RequestContext) => ({
          instance: describeInstance(this.#shown(input.instanceName, context)),
        }),
        GetInstances: (input: GetInstancesRequest, context: RequestContext) => this.#list(input, context),
        GetOperation: (input: Input<GetOperationRequest, 'operationId'>) => this.#operation(input.operationId),
        GetInstanceMetricData: (input: Metric, context: RequestContext) => this.#metric(input, context),
      },
    };
  }

  instance(name: string, region = REGION): LightsailInstance | undefined {
    return this.#instances.get(`${region}/${name}`);
  }

  /** Takes up creations that an event from outside told of: no trail has them. Throws as CreateInstances does. */
  takeUp(input: Create): void {
    this.#create(input, { region: regionOf(input) });
  }

  /** A call without permission: nothing happens, but the trail has it, without the parameters. */
  deniedCall(eventName: string): void {
    this.#trail.record({
      eventName,
      requestId: uuid(this.#options.random),
      requestParameters: null,
      responseElements: null,
      errorCode: 'AccessDenied',
      errorMessage: `User: arn:aws:sts::${ACCOUNT_ID}:assumed-role/intern/intern is not authorized to perform: lightsail:${eventName}`,
    });
  }

  /** Says that the instance answered so many IMDSv1 calls, now or at an instant before. Throws NotFoundException. */
  countMetadataNoToken(name: string, calls: number, instant = this.#options.clock.now()): void {
    const instance = this.instance(name);
    if (!instance) throw notFound('Instance', name);
    instance.metadataUse.count(calls, instant);
  }

  /** The next change of the instance's metadata options ends as Failed, for a reason of Lightsail's own. */
  failNextUpdate(name: string, region = REGION): void {
    this.#failing.add(this.#existing(name, { region }).arn);
  }

  /** Every instance and every operation, as the API shows them. */
  snapshot() {
    const instances = [...this.#instances.values()].map(describeInstance);
    return { instances, operations: [...this.#operations.values()] };
  }

  #create(
    input: Create,
    { region = REGION }: InRegion,
    operationType: OperationType = 'CreateInstance',
  ): OperationsAnswer {
    const { instanceNames: names, availabilityZone } = input;
    if (names.length === 0) throw invalidInput('instanceNames must name at least one instance.');
    const misnamed = names.find((name) => !/^\w[\w.-]*$/.test(name));
    if (misnamed !== undefined) throw invalidInput(`${misnamed} is not a valid resource name. ${NAME_RULE}`);
    const taken = names.filter((name, index) => this.instance(name, region) || names.indexOf(name) !== index);
    if (taken.length > 0) throw invalidInput(`Some names are already in use: ${taken.join(', ')}`);
    if (!new RegExp(`^${region}[a-c]$`).test(availabilityZone))
      throw invalidInput(`The Availability Zone ${availabilityZone} is not one of ${region}a, ${region}b, ${region}c.`);
    return { operations: names.map((name) => this.#launch(name, input, operationType)) };
  }

  #restore(input: Restore, context: InRegion): OperationsAnswer {
    const { instanceSnapshotName, sourceInstanceName } = input;
    if ((instanceSnapshotName === undefined) === (sourceInstanceName === undefined))
      throw invalidInput('Exactly one of instanceSnapshotName and sourceInstanceName must be specified.');
    const source = sourceInstanceName === undefined ? undefined : this.#existing(sourceInstanceName, context);
    const snapshot = this.#options.snapshots[instanceSnapshotName ?? ''];
    const blueprintId = source?.blueprintId ?? snapshot ?? DEFAULT_BLUEPRINT;
    return this.#create({ ...input, blueprintId }, context, 'CreateInstancesFromSnapshot');
  }

  #launch(name: string, input: Create, operationType: OperationType): LightsailOperation {
    const { clock, random, pendingSeconds, onLaunch } = this.#options;
    const serial = ++this.#creations;
    const instance: Writable<LightsailInstance> = {
      serial,
      name,
      arn: `arn:aws:lightsail:${regionOf(input)}:${ACCOUNT_ID}:Instance/${uuid(random)}`,
      createdAt: new Date(clock.now()),
      availabilityZone: input.availabilityZone,
      blueprintId: input.blueprintId,
      bundleId: input.bundleId,
      privateIpAddress: `172.26.${(serial >> 8) & 255}.${serial & 255}`,
      publicIpAddress: `198.19.${(serial >> 8) & 255}.${serial & 255}`,
      tags: input.tags ?? [],
      state: 'pending',
      metadataOptions: CREATED_METADATA,
      metadataUse: new MetadataUse(),
    };
    this.#instances.set(`${regionOf(input)}/${name}`, instance);
    this.#deleted.delete(`${regionOf(input)}/${name}`);
    onLaunch?.(instance);
    return this.#begin(instance, operationType, pendingSeconds, () => {
      if (instance.state !== 'pending') return;
      instance.state = 'running';
      instance.metadataUse.starts(clock.now());
    });
  }

  #delete(name: string, context: InRegion): OperationsAnswer {
    const instance = this.#existing(name, context);
    if (instance.state === 'shutting-down') throw failure(name, 'is being deleted already');
    instance.state = 'shutting-down';
    instance.metadataUse.stops(this.#options.clock.now());
    this.#options.onTerminate?.(instance);
    const operation = this.#begin(instance, 'DeleteInstance', this.#options.deletionSeconds, () => {
      const key = `${regionOf(instance)}/${name}`;
      this.#instances.delete(key);
      this.#showDeleted(key, instance);
    });
    return { operations: [operation] };
  }

  #showDeleted(key: string, instance: LightsailInstance): void {
    const { clock, shownAfterDeletionSeconds } = this.#options;
    if (shownAfterDeletionSeconds === 0) return;
    this.#deleted.set(key, instance);
    clock.at(clock.now() + shownAfterDeletionSeconds * 1000, () => {
      if (this.#deleted.get(key) === instance) this.#deleted.delete(key);
    });
  }

  /** The trap of this call is the service's own: `httpTokens` left out becomes `optional`. */
  #updateMetadata(input: Update, context: InRegion): { operation: ApiOperation } {
    const { instanceName, httpTokens = 'optional', httpEndpoint, httpPutResponseHopLimit, httpProtocolIpv6 } = input;
    const instance = this.#existing(instanceName, context);
    if (instance.state !== 'running') throw failure(instanceName, `is ${instance.state}, neither running nor stopped`);
    if (httpProtocolIpv6 !== undefined && regionOf(instance) !== IPV6_REGION)
      throw invalidInput(`httpProtocolIpv6 is available only for instances in ${IPV6_REGION}.`);
    const ability = httpTokens === 'required' && this.#options.blueprintsWithoutImdsV2[instance.blueprintId];
    if (ability === 'refuses')
      throw invalidInput(`${instanceName} has the blueprint ${instance.blueprintId}, which does not support IMDSv2.`);
    const before = instance.metadataOptions;
    instance.metadataOptions = {
      state: 'pending',
      httpTokens,
      httpEndpoint: httpEndpoint ?? before.httpEndpoint,
      httpPutResponseHopLimit: httpPutResponseHopLimit ?? before.httpPutResponseHopLimit,
      httpProtocolIpv6: before.httpProtocolIpv6,
    };
    if (ability === 'fails') {
      const errorDetails = `The blueprint ${instance.blueprintId} does not support IMDSv2.`;
      return { operation: this.#applyLater(instance, { before, errorCode: 'UnsupportedOperation', errorDetails }) };
    }
    if (this.#failing.delete(instance.arn)) {
      const errorDetails = 'An internal error occurred. Please try again later.';
      return { operation: this.#applyLater(instance, { before, errorCode: 'InternalError', errorDetails }) };
    }
    return { operation: this.#applyLater(instance) };
  }

  /** Ends the change of metadata options. A change that fails restores the options before it. */
  #applyLater(instance: Writable<LightsailInstance>, failed?: FailedUpdate): LightsailOperation {
    const asked = instance.metadataOptions;
    const finish = () => {
      // A later change has taken over: it ends by itself.
      if (instance.metadataOptions === asked)
        instance.metadataOptions = { ...(failed?.before ?? asked), state: 'applied' };
    };
    return this.#begin(instance, 'UpdateInstanceMetadataOptions', this.#options.metadataSeconds, finish, failed);
  }

  #begin(
    instance: LightsailInstance,
    operationType: OperationType,
    seconds: number,
    finish: () => void,
    failed?: { errorCode: string; errorDetails: string },
  ): LightsailOperation {
    const { clock, random } = this.#options;
    const operation = startedOperation(uuid(random), instance, operationType, new Date(clock.now()));
    this.#operations.set(operation.id, operation);
    clock.at(clock.now() + seconds * 1000, () => {
      finish();
      const statusChangedAt = new Date(clock.now());
      const status = failed ? 'Failed' : 'Succeeded';
      const { errorCode, errorDetails } = failed ?? {};
      const error = failed && { errorCode, errorDetails };
      this.#operations.set(operation.id, { ...operation, ...error, status, isTerminal: true, statusChangedAt });
    });
    return operation;
  }

  #existing(name: string, { region = REGION }: InRegion): Writable<LightsailInstance> {
    const instance = this.#instances.get(`${region}/${name}`);
    if (instance) return instance;
    throw notFound('Instance', name);
  }

  /** An instance as GetInstance shows it, which may have been deleted. */
  #shown(name: string, context: InRegion): LightsailInstance {
    const { region = REGION } = context;
    return this.#deleted.get(`${region}/${name}`) ?? this.#existing(name, context);
  }

  #list(input: GetInstancesRequest, { region = REGION }: InRegion): GetInstancesResult {
    const refuse = () => invalidInput('The pageToken is not valid.');
    const shown =
      this.#deleted.size === 0
        ? this.#instances.values()
        : Iterator.from(
            [...this.#instances.values(), ...this.#deleted.values()].sort((one, other) => one.serial - other.serial),
          );
    const instances = shown.filter((instance) => regionOf(instance) === region);
    const found = pageBySerial(instances, this.#options.pageSize, input.pageToken, refuse);
    return { instances: found.items.map(describeInstance), ...(found.nextToken && { nextPageToken: found.nextToken }) };
  }

  #operation(id: string): { operation: ApiOperation } {
    const operation = this.#operations.get(id);
    if (!operation) throw notFound('Operation', id);
    return { operation };
  }

  /** What MetadataNoToken counts. The other metrics have no data points here, nor has it in another unit than its own. */
  #metric(input: Metric, context: InRegion): GetInstanceMetricDataResult {
    const { instanceName, metricName, startTime: start, endTime: end, period: periodSeconds, unit } = input;
    const instance = this.#existing(instanceName, context);
    if (start >= end) throw invalidInput('startTime must be before endTime.');
    if (periodSeconds % 60 !== 0) throw invalidInput(`period must be a multiple of 60, not ${periodSeconds}.`);
    if (metricName !== 'MetadataNoToken' || unit !== 'Count') return { metricName, metricData: [] };
    const points = instance.metadataUse.datapoints({ start, end, periodSeconds }, this.#options.clock.now());
    const asked = input.statistics.includes('Sum');
    return {
      metricName,
      metricData: points.map(({ sum, timestamp }) => ({ timestamp, unit, ...(asked && { sum }) })),
    };
  }
}

const NAME_RULE = 'Resource names must contain only alphanumerics, -, _, and . and begin with an alphanumeric.';
const IPV6_REGION = 'eu-north-1';
