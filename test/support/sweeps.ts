import { expect } from 'vitest';
import * as z from 'zod';
import type { ProfilesFile } from '../../profiles/file.ts';
import { SweepReport } from '../../sweep/report.ts';
import { callsOfHandlers, nameOf, type Played, playWorld, untilEnded } from './world.ts';

/** What the history says of the state Sweep. */
const SweepExited = z.object({
  name: z.literal('Sweep'),
  output: z.object({
    sweep: z.looseObject({ rowsInAll: z.int(), failure: z.object({ error: z.string() }).nullable() }),
  }),
});

export const HOUR = 3600 * 1000;

/** From now on no event arrives, and the watch does not make up for it: what it misses, a sweep finds. */
export function loseEvents(world: Played): void {
  world.lambda.interceptor = async ({ functionName }, next) => (/-(start-\w+|watch)$/.test(functionName) ? {} : next());
}

/** Has a sweep done, as its schedule or a person does, and tells what it reports; an alert ends it red. */
export async function sweep(world: Played, input: unknown = {}): Promise<SweepReport> {
  const { arn, outcome, events } = await sweepExecution(world, input);
  const ofSweep = events.flatMap(({ type, details }) =>
    type === 'TaskStateExited' ? (SweepExited.safeParse(details).data ?? []) : [],
  );
  const answer = ofSweep[0]?.output.sweep;
  if (!answer) throw new Error(`${arn} failed: ${outcome.cause}`);
  const { rowsInAll, failure, ...report } = answer;
  expect(outcome.error).toBe(failure?.error);
  return SweepReport.parse(report);
}

export async function sweepExecution(world: Played, input: unknown) {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { arn } = world.machines.start({ stateMachineArn: world.sweepFleetArn, input: JSON.stringify(input) });
  world.watch((execution) => execution.arn === arn && execution.status !== 'RUNNING' && resolve());
  await world.clock.run(promise);
  const execution = world.machines.execution(arn);
  if (!execution) throw new Error(`There is no ${arn}.`);
  return execution;
}

/** Lets everything that was started end. */
export async function atRest(world: Played): Promise<void> {
  await untilEnded(world, world.machines.executions().length);
}

/** What profiles.yml says, otherwise: the functions are deployed anew. */
export function deploy(change: (file: ProfilesFile) => void): void {
  const file: ProfilesFile = JSON.parse(process.env.MUSTER_PROFILES ?? '');
  change(file);
  process.env.MUSTER_PROFILES = JSON.stringify(file);
}

/** A world in which so many instances of the group web are enrolled, and told of no more. */
export async function enrolledFleet(count: number, options: Parameters<typeof playWorld>[0] = {}) {
  const world = await playWorld(options);
  const instances = world.autoScaling.launch('web', count);
  await untilEnded(world, count);
  // Until the group has said that they are in service.
  await world.clock.advance(HOUR);
  loseEvents(world);
  return { world, instances };
}

/** What a sweep started, by its state machine and the instance. */
export function startsOf(world: Played): string[] {
  return callsOfHandlers(world)
    .filter((call) => nameOf(call) === 'states.StartExecution' && !call.error)
    .map(({ input }) => {
      const { stateMachineArn, input: request } = input as { stateMachineArn: string; input: string };
      const { instanceId, lightsailInstanceName } = JSON.parse(request);
      return `${stateMachineArn.split('muster-dev-')[1]} ${instanceId ?? lightsailInstanceName}`;
    });
}
