import type {
  Activity as ApiActivity,
  AttachInstancesQuery,
  AutoScalingGroupNamesType,
  AutoScalingGroupsType,
  AutoScalingInstancesType,
  CompleteLifecycleActionType,
  DescribeAutoScalingInstancesType,
  DescribeLifecycleHooksAnswer,
  DescribeLifecycleHooksType,
  DescribeWarmPoolAnswer,
  DescribeWarmPoolType,
  EnterStandbyQuery,
  ExitStandbyQuery,
  Filter,
  PutLifecycleHookType,
  RecordLifecycleActionHeartbeatType,
  SetDesiredCapacityType,
  StartInstanceRefreshType,
  TerminateInstanceInAutoScalingGroupType,
} from '@aws-sdk/client-auto-scaling';
import { REGION } from '../../kernel/account.ts';
import { type Operations, type RequestContext, ServiceError } from '../../wire/service.ts';
import { pageBySerial } from '../paging/serial-page.ts';
import type { Input } from '../types.ts';
import { describeActivity } from './events.ts';
import { type Activity, describeGroup, describeMember, describeWarmPool, type Group, type Member } from './group.ts';
import type { LifecycleActions, LifecycleHook, LifecycleResult } from './lifecycle-actions.ts';
import type { Members } from './members.ts';

const MAX_GLOBAL_TIMEOUT_SECONDS = 48 * 3600;

type ActionMembers = 'AutoScalingGroupName' | 'LifecycleHookName';
type Complete = Input<CompleteLifecycleActionType, ActionMembers | 'LifecycleActionResult'>;
type Heartbeat = Input<RecordLifecycleActionHeartbeatType, ActionMembers>;
type Hook = Input<PutLifecycleHookType, ActionMembers>;
type Capacity = Input<SetDesiredCapacityType, 'AutoScalingGroupName' | 'DesiredCapacity'>;
type Terminate = Input<TerminateInstanceInAutoScalingGroupType, 'ShouldDecrementDesiredCapacity'>;

/** The part of Auto Scaling that its API acts on. */
interface AutoScaling {
  readonly groups: ReadonlyMap<string, Group>;
  readonly members: Pick<Members, 'get' | 'all'>;
  readonly actions: Pick<LifecycleActions, 'complete' | 'heartbeat'>;
  group(name: string): Group;
  isShown(instanceId: string): boolean;
  setDesiredCapacity(name: string, capacity: number): readonly string[];
  terminate(instanceId: string, shouldDecrementDesiredCapacity: boolean): Activity;
  attach(name: string, instanceIds: readonly string[]): void;
  enterStandby(
    name: string,
    instanceIds: readonly string[],
    shouldDecrementDesiredCapacity: boolean,
  ): readonly Member[];
  exitStandby(name: string, instanceIds: readonly string[]): readonly Member[];
  startInstanceRefresh(request: Input<StartInstanceRefreshType, 'AutoScalingGroupName'>): string;
}

