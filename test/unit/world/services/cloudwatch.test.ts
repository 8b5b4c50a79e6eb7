import { CloudWatchClient, GetMetricDataCommand, type MetricDataQuery } from '@aws-sdk/client-cloudwatch';
import { beforeEach, describe, expect, it } from 'vitest';
import { WorldClock } from '../../../../world/kernel/clock.ts';
import { seededRandom } from '../../../../world/kernel/random.ts';
import { CloudWatch } from '../../../../world/services/cloudwatch/cloudwatch.ts';
import { Ec2 } from '../../../../world/services/ec2/ec2.ts';
import { openPort } from '../../../support/open-port.ts';

const START = new Date('2031-05-06T07:08:09Z');
const DAY_SECONDS = 24 * 3600;
const MIDNIGHT = (day: number) => new Date(Date.UTC(2031, 4, day));

let clock: WorldClock;
let ec2: Ec2;
beforeEach(() => {
  clock = new WorldClock({ speed: Number.POSITIVE_INFINITY, start: START });
  ec2 = new Ec2({ clock, random: seededRandom(1) });
});

const days = (count: number) => clock.advance(count * DAY_SECONDS * 1000);

function queryOf(instanceId: string, Id = 'm0', Period = DAY_SECONDS): MetricDataQuery {
  const Metric = {
    Namespace: 'AWS/EC2',
    MetricName: 'MetadataNoToken',
    Dimensions: [{ Name: 'InstanceId', Value: instanceId }],
  };
  return { Id, MetricStat: { Metric, Period, Stat: 'Sum' } };
}

/** A real client of the double, behind its port. */
async function connect({ datapointsPerPage, region }: { datapointsPerPage?: number; region?: string } = {}) {
  const double = new CloudWatch({ clock, ec2, ...(datapointsPerPage && { datapointsPerPage }) });
  const { client } = await openPort([double.service], { clock });
  const cloudWatch = new CloudWatchClient({ ...client, ...(region && { region }) });
  return (MetricDataQueries: MetricDataQuery[], input: { StartTime?: Date; EndTime?: Date; NextToken?: string } = {}) =>
    cloudWatch.send(
      new GetMetricDataCommand({ MetricDataQueries, StartTime: MIDNIGHT(1), EndTime: MIDNIGHT(30), ...input }),
    );
}

describe('MetadataNoToken', () => {
  it('is zero on every day on which the instance ran, and counts the calls of each day', async () => {
    const { instanceId } = ec2.launch({});
    await days(1);
    ec2.countMetadataNoToken(instanceId, 2);
    ec2.countMetadataNoToken(instanceId, 3);
    await days(1);
    const get = await connect();
    expect((await get([queryOf(instanceId)])).MetricDataResults).toEqual([
      {
        Id: 'm0',
        Label: 'MetadataNoToken',
        StatusCode: 'Complete',
        Timestamps: [MIDNIGHT(8), MIDNIGHT(7), MIDNIGHT(6)],
        Values: [0, 5, 0],
      },
    ]);
  });

  it.each([
    ['of an instance that has not run for five minutes', (id: string) => id],
    ['of an instance that nobody knows', () => 'i-0123456789abcdef0'],
  ])('has no data points %s', async (_, which) => {
    const { instanceId } = ec2.launch({});
    await clock.advance(60_000);
    const get = await connect();
    expect((await get([queryOf(which(instanceId))])).MetricDataResults).toMatchObject([{ Values: [] }]);
  });

  it('has none of the days on which the instance was stopped', async () => {
    const { instanceId } = ec2.launch({});
    await days(1);
    ec2.stop(instanceId);
    await days(3);
    ec2.start(instanceId);
    await days(1);
    const get = await connect();
    const { MetricDataResults: [result] = [] } = await get([queryOf(instanceId)]);
    expect(result?.Timestamps).toEqual([MIDNIGHT(11), MIDNIGHT(10), MIDNIGHT(7), MIDNIGHT(6)]);
  });

  it('leaves out what lies outside of the range, and a period that began before it', async () => {
    const { instanceId } = ec2.launch({});
    await days(4);
    const get = await connect();
    const range = { StartTime: new Date('2031-05-07T12:00:00Z'), EndTime: MIDNIGHT(9) };
    const { MetricDataResults: [result] = [] } = await get([queryOf(instanceId)], range);
    expect(result?.Timestamps).toEqual([MIDNIGHT(8)]);
  });

  it('is kept no finer than by the hour when it is old', async () => {
    const { instanceId } = ec2.launch({});
    await days(70);
    const get = await connect();
    const range = { StartTime: MIDNIGHT(7), EndTime: MIDNIGHT(8) };
    const { MetricDataResults: [fine, coarse] = [] } = await get(
      [queryOf(instanceId, 'fine', 300), queryOf(instanceId, 'coarse', 3600)],
      range,
    );
    expect([fine?.Values?.length, coarse?.Values?.length]).toEqual([0, 24]);
  });

  it('is the Region’s own', async () => {
    const { instanceId } = ec2.launch({ region: 'eu-north-1' });
    await days(1);
    const [here, there] = [await connect(), await connect({ region: 'eu-north-1' })];
    expect((await here([queryOf(instanceId)])).MetricDataResults).toMatchObject([{ Values: [] }]);
    expect((await there([queryOf(instanceId)])).MetricDataResults).toMatchObject([{ Values: [0, 0] }]);
  });
});

