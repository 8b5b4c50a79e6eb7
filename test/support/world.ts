import { readDeployment } from '../../local/deployment.ts';
import { describeEnrolment } from '../../local/enrolments.ts';
import { createWorld, type World, type WorldOptions } from '../../local/world.ts';
import { readProfilesFile } from '../../profiles/file.ts';
import type { AwsEvent } from '../../world/eventbridge/aws-event.ts';
import { WorldClock } from '../../world/kernel/clock.ts';
import { seededRandom } from '../../world/kernel/random.ts';
import { IdentitySigner } from '../../world/machines/identity.ts';
import { thriftyKeys } from '../../world/pki/thrifty-keys.ts';
import type { ExecutionView } from '../../world/states/engine.ts';
import { TaskFailure } from '../../world/states/task-failure.ts';
import type { ApiCall } from '../../world/wire/apis.ts';
import { createGateway } from '../../world/wire/listen.ts';
import { closeAfterTest, closeOpened } from './opened.ts';

// One port for all files that share these modules: the handlers' clients keep the first address, as in a warm Lambda.
const gateway = createGateway();
const port = await gateway.listen(0);
const keySource = thriftyKeys();
// Each of these takes as long to make as a good part of a test, and no world changes it.
const deployment = readDeployment();
const profilesFile = readProfilesFile('profiles.yml');

export const START = new Date('2031-05-06T07:08:09Z');
const signer = await IdentitySigner.create(START);

/** A world, and everything that was heard in it. */
export interface Played extends World {
  /** What handlers wrote, parsed: log lines and metrics. */
  readonly logs: Record<string, unknown>[];
  readonly calls: ApiCall[];
  readonly events: AwsEvent[];
}

/** A world on virtual time, the same for the same seed. It ends with the test. */
export async function playWorld(options: Partial<WorldOptions> & { seed?: number } = {}): Promise<Played> {
  const { seed = 1, ...rest } = options;
  const clock = new WorldClock({ speed: Number.POSITIVE_INFINITY, start: START });
  const heard: Pick<Played, 'logs' | 'calls' | 'events'> = { logs: [], calls: [], events: [] };
  closeOpened();
  const world = await createWorld({
    ...{ clock, random: seededRandom(seed), gateway, port, keySource, signer, deployment, profilesFile },
    onLog: (line) => heard.logs.push(JSON.parse(line)),
    onCall: (call) => heard.calls.push(call),
    onEvent: (event) => heard.events.push(event),
    ...rest,
  });
  closeAfterTest(world.close);
  heard.calls.length = 0;
  return { ...world, ...heard };
}

/** Lets time pass until `count` executions have ended, and tells of all that were started, oldest first. */
export async function untilEnded(played: World, count: number) {
  const { promise, resolve } = Promise.withResolvers<void>();
  const look = () => executionsOf(played).filter(({ status }) => status !== 'RUNNING').length >= count && resolve();
  played.watch(look);
  look();
  await played.clock.run(promise);
  return enrolments(played);
}

/** Longer than a task's own retries, so that executions reach KeepWaiting; each minute more costs a dozen calls. */
export const MAINTENANCE_SECONDS = 6 * 60;

/**
 * A world that has launched in every way: into a hook under Chef and under Puppet, whose servers are in maintenance at first,
 * and at Lightsail. Everything that was started has ended.
 */
export async function playEveryWay(faults: readonly object[] = [], options: Partial<WorldOptions> = {}) {
  const world = await playWorld(options);
  world.faults.set(faults);
  for (const server of ['ChefServer', 'PuppetServer']) world.opsWorksCm.maintenance(server, MAINTENANCE_SECONDS);
  world.autoScaling.launch('web', 1);
  world.autoScaling.launch('database', 1);
  void world.lightsail.createInstances(
    { instanceNames: ['blog'], availabilityZone: 'eu-west-1a', blueprintId: 'debian_12', bundleId: 'nano_3_0' },
    { requestId: 'by-the-test' },
  );
  await untilEnded(world, 3);
  return world;
}

/** Lets time pass until one execution has ended, and tells of it. */
export async function untilOneEnded(played: World) {
  const [first] = await untilEnded(played, 1);
  if (!first) throw new Error('Nothing was started.');
  return first;
}

/** How the execution that was started first has ended. */
export function finishedExecution(played: World) {
  const [first] = played.machines.executions();
  if (!first) throw new Error('Nothing was started.');
  return first.outcome;
}

/** All executions but the looks at short hooks, which are about no one instance. */
function executionsOf({ machines }: World): ExecutionView[] {
  return machines.executions().filter(({ machine }) => !machine.name.endsWith('watch-hooks'));
}

export function enrolments(played: World) {
  return executionsOf(played).map((execution) => describeEnrolment(played, execution));
}

/** Starts `enrol-node` as a person does in the console. */
export function startByHand(played: World, input: unknown): void {
  played.machines.start({ stateMachineArn: played.enrolNodeArn, input: JSON.stringify(input) });
}

/**
 * What handlers asked the services to change, in order, as `service.Operation`; refused and dropped calls too. The ledger
 * and the announcements on the event bus are Muster's own and change no instance, and nor does a heartbeat.
 */