/** The API of the groups. https://docs.aws.amazon.com/autoscaling/ec2/APIReference/ */
export function autoScalingOperations(autoScaling: AutoScaling): Operations<'autoscaling'> {
  return {
    CompleteLifecycleAction: (input: Complete, context: RequestContext) => {
      refuseElsewhere(autoScaling, input.AutoScalingGroupName, context);
      autoScaling.actions.complete(input, input.LifecycleActionResult as LifecycleResult);
      return {};
    },
    RecordLifecycleActionHeartbeat: (input: Heartbeat, context: RequestContext) => {
      refuseElsewhere(autoScaling, input.AutoScalingGroupName, context);
      autoScaling.actions.heartbeat(input);
      return {};
    },
    PutLifecycleHook: (input: Hook, context: RequestContext) => {
      putHook(groupIn(autoScaling, input.AutoScalingGroupName, context), input);
      return {};
    },
    DescribeLifecycleHooks: (
      input: Input<DescribeLifecycleHooksType, 'AutoScalingGroupName'>,
      context: RequestContext,
    ) => describeHooks(groupIn(autoScaling, input.AutoScalingGroupName, context), input),
    SetDesiredCapacity: (input: Capacity) => {
      autoScaling.setDesiredCapacity(input.AutoScalingGroupName, input.DesiredCapacity);
      return {};
    },
    TerminateInstanceInAutoScalingGroup: ({ InstanceId, ShouldDecrementDesiredCapacity }: Terminate) => {
      if (InstanceId === undefined)
        throw new ServiceError('ValidationError', 'The local world terminates one instance a call: give InstanceId.');
      const member = autoScaling.members.get(InstanceId);
      const activity = autoScaling.terminate(InstanceId, ShouldDecrementDesiredCapacity);
      return { Activity: member && describe(activity, member) };
    },
    AttachInstances: ({
      AutoScalingGroupName,
      InstanceIds = [],
    }: Input<AttachInstancesQuery, 'AutoScalingGroupName'>) => {
      autoScaling.attach(AutoScalingGroupName, InstanceIds);
      return {};
    },
    EnterStandby: (input: Input<EnterStandbyQuery, 'AutoScalingGroupName' | 'ShouldDecrementDesiredCapacity'>) => {
      const { AutoScalingGroupName, InstanceIds = [], ShouldDecrementDesiredCapacity } = input;
      return activities(autoScaling.enterStandby(AutoScalingGroupName, InstanceIds, ShouldDecrementDesiredCapacity));
    },
    ExitStandby: ({ AutoScalingGroupName, InstanceIds = [] }: Input<ExitStandbyQuery, 'AutoScalingGroupName'>) =>
      activities(autoScaling.exitStandby(AutoScalingGroupName, InstanceIds)),
    StartInstanceRefresh: (input: Input<StartInstanceRefreshType, 'AutoScalingGroupName'>, context: RequestContext) => {
      refuseElsewhere(autoScaling, input.AutoScalingGroupName, context);
      return { InstanceRefreshId: autoScaling.startInstanceRefresh(input) };
    },
    DescribeAutoScalingInstances: (input: DescribeAutoScalingInstancesType, context: RequestContext) =>
      describeInstances(autoScaling, input, context),
    DescribeAutoScalingGroups: (input: AutoScalingGroupNamesType, context: RequestContext) =>
      describeGroups(autoScaling, input, context),
    DescribeWarmPool: (input: Input<DescribeWarmPoolType, 'AutoScalingGroupName'>, context: RequestContext) =>
      describePool(groupIn(autoScaling, input.AutoScalingGroupName, context), input),
  };
}

/** Throws ValidationError for a group that is not in the Region that is asked. */
function groupIn(autoScaling: AutoScaling, name: string, context: RequestContext): Group {
  refuseElsewhere(autoScaling, name, context);
  return autoScaling.group(name);
}

/** What waits in another Region is not known in this one. */
function refuseElsewhere({ groups }: AutoScaling, name: string, { region = REGION }: RequestContext): void {
  const group = groups.get(name);
  if (group && group.region !== region)
    throw new ServiceError('ValidationError', `AutoScalingGroup name not found - '${name}' is not in ${region}`);
}

/** Only what the request names changes in a hook that exists. */
function putHook(group: Group, input: Hook): void {
  const existing = group.hooks.get(input.LifecycleHookName);
  const { LifecycleTransition = existing?.LifecycleTransition } = input;
  if (!LifecycleTransition)
    throw new ServiceError(
      'ValidationError',
      `LifecycleTransition is required to create lifecycle hook ${input.LifecycleHookName}.`,
    );
  const HeartbeatTimeout = input.HeartbeatTimeout ?? existing?.HeartbeatTimeout ?? 3600;
  if (HeartbeatTimeout < 30 || HeartbeatTimeout > 7200)
    throw new ServiceError(
      'ValidationError',
      `HeartbeatTimeout of lifecycle hook ${input.LifecycleHookName} must be between 30 and 7200 seconds, not ${HeartbeatTimeout}.`,
    );
  const given = Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined));
  const hook = {
    DefaultResult: 'ABANDON',
    ...existing,
    ...given,
    LifecycleTransition,
    HeartbeatTimeout,
    GlobalTimeout: Math.min(MAX_GLOBAL_TIMEOUT_SECONDS, 100 * HeartbeatTimeout),
  };
  group.hooks.set(input.LifecycleHookName, hook as LifecycleHook);
}

function describeHooks(group: Group, input: DescribeLifecycleHooksType): DescribeLifecycleHooksAnswer {
  const names = input.LifecycleHookNames;
  const hooks = [...group.hooks.values()];
  return { LifecycleHooks: names?.length ? hooks.filter((hook) => names.includes(hook.LifecycleHookName)) : hooks };
}

