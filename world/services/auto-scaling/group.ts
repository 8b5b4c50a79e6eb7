import type {
  AutoScalingGroup,
  AutoScalingInstanceDetails,
  InstanceLifecyclePolicy,
  LifecycleState,
  Tag,
} from '@aws-sdk/client-auto-scaling';
import { isoSeconds } from '../../eventbridge/aws-event.ts';
import { ACCOUNT_ID, REGION } from '../../kernel/account.ts';
import { type Ec2Instance, SUBNETS } from '../ec2/instance.ts';
import type { MetadataOptions } from '../ec2/metadata.ts';
import type { Numbered } from '../paging/serial-page.ts';
import type { LifecycleHook } from './lifecycle-actions.ts';

/** Instances made ready beforehand. */
interface WarmPool {
  readonly MinSize: number;
  readonly PoolState: 'Stopped' | 'Running';
  /** Whether scale-in brings instances back into the pool instead of terminating them. */
  readonly ReuseOnScaleIn: boolean;
}

/** What a group is made of, in the API's words. Sizes count instances. */
export interface GroupSettings {
  readonly AutoScalingGroupName: string;
  /** For a group of another Region than the world's own. Rules there forward its events to the world's bus. */
  readonly region?: string;
  readonly MinSize?: number;
  readonly MaxSize?: number;
  readonly DesiredCapacity?: number;
  /** The group's subnets, with commas between them. */
  readonly VPCZoneIdentifier?: string;
  readonly Tags?: readonly Tag[];
  readonly ImageId?: string;
  readonly InstanceType?: string;
  readonly MetadataOptions?: Partial<MetadataOptions>;
  readonly WarmPool?: WarmPool;
  readonly InstanceLifecyclePolicy?: InstanceLifecyclePolicy;
}

/** Why an instance comes or goes: the life of one scaling activity. */
export interface Activity {
  readonly activityId: string;
  readonly requestId: string;
  readonly startedAt: number;
  readonly cause: string;
  readonly origin: Place;
  readonly destination: Place;
  /** AWS's words for it, before the instance's id; left out where they follow from origin and destination. */
  readonly verb?: string;
  /** What is done to an instance that stays: its lifecycle actions say so. */
  readonly action?: 'ReplaceRootVolume';
}

/** Where an instance comes from and where it goes to, as the events say it. */
export type Place = 'EC2' | 'AutoScalingGroup' | 'WarmPool';

/** An instance as its group keeps it. */
export interface Member extends Numbered {
  readonly group: Group;
  readonly instance: Ec2Instance;
  lifecycleState: LifecycleState;
  healthStatus: 'Healthy' | 'Unhealthy';
  activity: Activity;
}

/** A group and its instances, each of which is in exactly one of the sets. */
export interface Group extends Numbered {
  readonly settings: GroupSettings;
  readonly region: string;
  readonly arn: string;
  readonly createdAt: Date;
  readonly subnetIds: readonly string[];
  readonly minSize: number;
  readonly maxSize: number;
  desiredCapacity: number;
  readonly hooks: Map<string, LifecycleHook>;
  /** Counted in the desired capacity: on the way in, or in service. */
  readonly active: Set<Member>;
  readonly warm: Set<Member>;
  readonly leaving: Set<Member>;
  readonly standby: Set<Member>;
}

/** A new group without instances. */
export function createGroup(settings: GroupSettings, serial: number, id: string, createdAt: Date): Group {
  const { AutoScalingGroupName: name, region = REGION } = settings;
  return {
    serial,
    settings,
    region,
    arn: `arn:aws:autoscaling:${region}:${ACCOUNT_ID}:autoScalingGroup:${id}:autoScalingGroupName/${name}`,
    createdAt,
    subnetIds: settings.VPCZoneIdentifier?.split(',').map((each) => each.trim()) ?? Object.keys(SUBNETS),
    minSize: settings.MinSize ?? 0,
    maxSize: settings.MaxSize ?? 10_000,
    desiredCapacity: settings.DesiredCapacity ?? settings.MinSize ?? 0,
    hooks: new Map(),
    active: new Set(),
    warm: new Set(),
    leaving: new Set(),
    standby: new Set(),
  };
}

