import * as z from 'zod';
import { type InstanceInput, namedIn as namedInRequest } from '../events/request.ts';
import { lightsailNodeName } from '../lib/instance.ts';
import { REGION } from '../world/kernel/account.ts';
import type { ExecutionView } from '../world/states/engine.ts';
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
  const named = namedIn(execution);
  const data = execution.outcome.output as Data | undefined;
  const known = data?.enrolment ?? lastKnown(execution);
  return {
    ...{ instance: named.instance, platform: named.platform },
    profile: known?.profile ?? null,
    outcome: outcomeOf(execution),
    attempts: attemptsOf(execution),
    ...heldOf(world, named),
    seconds: Math.round(((execution.stoppedAt ?? world.clock.now()) - execution.startedAt) / 1000),
    cause: execution.outcome.cause ?? known?.reason ?? null,
  };
}

/** Tells of an instance for which no execution was started. */
export function describeIgnored(world: World, named: Named, cause: string | null): Enrolment {
  const nothing = { profile: null, outcome: 'ignored', attempts: {} } as const;
  return {
    ...{ instance: named.instance, platform: named.platform },
    ...nothing,
    ...heldOf(world, named),
    seconds: 0,
    cause,
  };
}

/** The instance that a line is about. */
export interface Named extends Pick<Enrolment, 'instance' | 'platform'> {
  /** Two Regions may have a Lightsail instance of one name. */
  readonly region: string;
}

/** A person may have typed anything that is JSON. */
const Request = z
  .object({
    instanceId: z.string().optional().catch(undefined),
    lightsailInstanceName: z.string().optional().catch(undefined),
    region: z.string().optional().catch(undefined),
  })
  .catch({});

/** The instance that an execution is about, as its input names it; empty when the input names none. */
export function namedIn({ inputText }: Pick<ExecutionView, 'inputText'>): Named {
  return named(Request.parse(JSON.parse(inputText)));
}

/** The instance that a request is about. */
export function named({ region = REGION, ...request }: InstanceInput): Named {
  const { instanceId: instance, ...where } = namedInRequest({ ...request, region });
  return { instance, ...where };
}

/** What the services hold of an instance now. */
function heldOf(world: World, named: Named) {
  const { instance, platform, region } = named;
  const registration = world.opsWorks.snapshot().instances.find((one) => one.ec2InstanceId === instance);
  const found = platform === 'ec2' ? world.ec2.instance(instance) : world.lightsail.instance(instance, region);
  return {
    association: associationOf(world, named),
    opsworksInstanceId: registration?.instanceId ?? null,
    metadata: found?.metadataOptions ?? null,
    lifecycle: world.autoScaling.members.get(instance)?.lifecycleState ?? null,
  };
}

interface Data {
  readonly enrolment?: { readonly profile: string | null; readonly reason: string | null };
}

/** A failed execution has no output; the last state that it entered has what it knew. */
function lastKnown({ events }: ExecutionView): Data['enrolment'] {
  const entered = events.findLast(({ type }) => type.endsWith('StateEntered'));
  return (entered?.details?.input as Data | undefined)?.enrolment;
}

export function outcomeOf({ status, stateName }: ExecutionView): Enrolment['outcome'] {
  if (status === 'RUNNING') return 'running';
  if (status !== 'SUCCEEDED') return 'failed';
  return stateName === 'Ignored' ? 'ignored' : 'enrolled';
}

/** Attempts of each task state, in the order of their first. */
function attemptsOf({ events }: ExecutionView): Record<string, number> {
  const attempts: Record<string, number> = {};
  let state = '';
  for (const { type, details } of events) {
    if (type === 'TaskStateEntered') state = details?.name ?? '';
    if (type === 'LambdaFunctionScheduled') attempts[state] = (attempts[state] ?? 0) + 1;
  }
  return attempts;
}

function associationOf({ opsWorksCm }: World, { platform, instance, region }: Named): Enrolment['association'] {
  const nodeName = platform === 'ec2' ? instance : lightsailNodeName({ instanceId: instance, region }, REGION);
  for (const [serverName, { associations }] of Object.entries(opsWorksCm.snapshot().servers))
    if (associations.some((one) => one.nodeName === nodeName)) return { serverName, nodeName };
  return null;
}
