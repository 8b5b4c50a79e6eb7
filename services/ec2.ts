import {
  DescribeInstancesCommand,
  DescribeReplaceRootVolumeTasksCommand,
  EC2Client,
  type Instance as Ec2Instance,
  type Filter,
  ModifyInstanceMetadataOptionsCommand,
  type ModifyInstanceMetadataOptionsCommandInput,
  type ReplaceRootVolumeTask,
  type Reservation,
} from '@aws-sdk/client-ec2';
import { InstanceChanged, InstanceNotReady, MetadataOptionsUnsupported } from '../lib/errors.ts';
import type { Found, Instance, InstanceRef, MetadataOptions } from '../lib/instance.ts';
import type { WantedOptions } from '../lib/profile.ts';
import { quoted } from '../lib/quoted.ts';
import { calling, forPage, inRegion, isNamed } from './aws.ts';

const ec2In = inRegion((options) => new EC2Client(options));

/**
 * The instance, or undefined when EC2 knows no such id, as it may for some seconds after a launch.
 * Source: EC2 DescribeInstances.
 */
export async function findInstance(which: InstanceRef, signal: AbortSignal): Promise<Found | undefined> {
  const described = await describe(which, signal);
  if (!described) return undefined;
  const { ownerId, instance } = described;
  return { instance: toInstance(which, ownerId, instance), state: instance.State?.Name ?? 'pending' };
}

async function describe({ instanceId, region }: InstanceRef, signal: AbortSignal) {
  try {
    const { Reservations } = await calling(`describe ${instanceId} in ${region}`, () =>
      ec2In(region).send(new DescribeInstancesCommand({ InstanceIds: [instanceId] }), { abortSignal: signal }),
    );
    const reservation = Reservations?.[0];
    const instance = reservation?.Instances?.[0];
    return instance && { ownerId: reservation.OwnerId ?? '', instance };
  } catch (error) {
    if (isNamed(error, 'InvalidInstanceID.NotFound', 'InvalidInstanceID.Malformed')) return undefined;
    throw error;
  }
}

/**
 * Every instance that the filters let pass, page by page. EC2 shows a terminated one for an hour.
 * Source: EC2 DescribeInstances.
 */
export async function* listInstances(
  filters: readonly Filter[],
  region: string,
  signal: AbortSignal,
): AsyncGenerator<Found[]> {
  let NextToken: string | undefined;
  do {
    const page = await calling(`list the instances of EC2 in ${region}`, () =>
      ec2In(region).send(
        new DescribeInstancesCommand({ Filters: [...filters], MaxResults: PAGE_SIZE, NextToken }),
        forPage(signal),
      ),
    );
    yield (page.Reservations ?? []).flatMap((reservation) => found(reservation, region));
    NextToken = page.NextToken;
  } while (NextToken);
}

/** The most that DescribeInstances takes. */
const PAGE_SIZE = 1000;

function found({ OwnerId = '', Instances = [] }: Reservation, region: string): Found[] {
  return Instances.map((instance) => ({
    instance: toInstance({ instanceId: instance.InstanceId ?? '', region }, OwnerId, instance),
    state: instance.State?.Name ?? 'pending',
  }));
}

function toInstance(
  { instanceId, region }: Omit<InstanceRef, 'platform'>,
  accountId: string,
  instance: Ec2Instance,
): Instance {
  const tags = Object.fromEntries((instance.Tags ?? []).map(({ Key = '', Value = '' }) => [Key, Value]));
  return {
    platform: 'ec2',
    instanceId,
    nodeName: instanceId,
    accountId,
    // Not from its zone: that of a Local Zone is named us-west-2-lax-1a.
    region,
    imageId: instance.ImageId ?? null,
    launchTime: instance.LaunchTime?.toISOString() ?? null,
    createdTime: createdTimeOf(instance),
    arn: null,
    privateIpAddress: instance.PrivateIpAddress ?? null,
    publicIpAddress: instance.PublicIpAddress ?? null,
    // Only Auto Scaling can set this tag: tags that begin with "aws:" are reserved.
    autoScalingGroupName: tags['aws:autoscaling:groupName'] ?? null,
    tags,
    metadataOptions: toMetadataOptions(instance.MetadataOptions),
    rootDeviceType: instance.RootDeviceType ?? null,
    rootVolume: toRootVolume(instance),
    describedAt: null,
    replacedAt: null,
  };
}

/** The primary network interface is attached once, at the launch; LaunchTime is set anew whenever the instance is started. */
function createdTimeOf({ NetworkInterfaces = [] }: Ec2Instance): string | null {
  const primary = NetworkInterfaces.find(({ Attachment }) => Attachment?.DeviceIndex === 0);
  return primary?.Attachment?.AttachTime?.toISOString() ?? null;
}

function toRootVolume({ RootDeviceName, BlockDeviceMappings = [] }: Ec2Instance): Instance['rootVolume'] {
  const { VolumeId: id, AttachTime } = BlockDeviceMappings.find((one) => one.DeviceName === RootDeviceName)?.Ebs ?? {};
  return id === undefined ? null : { id, attachedAt: AttachTime?.toISOString() ?? null };
}