/** How AWS begins the sentence of a cause: `At 2031-05-06T07:08:09Z`. */
export function at(instant: number): string {
  return `At ${isoSeconds(instant)}`;
}

/** The tags that the group gives its instances. */
export function instanceTags(group: Group): ReadonlyMap<string, string> {
  const propagated = (group.settings.Tags ?? []).filter((tag) => tag.PropagateAtLaunch !== false);
  return new Map([
    ...propagated.map(({ Key = '', Value = '' }) => [Key, Value] as const),
    ['aws:autoscaling:groupName', group.settings.AutoScalingGroupName],
  ]);
}

/** The instance as DescribeAutoScalingInstances shows it. */
export function describeMember(member: Member): AutoScalingInstanceDetails {
  return {
    InstanceId: member.instance.instanceId,
    InstanceType: member.instance.instanceType,
    AutoScalingGroupName: member.group.settings.AutoScalingGroupName,
    AvailabilityZone: member.instance.availabilityZone,
    LifecycleState: member.lifecycleState,
    HealthStatus: member.healthStatus.toUpperCase(),
    LaunchTemplate: launchTemplate(member.group),
    ProtectedFromScaleIn: false,
  };
}

/** Whether the member is in the warm pool, or on its way into or out of it. */
function isWarm({ lifecycleState }: Member): boolean {
  return lifecycleState.startsWith('Warmed:');
}

/** The warm pool as DescribeWarmPool shows it. */
export function describeWarmPool(group: Group) {
  const members = [...group.active, ...group.warm, ...group.leaving].filter(isWarm);
  return {
    configuration: group.settings.WarmPool && warmPool(group.settings.WarmPool),
    members: members
      .map((member) => ({ serial: member.serial, instance: inGroup(member) }))
      .toSorted((one, other) => one.serial - other.serial),
  };
}

/** The group as DescribeAutoScalingGroups shows it: without its warm pool, which DescribeWarmPool shows. */
export function describeGroup(group: Group): AutoScalingGroup {
  const { settings } = group;
  const members = [...group.active, ...group.warm, ...group.standby, ...group.leaving];
  return {
    AutoScalingGroupName: settings.AutoScalingGroupName,
    AutoScalingGroupARN: group.arn,
    LaunchTemplate: launchTemplate(group),
    MinSize: group.minSize,
    MaxSize: group.maxSize,
    DesiredCapacity: group.desiredCapacity,
    DefaultCooldown: 300,
    AvailabilityZones: group.subnetIds.flatMap((subnetId) => SUBNETS[subnetId] ?? []),
    HealthCheckType: 'EC2',
    HealthCheckGracePeriod: 0,
    CreatedTime: group.createdAt,
    VPCZoneIdentifier: group.subnetIds.join(','),
    Instances: members.filter((member) => !isWarm(member)).map(inGroup),
    Tags: (settings.Tags ?? []).map((tag) => groupTag(group, tag)),
    TerminationPolicies: ['OldestInstance'],
    NewInstancesProtectedFromScaleIn: false,
    ...(settings.WarmPool && {
      WarmPoolConfiguration: warmPool(settings.WarmPool),
      WarmPoolSize: members.filter(isWarm).length,
    }),
  };
}

function inGroup(member: Member) {
  const { AutoScalingGroupName: _, ...details } = describeMember(member);
  return { ...details, LifecycleState: member.lifecycleState, HealthStatus: member.healthStatus };
}

function groupTag(group: Group, tag: Tag) {
  const ResourceId = group.settings.AutoScalingGroupName;
  return { ...tag, ResourceId, ResourceType: 'auto-scaling-group', PropagateAtLaunch: tag.PropagateAtLaunch ?? true };
}

function warmPool({ MinSize, PoolState, ReuseOnScaleIn }: WarmPool) {
  return { MinSize, PoolState, InstanceReusePolicy: { ReuseOnScaleIn } };
}

function launchTemplate({ settings, serial }: Group) {
  const LaunchTemplateId = `lt-${serial.toString(16).padStart(17, '0')}`;
  return { LaunchTemplateId, LaunchTemplateName: settings.AutoScalingGroupName, Version: '1' };
}