function describeInstances(
  autoScaling: AutoScaling,
  input: DescribeAutoScalingInstancesType,
  { region = REGION }: RequestContext,
): AutoScalingInstancesType {
  const { members } = autoScaling;
  const ids = [...new Set(input.InstanceIds)];
  if (ids.length > 50)
    throw new ServiceError('ValidationError', 'The number of instance ids that may be passed in is limited to 50');
  const named = ids.length > 0 ? ids.flatMap((id) => members.get(id) ?? []).sort(bySerial) : members.all;
  const found = named.filter(
    ({ group, instance }) => group.region === region && autoScaling.isShown(instance.instanceId),
  );
  const { items, nextToken } = pageBySerial(found, input.MaxRecords ?? 50, input.NextToken, badToken);
  return { AutoScalingInstances: items.map(describeMember), ...(nextToken && { NextToken: nextToken }) };
}

function describeGroups(
  { groups }: AutoScaling,
  input: AutoScalingGroupNamesType,
  { region = REGION }: RequestContext,
): AutoScalingGroupsType {
  const names = input.AutoScalingGroupNames;
  const maxRecords = input.MaxRecords ?? 50;
  if (maxRecords > 100)
    throw new ServiceError('ValidationError', 'Max records must be greater than 0 and less than or equal to 100');
  if (names && names.length > maxRecords)
    throw new ServiceError(
      'ValidationError',
      `The number of group names that may be passed in is limited to ${maxRecords}`,
    );
  const named = names?.length ? names.flatMap((name) => groups.get(name) ?? []).sort(bySerial) : [...groups.values()];
  const own = named.filter((group) => group.region === region);
  const matching = own.filter((group) => (input.Filters ?? []).every((filter) => hasTag(group, filter)));
  const { items, nextToken } = pageBySerial(matching, maxRecords, input.NextToken, badToken);
  return { AutoScalingGroups: items.map(describeGroup), ...(nextToken && { NextToken: nextToken }) };
}

function describePool(group: Group, input: DescribeWarmPoolType): DescribeWarmPoolAnswer {
  const { MaxRecords = 50, NextToken } = input;
  if (MaxRecords > 50)
    throw new ServiceError('ValidationError', 'Max records must be greater than 0 and less than or equal to 50');
  const { configuration, members } = describeWarmPool(group);
  const { items, nextToken } = pageBySerial(members, MaxRecords, NextToken, badToken);
  return {
    ...(configuration && { WarmPoolConfiguration: configuration }),
    Instances: items.map(({ instance }) => instance),
    ...(nextToken && { NextToken: nextToken }),
  };
}

function hasTag({ settings }: Group, { Name = '', Values = [] }: Filter): boolean {
  const tags = settings.Tags ?? [];
  if (Name === 'tag-key') return tags.some(({ Key = '' }) => Values.includes(Key));
  if (Name === 'tag-value') return tags.some(({ Value = '' }) => Values.includes(Value));
  if (Name.startsWith('tag:'))
    return tags.some(({ Key, Value = '' }) => `tag:${Key}` === Name && Values.includes(Value));
  throw new ServiceError(
    'ValidationError',
    `Filter type ${Name} is not correct. Allowed Filter types are: tag-key, tag-value, tag:<key>.`,
  );
}

function describe(activity: Activity, { group, instance }: Member): ApiActivity {
  return {
    ActivityId: activity.activityId,
    AutoScalingGroupName: group.settings.AutoScalingGroupName,
    AutoScalingGroupARN: group.arn,
    Description: describeActivity(activity, instance.instanceId),
    Cause: activity.cause,
    StartTime: new Date(activity.startedAt),
    StatusCode: 'InProgress',
    Progress: 0,
    Details: JSON.stringify({ 'Subnet ID': instance.subnetId, 'Availability Zone': instance.availabilityZone }),
  };
}

function activities(members: readonly Member[]): { Activities: ApiActivity[] } {
  return { Activities: members.map((member) => describe(member.activity, member)) };
}

function bySerial(one: { serial: number }, other: { serial: number }): number {
  return one.serial - other.serial;
}

function badToken(): ServiceError {
  return new ServiceError('InvalidNextToken', 'The NextToken value is not valid.');
}
