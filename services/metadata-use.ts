import { CloudWatchClient, GetMetricDataCommand, type MetricDataResult } from '@aws-sdk/client-cloudwatch';
import { InvalidRequest, PermissionDenied, ServiceUnavailable } from '../lib/errors.ts';
import { type InstanceRef, ledgerKey } from '../lib/instance.ts';
import { calling, forPage, inRegion } from './aws.ts';
import { sumOfMetadataNoToken } from './lightsail.ts';

const cloudWatchIn = inRegion((options) => new CloudWatchClient(options));

/** Since when and until when, both of them instants. */
export interface LookBack {
  readonly start: Date;
  readonly end: Date;
}

/** The most metrics that one GetMetricData takes. */
const METRICS_PER_CALL = 500;
/** Lightsail has no call for several instances: so many are asked at once. */
const LIGHTSAIL_AT_ONCE = 10;
const DAY_SECONDS = 24 * 3600;

/**
 * How many IMDSv1 calls each instance answered within the look-back, by its key in the ledger: the sum of its metric
 * MetadataNoToken.
 *
 * null means unknown, and never zero. A running instance publishes the metric every five minutes, with 0 where there
 * was no call, so no data point at all means that it has run too short a time, or not at all, or that its metric was not
 * kept: a sweep that waits for zero waits on. An instance that is younger than the look-back is judged by the days that it has.
 * Whole days in UTC are asked for, so that up to a day more than the look-back is seen, and never less.
 *
 * @throws Throttled, ServiceUnavailable or PermissionDenied when a service does not tell, also of one metric alone;
 *   InvalidRequest for a look-back of no days.
 * Source: CloudWatch GetMetricData, "As many as 500 different metrics"; Lightsail GetInstanceMetricData; EC2 User Guide,
 * "Recommended path to requiring IMDSv2".
 */
export async function imdsV1Calls(
  instances: readonly InstanceRef[],
  { at, lookBackDays }: { at: string; lookBackDays: number },
  signal: AbortSignal,
): Promise<Map<string, number | null>> {
  const range = lookBack(at, lookBackDays);
  const calls = new Map<string, number | null>();
  for (const [place, those] of Map.groupBy(instances, ({ platform, region }) => `${platform} ${region}`)) {
    const [platform, region = ''] = place.split(' ');
    const counts =
      platform === 'ec2' ? await ofEc2(those, region, range, signal) : await ofLightsail(those, range, signal);
    for (const [index, instance] of those.entries()) calls.set(ledgerKey(instance), counts[index] ?? null);
  }
  return calls;
}

function lookBack(at: string, lookBackDays: number): LookBack {
  if (!Number.isInteger(lookBackDays) || lookBackDays < 1)
    throw new InvalidRequest(
      `metadata.lookBackDays: looking back ${lookBackDays} days tells nothing of who asks IMDSv1. Say a whole number of days, at least 1.`,
    );
  const end = new Date(at);
  const start = new Date(end.getTime() - lookBackDays * DAY_SECONDS * 1000);
  start.setUTCHours(0, 0, 0, 0);
  return { start, end };
}

async function ofEc2(instances: readonly InstanceRef[], region: string, range: LookBack, signal: AbortSignal) {
  const counts: (number | null)[] = [];
  for (const some of chunks(instances, METRICS_PER_CALL)) counts.push(...(await sums(some, region, range, signal)));
  return counts;
}

async function ofLightsail(instances: readonly InstanceRef[], range: LookBack, signal: AbortSignal) {
  const counts: (number | null)[] = [];
  for (const some of chunks(instances, LIGHTSAIL_AT_ONCE))
    counts.push(...(await Promise.all(some.map((instance) => sumOfMetadataNoToken(instance, range, signal)))));
  return counts;
}

/** The sums of as many metrics as one call takes; an answer may come in pages. */
async function sums(
  instances: readonly InstanceRef[],
  region: string,
  { start: StartTime, end: EndTime }: LookBack,
  signal: AbortSignal,
): Promise<(number | null)[]> {
  const MetricDataQueries = instances.map(({ instanceId }, index) => queryOf(instanceId, index));
  const counts: (number | null)[] = instances.map(() => null);
  let NextToken: string | undefined;
  do {
    const page = await calling(`get the metric MetadataNoToken of ${instances.length} instances in ${region}`, () =>
      cloudWatchIn(region).send(
        new GetMetricDataCommand({ MetricDataQueries, StartTime, EndTime, NextToken }),
        forPage(signal),
      ),
    );
    for (const result of page.MetricDataResults ?? []) {
      const index = Number(result.Id?.slice(1));
      requireTold(instances[index]?.instanceId, result);
      for (const value of result.Values ?? []) counts[index] = (counts[index] ?? 0) + value;
    }
    NextToken = page.NextToken;
  } while (NextToken);
  return counts;
}

function queryOf(instanceId: string, index: number) {
  const Dimensions = [{ Name: 'InstanceId', Value: instanceId }];
  const Metric = { Namespace: 'AWS/EC2', MetricName: 'MetadataNoToken', Dimensions };
  return { Id: `m${index}`, MetricStat: { Metric, Period: DAY_SECONDS, Stat: 'Sum' } };
}

/** CloudWatch answers 200 also where it does not tell of one metric. */
function requireTold(instanceId: string | undefined, { StatusCode }: MetricDataResult): void {
  const what = `CloudWatch does not tell how often ${instanceId} was asked by IMDSv1 (${StatusCode}).`;
  if (StatusCode === 'InternalError') throw new ServiceUnavailable(`${what} It failed by itself: try again later.`);
  if (StatusCode === 'Forbidden')
    throw new PermissionDenied(`${what} Give the function's role cloudwatch:GetMetricData.`);
}

function chunks<Item>(items: readonly Item[], size: number): Item[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, n) => items.slice(n * size, (n + 1) * size));
}