describe('GetMetricData', () => {
  it('says which results are not complete, and gives each data point once in pages', async () => {
    const ids = [1, 2].map(() => ec2.launch({}).instanceId);
    await days(4);
    for (const [index, id] of ids.entries()) ec2.countMetadataNoToken(id, index + 1);
    const get = await connect({ datapointsPerPage: 3 });
    const queries = ids.map((id, index) => queryOf(id, `m${index}`));
    const first = await get(queries);
    expect(first.MetricDataResults).toMatchObject([
      { StatusCode: 'PartialData', Values: [1, 0, 0] },
      { StatusCode: 'PartialData', Values: [] },
    ]);
    const NextToken = first.NextToken ?? '';
    const second = await get(queries, { NextToken });
    const third = await get(queries, { NextToken: second.NextToken ?? '' });
    const fourth = await get(queries, { NextToken: third.NextToken ?? '' });
    const values = [first, second, third, fourth].map(({ MetricDataResults = [] }) =>
      MetricDataResults.map(({ Values }) => Values),
    );
    expect(values).toEqual([
      [[1, 0, 0], []],
      [[0, 0], [2]],
      [[], [0, 0, 0]],
      [[], [0]],
    ]);
    expect(fourth).not.toHaveProperty('NextToken');
    expect(fourth.MetricDataResults).toMatchObject([{ StatusCode: 'Complete' }, { StatusCode: 'Complete' }]);
  });

  it.each([
    ['more than 500 queries', Array.from({ length: 501 }, (_, n) => queryOf('i-1', `m${n}`)), {}, 'greater than 500'],
    ['an id twice', [queryOf('i-1'), queryOf('i-2')], {}, 'must be unique: m0'],
    ['an id that begins with a capital', [queryOf('i-1', 'M0')], {}, 'M0 for parameter Id'],
    ['a period that is no whole minute', [queryOf('i-1', 'm0', 90)], {}, 'multiple of 60, not 90'],
    ['a range that ends before it begins', [queryOf('i-1')], { EndTime: MIDNIGHT(1) }, 'StartTime must be less than'],
    ['an expression', [{ Id: 'e', Expression: 'SUM(METRICS())' }], {}, 'plays no expressions'],
  ])('refuses %s', async (_, queries, input, sentence) => {
    const get = await connect();
    await expect(get(queries, input)).rejects.toMatchObject({
      name: 'ValidationException',
      message: expect.stringContaining(sentence),
    });
  });

  it('refuses a token that it never gave', async () => {
    const get = await connect();
    await expect(get([queryOf('i-1')], { NextToken: 'x' })).rejects.toMatchObject({ name: 'InvalidNextToken' });
  });
});
