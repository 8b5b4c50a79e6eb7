import type { ExecutionView } from './states/engine.ts';
import type { World } from './world.ts';

/** What became of one instance: a line of `npm start -- --json`. */
export interface Enrolment {
  /** `i-…`, or the Lightsail instance's name. */
  readonly instance: string;
  readonly platform: 'ec2' | 'lightsail';
  readonly profile: string | null;
  readonly outcome: 'enrolled' | 'failed' | 'ignored' | 'running';
  /** How often each state's task was tried. */
  readonly attempts: Record<string, number>;
  /** Where its configuration server has it. */
  readonly association: { readonly serverName: string; readonly nodeName: string } | null;
  readonly opsworksInstanceId: string | null;
  /** The instance's metadata options as they are now. */
  readonly metadata: unknown;
  /** Its lifecycle state in its Auto Scaling group. */
  readonly lifecycle: string | null;
  /** How long the execution took, in the world's time. */
  readonly seconds: number;
  /** Why it failed or was ignored. */
  readonly cause: string | null;
}

/** Tells of an execution, with what the services hold of its instance now. */
export function describeEnrolment(world: World, execution: ExecutionView): Enrolment {
  const request = JSON.parse(execution.inputText) as { instanceId?: string; lightsailInstanceName?: string };
  const instance = request.instanceId ?? request.lightsailInstanceName ?? '';
  const platform = request.lightsailInstanceName ? 'lightsail' : 'ec2';
  const data = execution.outcome.output as Data | undefined;
  const known = data?.enrolment ?? lastKnown(execution);
  const registration = world.opsWorks.snapshot().instances.find((one) => one.ec2InstanceId === instance);
  return {
    instance,
    platform,
    profile: known?.profile ?? null,
    outcome: outcomeOf(execution),
    attempts: attemptsOf(execution),
    association: associationOf(world, instance),
    opsworksInstanceId: registration?.instanceId ?? null,
    metadata: (platform === 'ec2' ? world.ec2 : world.lightsail).instance(instance)?.metadataOptions ?? null,
    lifecycle: world.autoScaling.members.get(instance)?.lifecycleState ?? null,
    seconds: Math.round(((execution.stoppedAt ?? world.clock.now()) - execution.startedAt) / 1000),
    cause: execution.outcome.cause ?? known?.reason ?? null,
  };
}
interface Data {
  readonly enrolment?: { readonly profile: string | null; readonly reason: string | null };
}

/** A failed execution has no output; what it knew stands in the last state that it entered. */
function lastKnown({ events }: ExecutionView): Data['enrolment'] {
  const entered = events.findLast(({ type }) => type.endsWith('StateEntered'));
  return (entered?.details?.input as Data | undefined)?.enrolment;
}

function outcomeOf({ status, stateName }: ExecutionView): Enrolment['outcome'] {
  if (status === 'RUNNING') return 'running';
  if (status !== 'SUCCEEDED') return 'failed';
  return stateName === 'Ignored' ? 'ignored' : 'enrolled';
}

/** Attempts of each task state, in the order of their first. */
export function attemptsOf({ events }: ExecutionView): Record<string, number> {
  const attempts: Record<string, number> = {};
  let state = '';
  for (const { type, details } of events) {
    if (type === 'TaskStateEntered') state = details?.name ?? '';
    if (type === 'LambdaFunctionScheduled') attempts[state] = (attempts[state] ?? 0) + 1;
  }
  return attempts;
}

function associationOf({ opsWorksCm }: World, instance: string): Enrolment['association'] {
  const nodeName = instance.toLowerCase();
  for (const [serverName, { associations }] of Object.entries(opsWorksCm.snapshot().servers))
    if (associations.some((one) => one.nodeName === nodeName)) return { serverName, nodeName };
  return null;
}
