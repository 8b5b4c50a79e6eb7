import {
  GetInstanceCommand,
  GetInstanceMetricDataCommand,
  GetInstancesCommand,
  GetOperationCommand,
  type InstanceMetadataOptions,
  LightsailClient,
  type Instance as LightsailInstance,
  type Operation,
  UpdateInstanceMetadataOptionsCommand,
} from '@aws-sdk/client-lightsail';
import { home } from '../lib/config.ts';
import { InstanceNotReady, MetadataOptionsPending, MetadataOptionsUnsupported } from '../lib/errors.ts';
import {
  type Found,
  type Instance,
  type InstanceRef,
  lightsailNodeName,
  type MetadataOptions,
  NO_ROOT_VOLUME,
} from '../lib/instance.ts';
import type { WantedOptions } from '../lib/profile.ts';
import { quoted } from '../lib/quoted.ts';
import { calling, forPage, inRegion, isNamed } from './aws.ts';

const lightsailIn = inRegion((options) => new LightsailClient(options));

/** The instance, or undefined when Lightsail knows no such name in this Region. Source: Lightsail GetInstance. */
export async function findInstance(
  { instanceId: instanceName, region }: InstanceRef,
  signal: AbortSignal,
): Promise<Found | undefined> {
  try {
    const { instance } = await calling(`get the Lightsail instance ${instanceName} in ${region}`, () =>
      lightsailIn(region).send(new GetInstanceCommand({ instanceName }), { abortSignal: signal }),
    );
    return (
      instance && { instance: toInstance(instanceName, instance, region), state: instance.state?.name ?? 'pending' }
    );
  } catch (error) {
    if (isNamed(error, 'NotFoundException')) return undefined;
    throw error;
  }
}

/** Every instance, page by page. Source: Lightsail GetInstances, which has no filters. */
export async function* listInstances(region: string, signal: AbortSignal): AsyncGenerator<Found[]> {
  let pageToken: string | undefined;
  do {
    const page = await calling(`list the instances of Lightsail in ${region}`, () =>
      lightsailIn(region).send(new GetInstancesCommand({ pageToken }), forPage(signal)),
    );
    yield (page.instances ?? []).map((instance) => ({
      instance: toInstance(instance.name ?? '', instance, region),
      state: instance.state?.name ?? 'pending',
    }));
    pageToken = page.nextPageToken;
  } while (pageToken);
}

function toInstance(instanceName: string, instance: LightsailInstance, region: string): Instance {
  return {
    platform: 'lightsail',
    instanceId: instanceName,
    nodeName: lightsailNodeName({ instanceId: instanceName, region }, home()),
    accountId: instance.arn?.split(':')[4] ?? '',
    region,
    imageId: instance.blueprintId ?? null,
    launchTime: instance.createdAt?.toISOString() ?? null,
    createdTime: instance.createdAt?.toISOString() ?? null,
    arn: instance.arn ?? null,
    privateIpAddress: instance.privateIpAddress ?? null,
    publicIpAddress: instance.publicIpAddress ?? null,
    autoScalingGroupName: null,
    tags: Object.fromEntries((instance.tags ?? []).map(({ key = '', value = '' }) => [key, value])),
    metadataOptions: toMetadataOptions(instance.metadataOptions),
    ...NO_ROOT_VOLUME,
  };
}

function toMetadataOptions(options: InstanceMetadataOptions | undefined): MetadataOptions {
  return {
    state: options?.state ?? null,
    httpTokens: options?.httpTokens ?? null,
    httpEndpoint: options?.httpEndpoint ?? null,
    httpPutResponseHopLimit: options?.httpPutResponseHopLimit ?? null,
  };
}

/**
 * Asks for the options that the profile names and for no other, and always for httpTokens: left out, Lightsail sets it
 * back to `optional`. The answer is the operation's id.
 * @throws MetadataOptionsUnsupported when Lightsail refuses them for this instance; MetadataOptionsPending when the
 *   operation has failed; InstanceNotReady while Lightsail does not show the instance.
 * Source: Lightsail UpdateInstanceMetadataOptions.
 */
export async function updateMetadataOptions(
  { instanceId: instanceName, region }: InstanceRef,
  wanted: WantedOptions,
  signal: AbortSignal,
): Promise<string | null> {
  const { httpTokens, httpEndpoint, httpPutResponseHopLimit } = wanted;
  try {
    const { operation } = await calling(`change the metadata options of the Lightsail instance ${instanceName}`, () =>
      lightsailIn(region).send(
        new UpdateInstanceMetadataOptionsCommand({
          instanceName,
          httpTokens,
          ...(httpEndpoint && { httpEndpoint }),
          ...(httpPutResponseHopLimit && { httpPutResponseHopLimit }),
        }),
        { abortSignal: signal },
      ),
    );
    requireNotFailed(instanceName, operation);
    return operation?.id ?? null;
  } catch (cause) {
    // Lightsail may have shown it a moment ago.
    if (isNamed(cause, 'NotFoundException'))
      throw new InstanceNotReady(
        `Lightsail does not show ${instanceName} now: its metadata options can be changed once it does.`,
        { cause },
      );
    if (!isNamed(cause, 'InvalidInputException')) throw cause;
    throw new MetadataOptionsUnsupported(
      `Lightsail refuses the metadata options of ${instanceName}: ${quoted(cause.message)}.`,
      { cause },
    );
  }
}

/**
 * The sum of the instance's metric MetadataNoToken over whole days; null where there is no data point, or no instance.
 * Source: Lightsail GetInstanceMetricData.
 */
export async function sumOfMetadataNoToken(
  { instanceId: instanceName, region }: InstanceRef,
  { start: startTime, end: endTime }: { start: Date; end: Date },
  signal: AbortSignal,
): Promise<number | null> {
  const which = { instanceName, metricName: 'MetadataNoToken', unit: 'Count' } as const;
  const period = 24 * 3600;
  try {
    const { metricData = [] } = await calling(`get the metric MetadataNoToken of ${instanceName}`, () =>
      lightsailIn(region).send(
        new GetInstanceMetricDataCommand({ ...which, statistics: ['Sum'], period, startTime, endTime }),
        {
          abortSignal: signal,
        },
      ),
    );
    return metricData.length === 0 ? null : metricData.reduce((all, { sum = 0 }) => all + sum, 0);
  } catch (error) {
    if (isNamed(error, 'NotFoundException')) return null;
    throw error;
  }
}

/**
 * Checks that an operation has not failed. Lightsail forgets operations: then only the instance itself shows the outcome.
 * @throws MetadataOptionsPending when it has failed. Source: Lightsail GetOperation.
 */
export async function checkOperation(
  { instanceId: instanceName, region }: InstanceRef,
  operationId: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    const { operation } = await calling(`get the operation that changes ${instanceName}`, () =>
      lightsailIn(region).send(new GetOperationCommand({ operationId }), { abortSignal: signal }),
    );
    requireNotFailed(instanceName, operation);
  } catch (error) {
    if (!isNamed(error, 'NotFoundException')) throw error;
  }
}

/** Failed is the generic failure of the service and no refusal of the options: they are sent again. */
function requireNotFailed(instanceName: string, operation: Operation | undefined): void {
  if (operation?.status !== 'Failed') return;
  const reason = quoted(operation.errorDetails ?? operation.errorCode ?? '');
  throw new MetadataOptionsPending(
    `The Lightsail operation that changes the metadata options of ${instanceName} failed: ${reason}. They are sent again.`,
  );
}