/**
 * The instance as EC2 shows it now, if it still has the root volume that it was described with.
 * @throws InstanceChanged if EC2 shows another one, or does not show the instance
 */
export async function requireSameDisk<Known extends Instance>(instance: Known, signal: AbortSignal): Promise<Instance> {
  if (instance.rootVolume === null) return instance;
  const now = (await findInstance(instance, signal))?.instance;
  if (now?.rootVolume?.id === instance.rootVolume.id) return now;
  const shown = now ? `shows ${now.rootVolume?.id ?? 'no root volume'} now` : 'does not show it now';
  throw new InstanceChanged(
    `${instance.instanceId} had the root volume ${instance.rootVolume.id} when this enrolment looked, and EC2 ${shown}: its enrolment begins again.`,
  );
}

/** What EC2 says of replacements of an instance's root volume. */
export interface Replacements {
  /** When the last one that succeeded was complete. */
  readonly replacedAt: string | null;
  readonly isUnderWay: boolean;
}

/**
 * The replacements of the instance's root volume, from every page. A task does not name the volume that it attached.
 * Source: EC2 DescribeReplaceRootVolumeTasks.
 */
export async function replacementsOf({ instanceId, region }: InstanceRef, signal: AbortSignal): Promise<Replacements> {
  const tasks: ReplaceRootVolumeTask[] = [];
  let NextToken: string | undefined;
  do {
    const input = { Filters: [{ Name: 'instance-id', Values: [instanceId] }], NextToken };
    const page = await calling(`list the root volume replacements of ${instanceId}`, () =>
      ec2In(region).send(new DescribeReplaceRootVolumeTasksCommand(input), { abortSignal: signal }),
    );
    tasks.push(...(page.ReplaceRootVolumeTasks ?? []));
    NextToken = page.NextToken;
  } while (NextToken);
  const completed = tasks.flatMap(({ TaskState, CompleteTime = '' }) => {
    const at = new Date(CompleteTime);
    return TaskState === 'succeeded' && !Number.isNaN(at.getTime()) ? [at.toISOString()] : [];
  });
  return {
    replacedAt: completed.toSorted().at(-1) ?? null,
    isUnderWay: tasks.some(({ TaskState = '' }) => UNDER_WAY.includes(TaskState)),
  };
}

const UNDER_WAY: readonly string[] = ['pending', 'in-progress', 'failing', 'failing-detached'];

function toMetadataOptions(options: Ec2Instance['MetadataOptions']): MetadataOptions {
  return {
    state: options?.State ?? null,
    httpTokens: options?.HttpTokens ?? null,
    httpEndpoint: options?.HttpEndpoint ?? null,
    httpPutResponseHopLimit: options?.HttpPutResponseHopLimit ?? null,
  };
}

/**
 * Asks for the options that are named and for no other. Beside a disabled endpoint EC2 takes no other option, so that comes
 * by itself, and last.
 * @throws MetadataOptionsUnsupported when EC2 refuses them for this instance; InstanceNotReady while it does not show it.
 * Source: EC2 ModifyInstanceMetadataOptions.
 */
export async function updateMetadataOptions(
  { instanceId, region }: InstanceRef,
  { httpTokens, httpEndpoint, httpPutResponseHopLimit }: WantedOptions,
  signal: AbortSignal,
): Promise<void> {
  const isDisabled = httpEndpoint === 'disabled';
  await modify(
    {
      InstanceId: instanceId,
      HttpTokens: httpTokens,
      ...(httpEndpoint && !isDisabled && { HttpEndpoint: httpEndpoint }),
      ...(httpPutResponseHopLimit && { HttpPutResponseHopLimit: httpPutResponseHopLimit }),
    },
    region,
    signal,
  );
  if (isDisabled) await modify({ InstanceId: instanceId, HttpEndpoint: 'disabled' }, region, signal);
}

async function modify(input: ModifyInstanceMetadataOptionsCommandInput, region: string, signal: AbortSignal) {
  const { InstanceId: instanceId } = input;
  try {
    await calling(`change the metadata options of ${instanceId}`, () =>
      ec2In(region).send(new ModifyInstanceMetadataOptionsCommand(input), { abortSignal: signal }),
    );
  } catch (cause) {
    // EC2 may have shown it a moment ago.
    if (isNamed(cause, 'InvalidInstanceID.NotFound'))
      throw new InstanceNotReady(
        `EC2 does not show ${instanceId} now: its metadata options can be changed once it does.`,
        {
          cause,
        },
      );
    if (!isNamed(cause, 'UnsupportedOperation', 'InvalidParameterValue', 'InvalidParameterCombination')) throw cause;
    throw new MetadataOptionsUnsupported(
      `EC2 refuses the metadata options of ${instanceId}: ${quoted(cause.message)}.`,
      {
        cause,
      },
    );
  }
}