export function changes(played: Played): string[] {
  return callsOfHandlers(played)
    .filter(({ service, operation }) => !OWN.includes(service) && !/^(Describe|Get)|Heartbeat$/.test(operation))
    .map(nameOf);
}

const OWN = ['dynamodb', 'events', 's3'];

/** Every call that handlers made. */
export function callsOfHandlers({ calls }: Played): ApiCall[] {
  return calls.filter(({ invocationId }) => invocationId !== undefined);
}

/** `opsworks-cm.AssociateNode` */
export function nameOf({ service, operation }: ApiCall): string {
  return `${service}.${operation}`;
}

/** How a lifecycle action ended, and who ended it. */
export function launchActions(played: World) {
  return played.autoScaling.actions.all.map(({ instanceId, hook, result, resolvedBy, heartbeats }) => {
    return { instanceId, hook, result, resolvedBy, heartbeats };
  });
}

/** The registrations of every stack, once their agents have had their time. */
export function registrations(played: World) {
  return played.opsWorks.snapshot().instances;
}

/** Which node stands on which server. */
export function associations(played: World) {
  return Object.entries(played.opsWorksCm.snapshot().servers).flatMap(([serverName, { associations: nodes }]) =>
    nodes.map(({ nodeName, times }) => ({ serverName, nodeName, times })),
  );
}

/** What Muster told the world, oldest first. */
export function outcomes({ events }: Played): { detailType: string; detail: Record<string, unknown> }[] {
  return events
    .filter(({ source }) => source === 'muster')
    .map(({ 'detail-type': detailType, detail }) => ({ detailType, detail: { ...detail } }));
}

/** The states that an execution has entered, oldest first. */
export function statesOf({ events }: ExecutionView): string[] {
  return events
    .filter(({ type }) => type.endsWith('StateEntered'))
    .map(({ details }) => String((details as { name?: unknown } | undefined)?.name));
}

/** The states of a machine, by their names, as it is deployed. */
export function definitionOf(machineName: string): Record<string, { Type: string; Resource?: string }> {
  const machine = deployment.stateMachines.find(({ name }) => name.endsWith(machineName));
  const { States } = (machine?.definition ?? { States: {} }) as {
    States: Record<string, { Type: string; Resource?: string }>;
  };
  return States;
}

/** What the ledger says of the instances; the groups have items too. */
export async function ledgerOfInstances(played: World) {
  return (await played.ledger()).filter(({ instance }) => !String(instance).startsWith('group/'));
}

/** What every service holds of the instances, without what may differ between two runs: ids, times, attempts. */
export async function finalState(played: Played) {
  await played.clock.advance(300_000);
  const { groups, instances } = played.autoScaling.snapshot();
  return {
    groups: groups.map(({ AutoScalingGroupName, DesiredCapacity }) => [AutoScalingGroupName, DesiredCapacity]),
    lifecycles: instances.map(({ InstanceId, LifecycleState }) => [InstanceId, LifecycleState]).sort(),
    metadata: played.ec2.snapshot().instances.map(({ InstanceId, MetadataOptions }) => [InstanceId, MetadataOptions]),
    lightsail: played.lightsail.snapshot().instances.map(({ name, metadataOptions }) => [name, metadataOptions]),
    registrations: registrations(played)
      .map(({ ec2InstanceId, status, layerIds }) => ({ ec2InstanceId, status, layerIds }))
      .sort((a, b) => String(a.ec2InstanceId).localeCompare(String(b.ec2InstanceId))),
    associations: associations(played)
      .map(({ serverName, nodeName }) => `${serverName}/${nodeName}`)
      .sort(),
    installed: played.fleet.snapshot().map(({ instanceId, installed }) => [instanceId, installed]),
    hooks: launchActions(played)
      .map(({ heartbeats: _, ...action }) => action)
      .sort((a, b) => a.instanceId.localeCompare(b.instanceId)),
    ledger: (await played.ledger())
      .map(({ instance, status, profile, opsworksInstanceId }) => {
        return { instance, status, profile, isRegistered: opsworksInstanceId !== undefined };
      })
      .sort((a, b) => String(a.instance).localeCompare(String(b.instance))),
    deadLetters: played.lambda.deadLetters.length,
  };
}

/**
 * Kills the function's first invocation in each execution (or by each event) when its handler has done everything, and
 * before anybody hears of it. Whether that has happened stands in the answer.
 */
export function killOnce(played: World, functionName: string): { readonly happened: boolean } {
  const killed = new Set<string>();
  const before = played.lambda.interceptor;
  played.lambda.interceptor = async (invocation, next) => {
    const answer = await before(invocation, next);
    const { task, id = '' } = invocation.payload as { task?: { execution: string }; id?: string };
    const occasion = task?.execution ?? id;
    if (killed.has(occasion) || invocation.functionName !== functionName) return answer;
    killed.add(occasion);
    throw new TaskFailure('Lambda.Unknown', 'The function was killed.');
  };
  return {
    get happened() {
      return killed.size > 0;
    },
  };
}
