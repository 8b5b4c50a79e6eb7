import { DynamoDBClient, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { describe, expect, it } from 'vitest';
import { failureOf } from '../../sweep/alerts.ts';
import { atRest, enrolledFleet, HOUR, loseEvents, startsOf, sweep, sweepExecution } from '../support/sweeps.ts';
import { callsOfHandlers, changes, enrolments, nameOf, outcomes, type Played, playWorld } from '../support/world.ts';

const alerts = (world: Played) => outcomes(world).filter(({ detailType }) => detailType === 'Fleet Sweep Alert');

/** Launches of which nobody has told, listed in pages of two. */
async function lostLaunches(count: number, options: Parameters<typeof playWorld>[0] = {}) {
  const world = await playWorld({ ec2: { pageSize: 2 }, ...options });
  loseEvents(world);
  const instances = world.autoScaling.launch('web', count);
  await world.clock.advance(HOUR / 4);
  return { world, instances };
}

/** The group's listing fails, from its second page on. */
function failSecondPage(world: Played, error: string, times?: number): void {
  const list = callsOfList(world).at(-1);
  expect(list).toBeDefined();
  world.faults.set([
    {
      service: 'ec2',
      operation: 'DescribeInstances',
      error,
      match: { NextToken: list ?? '' },
      ...(times && { times }),
    },
  ]);
}

/** The tokens with which pages were asked for, the first sweep's. */
const callsOfList = ({ calls }: Played) =>
  calls.flatMap(({ operation, input }) => {
    const { NextToken } = input as { NextToken?: string };
    return operation === 'DescribeInstances' && NextToken ? [NextToken] : [];
  });

describe('a page that fails in the middle', () => {
  it("ends that profile's sweep with an alert; what was seen is judged, and nothing is retired", async () => {
    const { world, instances } = await enrolledFleet(4, { ec2: { pageSize: 2 } });
    const [gone = ''] = instances;
    world.ec2.terminate(gone);
    await world.clock.advance(2 * HOUR);
    await sweep(world);
    failSecondPage(world, 'InternalError');
    const report = await sweep(world);
    expect(report.profiles[0]).toMatchObject({
      status: 'stopped',
      reason: expect.stringContaining('Could not list the instances of EC2'),
    });
    expect(report.profiles.slice(1).map(({ status }) => status)).toEqual(['swept', 'swept', 'swept']);
    expect(report.alerts).toEqual([expect.stringContaining('The sweep of web stopped')]);
    expect(alerts(world)).toHaveLength(1);
    expect(startsOf(world)).not.toContain(`retire-node ${gone}`);
  });

  it('has nobody started who was not seen', async () => {
    const { world, instances } = await lostLaunches(4);
    await sweep(world, { dryRun: true });
    failSecondPage(world, 'InternalError');
    const { rows } = await sweep(world);
    expect(rows.map(({ instance }) => instance)).toEqual(instances.slice(0, 2));
    expect(startsOf(world)).toEqual(instances.slice(0, 2).map((instance) => `enrol-node ${instance}`));
  });
});

describe('a page that is throttled', () => {
  it('is asked for again, and nothing is missing', async () => {
    const { world } = await lostLaunches(4);
    await sweep(world, { dryRun: true });
    failSecondPage(world, 'Throttling', 2);
    const { rows, alerts: told } = await sweep(world);
    expect({ rows: rows.length, told }).toEqual({ rows: 4, told: [] });
  });
});

describe('an instance that vanishes after it was listed', () => {
  it('is started in vain: its execution says so, changes nothing, and no node of it is left', async () => {
    const { world, instances } = await lostLaunches(1);
    const [instance = ''] = instances;
    world.lambda.interceptor = async ({ functionName }, next) => {
      if (/-start-/.test(functionName)) return {};
      if (/describe-instance/.test(functionName)) world.ec2.terminate(instance);
      return next();
    };
    await sweep(world);
    await atRest(world);
    expect(enrolments(world)[1]).toMatchObject({
      outcome: 'failed',
      cause: expect.stringContaining('nothing left to enrol'),
    });
    expect(changes(world)).toEqual(['states.StartExecution']);
    expect(await world.ledger()).toEqual([]);
    expect((await sweep(world)).rows).toEqual([]);
  });
});

describe('a ledger that is out of reach', () => {
  it('has nothing listed, started or retired, and one alert', async () => {
    const { world } = await lostLaunches(2);
    world.faults.set([{ service: 'dynamodb', operation: 'Scan', error: 'InternalServerError', statusCode: 500 }]);
    const report = await sweep(world);
    expect(report.alerts).toEqual([expect.stringContaining('Could not read the ledger')]);
    expect(report.profiles.map(({ status }) => status)).toEqual(['stopped', 'stopped', 'stopped', 'stopped']);
    expect(report.rows).toEqual([]);
    const called = callsOfHandlers(world).map(nameOf);
    expect(new Set(called)).toEqual(new Set(['dynamodb.Scan', 'events.PutEvents', 's3.PutObject']));
  });
});

describe('an alert', () => {
  const unreadable = { service: 'dynamodb', operation: 'Scan', error: 'InternalServerError', statusCode: 500 };

  it('ends the execution red with its sentence, once the report is stored', async () => {
    const { world } = await lostLaunches(1);
    world.faults.set([unreadable]);
    const { status, outcome } = await sweepExecution(world, {});
    expect({ status, ...outcome }).toMatchObject({
      status: 'FAILED',
      error: 'SweepAlert',
      cause: expect.stringMatching(/^Could not read the ledger.* Without the ledger nothing is started or retired/),
    });
    expect(world.s3.text(world.reportsBucket, 'reports/latest.json')).toContain('Could not read the ledger');
  });

  it('of a dry run ends it green, and is in the report', async () => {
    const { world } = await lostLaunches(1);
    world.faults.set([unreadable]);
    const { status, outcome } = await sweepExecution(world, { dryRun: true });
    expect({ status, output: outcome.output }).toMatchObject({
      status: 'SUCCEEDED',
      output: { sweep: { failure: null, alerts: [expect.stringContaining('Could not read the ledger')] } },
    });
    expect(alerts(world)).toEqual([]);
  });

  it('beyond the twentieth is in the report only, and the cause says how many there are', () => {
    const sentences = Array.from({ length: 23 }, (_, index) => `Alert ${index}.`);
    const cause = failureOf({ alerts: sentences, dryRun: false })?.cause;
    expect(cause).toMatch(/^Alert 0\. .* Alert 19\. The report has 3 more alerts\.$/);
  });
});

describe('an item of the ledger that Muster has not written', () => {
  it('has nothing started, and is named with what is wrong with it', async () => {
    const { world } = await lostLaunches(1);
    const Item = { instance: { S: 'i-0123456789abcdef0' }, note: { S: 'by hand' } };
    await new DynamoDBClient({}).send(new PutItemCommand({ TableName: process.env.LEDGER_TABLE, Item }));
    const { alerts: told } = await sweep(world);
    expect(told).toEqual([expect.stringMatching(/^The ledger's item i-0123456789abcdef0 is not as .*status: /)]);
    expect(startsOf(world)).toEqual([]);
  });
});

describe('Step Functions that refuses a start', () => {
  it('has the rest wait for the next sweep, which starts them', async () => {
    const { world, instances } = await lostLaunches(3);
    world.faults.set([{ service: 'states', operation: 'StartExecution', error: 'AccessDeniedException', times: 1 }]);
    const { rows, alerts: told } = await sweep(world);
    expect(rows.map(({ finding, action }) => [finding, action])).toEqual([
      ['unknown', 'nothing'],
      ['drifting', 'later'],
      ['drifting', 'later'],
    ]);
    expect(told).toEqual([expect.stringContaining('The sweep stopped after starting 0 executions.')]);
    await sweep(world);
    expect(startsOf(world).toSorted()).toEqual(instances.map((instance) => `enrol-node ${instance}`).toSorted());
  });
});

describe('Auto Scaling that does not answer', () => {
  it('has its members left alone, for one may be on its way out', async () => {
    const { world } = await lostLaunches(1);
    world.faults.set([{ service: 'autoscaling', operation: 'DescribeAutoScalingGroups', statusCode: 503 }]);
    const { alerts: told, rows, profiles } = await sweep(world);
    expect(told).toEqual([expect.stringContaining('Members of groups in eu-west-1 are left alone')]);
    expect(rows).toMatchObject([
      {
        finding: 'unknown',
        action: 'nothing',
        reason: expect.stringContaining('Auto Scaling did not return its state'),
      },
    ]);
    expect(profiles[0]?.counts).toMatchObject({ underWay: 0 });
    expect(startsOf(world)).toEqual([]);
  });
});

describe('metrics that nobody tells', () => {
  it('have nobody hardened who runs, and everything else done', async () => {
    const world = await playWorld();
    loseEvents(world);
    world.autoScaling.launch('batch-nightly', 1);
    await world.clock.advance(HOUR);
    world.faults.set([
      { service: 'cloudwatch', operation: 'GetMetricData', error: 'InternalServiceFault', statusCode: 500 },
    ]);
    const { alerts: told, rows } = await sweep(world);
    expect(told).toEqual([expect.stringContaining('Nothing of the profile batch is hardened this time')]);
    expect(rows).toMatchObject([{ finding: 'drifting', action: 'started' }]);
    await atRest(world);
    expect(changes(world)).not.toContain('ec2.ModifyInstanceMetadataOptions');
  });
});
