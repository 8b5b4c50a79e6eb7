import { describe, expect, it } from 'vitest';
import type { World } from '../../local/world.ts';
import { SweepReport } from '../../sweep/report.ts';
import { formsOf } from '../../sweep/report-forms.ts';
import { playWorld } from '../support/world.ts';

const UNTOLD = { 'aws:autoscaling:groupName': 'database' };

/** A world with an instance of whose launch no event told, long enough ago for a sweep to look at it. */
async function untold() {
  const world = await playWorld();
  const { instanceId } = world.ec2.launch({ tags: new Map(Object.entries(UNTOLD)) });
  await world.clock.advance(600_000);
  return { world, instanceId };
}

async function sweep(world: World, input: object = {}) {
  const { promise, resolve } = Promise.withResolvers<void>();
  const execution = world.machines.start({ stateMachineArn: world.sweepFleetArn, input: JSON.stringify(input) });
  world.watch(({ arn, status }) => arn === execution.arn && status !== 'RUNNING' && resolve());
  await world.clock.run(promise);
  expect(execution.status).toBe('SUCCEEDED');
  return SweepReport.parse(JSON.parse(stored(world, 'latest.json')));
}

const stored = ({ s3, reportsBucket }: World, name: string) => s3.text(reportsBucket, `reports/${name}`) ?? '';
const enrolments = ({ machines, enrolNodeArn }: World) => machines.executions(enrolNodeArn);

describe('A sweep', () => {
  it('leaves its report in three forms that tell the same', async () => {
    const { world, instanceId } = await untold();
    const report = await sweep(world);
    expect(report.rows).toMatchObject([{ instance: instanceId, finding: 'drifting', action: 'started' }]);
    const { csv, html } = await formsOf(report);
    expect(stored(world, 'latest.csv')).toBe(csv);
    expect(stored(world, 'latest.html')).toBe(html);
    const name = report.startedAt.replaceAll(':', '-');
    for (const form of ['json', 'csv', 'html'])
      expect(stored(world, `${name}.${form}`)).toBe(stored(world, `latest.${form}`));
  });

  it('makes the same report when it is to start nothing, and starts nothing', async () => {
    const { world, instanceId } = await untold();
    const dry = await sweep(world, { dryRun: true });
    expect(dry.dryRun).toBe(true);
    expect(dry.rows).toMatchObject([{ instance: instanceId, action: 'would-start', starts: 'enrol-node' }]);
    expect(enrolments(world)).toEqual([]);
    const [row] = (await sweep(world)).rows;
    expect(row).toEqual({ ...dry.rows[0], action: 'started' });
    expect(enrolments(world)).toMatchObject([{ name: row?.execution }]);
  });

  it('is tried again when its report cannot be stored, and starts nothing twice', async () => {
    const { world } = await untold();
    world.faults.set([{ service: 's3', statusCode: 503, times: 4 }]);
    await sweep(world);
    expect(enrolments(world)).toHaveLength(1);
  });
});
