import { describe, expect, it } from 'vitest';
import type { SweepReport } from '../../sweep/report.ts';
import { launchActions, type Played, playWorld, untilEnded } from './world.ts';

const HOUR = 3600 * 1000;

/** What happens is told to nobody: EventBridge delivers at best effort. */
function loseEvents(world: Played): void {
  world.lambda.interceptor = async ({ functionName }, next) => (/-start-/.test(functionName) ? {} : next());
}

/** Has a sweep done, as its schedule or a person does. */
async function sweep(world: Played, input: unknown = {}): Promise<SweepReport> {
  const { executionArn } = {
    executionArn: world.machines.start({ stateMachineArn: world.sweepFleetArn, input: JSON.stringify(input) }).arn,
  };
  const look = () => world.machines.execution(executionArn);
  const { promise, resolve } = Promise.withResolvers<void>();
  world.watch((execution) => execution.arn === executionArn && execution.status !== 'RUNNING' && resolve());
  await world.clock.run(promise);
  const execution = look();
  if (execution?.status !== 'SUCCEEDED') throw new Error(`The sweep failed: ${execution?.outcome.cause}`);
  return (execution.outcome.output as { sweep: SweepReport }).sweep;
}

describe('a launch that no event has told', () => {
  it('is found by the next sweep, enrolled, and released from its hook', async () => {
    const world = await playWorld();
    loseEvents(world);
    const [instance = ''] = world.autoScaling.launch('web', 1);
    await world.clock.advance(HOUR / 4);
    const report = await sweep(world);
    expect(report.rows).toMatchObject([{ instance, finding: 'drifting', action: 'started', starts: 'enrol-node' }]);
    const [, enrolment] = await untilEnded(world, 2);
    expect(enrolment).toMatchObject({ instance, outcome: 'enrolled' });
    expect(launchActions(world)).toMatchObject([{ instanceId: instance, result: 'CONTINUE', resolvedBy: 'caller' }]);
    expect(await world.ledger()).toMatchObject([{ instance, status: 'enrolled' }]);
  });
});
