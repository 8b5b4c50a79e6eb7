import { readDeployment } from '../local/deployment.ts';
import { namedIn, outcomeOf } from '../local/enrolments.ts';
import { createWorld, type World } from '../local/world.ts';
import { WorldClock } from '../world/kernel/clock.ts';
import { seededRandom } from '../world/kernel/random.ts';
import type { KeySource } from '../world/pki/keys.ts';
import { thriftyKeys } from '../world/pki/thrifty-keys.ts';
import type { ApiCall } from '../world/wire/apis.ts';
import { createGateway } from '../world/wire/listen.ts';
import { HandlerThread } from './handler-thread.ts';

/** What one play of a number of launches took, all of them together. */
export interface Figures {
  /** From the launch until the world is at rest. */
  readonly seconds: number;
  readonly processorSeconds: number;
  /** The same stretch on the world's clock. */
  readonly worldSeconds: number;
  readonly apiCalls: number;
  /** As AWS counts them: states entered, and each retry. */
  readonly transitions: number;
  /** The most that this process ever had in memory, with all that it loaded. */
  readonly peakMegabytes: number;
  /** Sentences about what is not as it must be: instances lost, enrolled twice, not in service. Empty when all is well. */
  readonly faults: readonly string[];
}

const GROUP = 'web';
const START = new Date('2031-05-06T07:08:09Z');
/** An instance that is not enrolled by then is lost: the longest wait of the hook. */
const LIMIT_MILLISECONDS = 48 * 3600 * 1000;
/** A thousand machines work side by side: what they do within this time, they do at once. */
const GRAIN_MILLISECONDS = 1000;
/** After the last enrolment, for what the services still announce of it. */
const REST_MILLISECONDS = 60_000;

/**
 * Launches `count` instances at once and follows them until they are enrolled, in virtual time: the world on this thread,
 * the handlers, loaded before, on another.
 */
export async function playLaunches(count: number, isRateOn: boolean): Promise<Figures> {
  const keySource = await preparedKeys(count);
  const gateway = createGateway();
  const associated = new Map<string, number>();
  const thread = new HandlerThread();
  const world = await createWorld({
    load: thread.load,
    ...{ gateway, keySource, port: await gateway.listen(0), random: seededRandom(1) },
    clock: new WorldClock({ speed: Number.POSITIVE_INFINITY, start: START, grainMilliseconds: GRAIN_MILLISECONDS }),
    onLog: () => {},
    onCall: (call) => countAssociation(associated, call),
    ...(!isRateOn && { rate: false }),
  });
  try {
    await Promise.all(readDeployment().functions.map(({ file }) => thread.load(file)));
    const started = { at: performance.now(), cpu: process.cpuUsage() };
    const instances = world.autoScaling.launch(GROUP, count);
    const worldMilliseconds = await untilEnrolled(world, instances);
    return {
      seconds: (performance.now() - started.at) / 1000,
      processorSeconds: processorSeconds(process.cpuUsage(started.cpu)),
      worldSeconds: worldMilliseconds / 1000,
      apiCalls: [...world.apis.calls.values()].reduce((sum, calls) => sum + calls, 0),
      transitions: transitionsIn(world),
      peakMegabytes: process.resourceUsage().maxRSS / 1024,
      faults: await faultsIn(world, instances, associated),
    };
  } finally {
    world.close();
    await thread.close();
    await gateway.close();
  }
}

/** Making a key takes as long as an enrolment: the nodes' keys are made before. */
async function preparedKeys(count: number): Promise<KeySource> {
  const source = thriftyKeys();
  const keys = await Promise.all(Array.from({ length: count }, source));
  return async () => keys.pop() ?? source();
}

function countAssociation(associated: Map<string, number>, { operation, input, error }: ApiCall): void {
  if (operation !== 'AssociateNode' || error) return;
  const { NodeName } = input as { NodeName: string };
  associated.set(NodeName, (associated.get(NodeName) ?? 0) + 1);
}

/** @returns the world's time until the last of them was in service, in milliseconds */
async function untilEnrolled(world: World, instances: readonly string[]): Promise<number> {
  const { clock, autoScaling } = world;
  const launchedAt = clock.now();
  const waiting = new Set(instances);
  let hasFailed = false;
  world.watch((execution) => {
    hasFailed ||= outcomeOf(execution) === 'failed';
  });
  const isOver = () => {
    for (const instance of waiting)
      if (autoScaling.members.get(instance)?.lifecycleState === 'InService') waiting.delete(instance);
    return waiting.size === 0 || hasFailed || clock.now() - launchedAt > LIMIT_MILLISECONDS;
  };
  const wait = async () => {
    while (!isOver()) await clock.sleep(1000);
  };
  await clock.run(wait());
  const worldMilliseconds = clock.now() - launchedAt;
  await clock.advance(REST_MILLISECONDS);
  return worldMilliseconds;
}

function processorSeconds({ user, system }: NodeJS.CpuUsage): number {
  return (user + system) / 1e6;
}

function transitionsIn({ machines }: World): number {
  const events = machines.executions().flatMap((execution) => execution.events.map(({ type }) => type));
  const entries = events.filter((type) => type.endsWith('StateEntered')).length;
  const attempts = events.filter((type) => type === 'LambdaFunctionScheduled').length;
  const tasks = events.filter((type) => type === 'TaskStateEntered').length;
  return entries + attempts - tasks;
}

async function faultsIn(
  world: World,
  instances: readonly string[],
  associated: ReadonlyMap<string, number>,
): Promise<string[]> {
  const enrolled = world.machines.executions().filter((execution) => outcomeOf(execution) === 'enrolled');
  const ledger = (await world.ledger()).filter(({ status }) => status === 'enrolled');
  const registered = world.opsWorks.snapshot().instances.filter(({ status }) => status !== 'registering');
  const held: [where: string, names: unknown[]][] = [
    ['enrolled by an execution', enrolled.map((execution) => namedIn(execution).instance)],
    ['registered with OpsWorks', registered.map(({ ec2InstanceId }) => ec2InstanceId)],
    ['associated by OpsWorks CM', [...associated].flatMap(([name, times]) => Array(times).fill(name))],
    ['enrolled in the ledger', ledger.map(({ instance }) => instance)],
    ['in service', world.autoScaling.members.all.filter(isInService).map(({ instance }) => instance.instanceId)],
  ];
  const lost = world.lambda.deadLetters.map(({ error }) => `An event was lost: ${error.cause ?? error.error}`);
  return [...held.flatMap(([where, names]) => differences(where, names, instances)), ...lost];
}

function isInService({ lifecycleState }: { readonly lifecycleState: string }): boolean {
  return lifecycleState === 'InService';
}

/** In what way `names` are not every instance, each once, and nobody else: a sentence each. */
export function differences(where: string, names: readonly unknown[], instances: readonly string[]): string[] {
  const found = new Set(names);
  const wanted = new Set<unknown>(instances);
  const counts: [count: number, what: string][] = [
    [wanted.difference(found).size, `of ${wanted.size} instances not ${where}`],
    [names.length - found.size, `${where} more than once`],
    [found.difference(wanted).size, `${where} that nobody launched`],
  ];
  return counts.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}.`);
}
