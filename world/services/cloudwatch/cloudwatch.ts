import type { GetMetricDataInput, GetMetricDataOutput, MetricDataQuery } from '@aws-sdk/client-cloudwatch';
import { REGION } from '../../kernel/account.ts';
import type { Clock } from '../../kernel/clock.ts';
import { type RequestContext, ServiceError, type ServiceOf } from '../../wire/service.ts';
import type { Input } from '../types.ts';
import type { Datapoint, Range } from './metadata-use.ts';

/** Whose metrics CloudWatch has: MetadataNoToken of an instance, empty where there is none. */
export interface MetricSource {
  metadataNoToken(instanceId: string, region: string, range: Range): Datapoint[];
}

export interface CloudWatchOptions {
  readonly clock: Clock;
  readonly ec2: MetricSource;
  /** Data points an answer; a request may ask for fewer by MaxDatapoints. */
  readonly datapointsPerPage?: number;
}

type GetMetricData = Input<GetMetricDataInput, 'MetricDataQueries' | 'StartTime' | 'EndTime'>;

const QUERIES = 500;
const DATAPOINTS = 100_800;
const DAY_MILLISECONDS = 24 * 3600 * 1000;

/**
 * Amazon CloudWatch, as far as EC2's metric MetadataNoToken goes; any other metric has no data points, as one that no caller
 * publishes has none. Each query must be a MetricStat: metric math is not played.
 *
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
 */
export class CloudWatch {
  readonly service: ServiceOf<'cloudwatch'>;
  readonly #options: CloudWatchOptions;

  constructor(options: CloudWatchOptions) {
    this.#options = options;
    this.service = {
      name: 'cloudwatch',
      operations: { GetMetricData: (input: GetMetricData, context: RequestContext) => this.#get(input, context) },
    };
  }

  #get(input: GetMetricData, { region = REGION }: RequestContext): GetMetricDataOutput {
    check(input);
    const limit = Math.min(input.MaxDatapoints ?? DATAPOINTS, this.#options.datapointsPerPage ?? DATAPOINTS);
    const begin = positionOf(input.NextToken);
    let position = 0;
    const MetricDataResults = input.MetricDataQueries.map((query) => {
      const points = this.#datapoints(query, input, region);
      const shown = points.slice(Math.max(0, begin - position), Math.max(0, begin + limit - position));
      position += points.length;
      return {
        Id: query.Id,
        Label: query.Label ?? query.MetricStat?.Metric?.MetricName,
        Timestamps: shown.map(({ timestamp }) => timestamp),
        Values: shown.map(({ sum }) => sum),
        StatusCode: position > begin + limit ? ('PartialData' as const) : ('Complete' as const),
      };
    });
    return { MetricDataResults, ...(position > begin + limit && { NextToken: tokenOf(begin + limit) }) };
  }

  /** Newest first, as CloudWatch answers unless ScanBy says otherwise. */
  #datapoints({ MetricStat }: MetricDataQuery, input: GetMetricData, region: string): Datapoint[] {
    const { Metric, Period: periodSeconds = 0 } = MetricStat ?? {};
    const [dimension, ...others] = Metric?.Dimensions ?? [];
    const isOurs =
      Metric?.Namespace === 'AWS/EC2' &&
      Metric.MetricName === 'MetadataNoToken' &&
      dimension?.Name === 'InstanceId' &&
      others.length === 0;
    if (!isOurs || periodSeconds % this.#granularity(input.StartTime) !== 0) return [];
    const range = { start: input.StartTime, end: input.EndTime, periodSeconds };
    const points = this.#options.ec2.metadataNoToken(dimension.Value ?? '', region, range);
    return input.ScanBy === 'TimestampAscending' ? points : points.reverse();
  }

  /** The older the data, the coarser they are kept; what asks more finely gets nothing. */
  #granularity(start: Date): number {
    const days = (this.#options.clock.now() - start.getTime()) / DAY_MILLISECONDS;
    return days > 63 ? 3600 : days > 15 ? 300 : 60;
  }
}

function check({ MetricDataQueries: queries, StartTime, EndTime }: GetMetricData): void {
  if (queries.length > QUERIES)
    throw invalid(`The collection MetricDataQueries must not have a size greater than ${QUERIES}.`);
  if (StartTime >= EndTime) throw invalid('The parameter StartTime must be less than the parameter EndTime.');
  const ids = queries.map(({ Id = '' }) => Id);
  const misnamed = ids.find((id) => !/^[a-z][a-zA-Z0-9_]*$/.test(id));
  if (misnamed !== undefined)
    throw invalid(`The value ${misnamed} for parameter Id is not matching the expected pattern.`);
  const twice = ids.find((id, index) => ids.indexOf(id) !== index);
  if (twice !== undefined) throw invalid(`The ids in MetricDataQueries must be unique: ${twice}.`);
  for (const { Id, MetricStat } of queries) {
    if (!MetricStat) throw invalid(`The query ${Id} has no MetricStat: the local world plays no expressions.`);
    const { Period = 0, Stat } = MetricStat;
    if (Period % 60 !== 0) throw invalid(`Period must be a multiple of 60, not ${Period}.`);
    if (Stat !== 'Sum')
      throw invalid(`The query ${Id} asks for ${Stat}: the local world plays the statistic Sum alone.`);
  }
}

function invalid(sentence: string): ServiceError {
  return new ServiceError('ValidationException', sentence);
}

function tokenOf(position: number): string {
  return Buffer.from(`datapoint:${position}`).toString('base64');
}

function positionOf(token: string | undefined): number {
  if (token === undefined) return 0;
  const position = /^datapoint:(\d+)$/.exec(Buffer.from(token, 'base64').toString())?.[1];
  if (position === undefined) throw new ServiceError('InvalidNextToken', 'The next token specified is invalid.');
  return Number(position);
}
