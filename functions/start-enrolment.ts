import { namedIn, type TriggeredRequest } from '../events/request.ts';
import { startForRequest } from '../events/start.ts';
import { requestsOf } from '../events/table.ts';
import { profilesIn } from '../lib/compiled.ts';
import { accountId, environment } from '../lib/config.ts';
import { ServiceUnavailable, Throttled } from '../lib/errors.ts';
import { type InstanceRef, ledgerKey } from '../lib/instance.ts';
import type { Hook } from '../lib/state.ts';
import { answer, type Invocation } from '../lib/task.ts';
import { emit } from '../lib/telemetry.ts';
import { whyNotStarted } from '../profiles/launch.ts';
import { profilesForGroup } from '../profiles/match.ts';
import { isShort, watchName } from '../profiles/waiting.ts';
import { type AnnouncedStart, startEnrolment } from '../services/announced-start.ts';
import { recordHeartbeat } from '../services/auto-scaling.ts';
import { refusalOf } from '../services/aws.ts';
import { startRequests } from '../services/start-requests.ts';
import { startExecution } from '../services/state-machines.ts';
import { recordWaitingLaunch, removeExecution } from '../services/waiting-actions.ts';

/** Starts `enrol-node` for each instance that an event announces, once per launch. */
export const handler = answer(async (event, invocation) => {
  const outcomes = await startRequests(
    requestsOf('enrolment', event, accountId()),
    {
      kind: 'Enrolment',
      whyIgnored,
      startOf: startForRequest,
      start: async (start, _signal, request) => {
        const launch = await sendFirstHeartbeat(start.execution, request, invocation);
        const recording = launch && recordLaunch(launch, invocation);
        try {
          return await startLaunch(start, invocation);
        } catch (error) {
          await recording;
          if (launch) await forgetExecution(launch, invocation);
          throw error;
        } finally {
          await recording;
        }
      },
    },
    invocation,
  );
  for (const { outcome } of [outcomes].flat()) if (outcome === 'ignored') emit('EnrolmentsIgnored');
  return outcomes;
});

/** Decides from the event alone, so that no execution is started only to find that there is nothing to do. */
function whyIgnored(request: TriggeredRequest): string | undefined {
  const { lifecycleAction, autoScalingGroupName } = request;
  const announced = { autoScalingGroupName, lifecycleHookName: lifecycleAction?.lifecycleHookName };
  return whyNotStarted(profilesIn(request.region), namedIn(request), announced);
}

/** A launch that waits in a hook of ours. */
interface WaitingLaunch {
  readonly execution: string;
  readonly instance: InstanceRef;
  readonly hook: Hook;
  /** When its event was sent: the hook began to wait then. */
  readonly since: string;
  /** Whether the hook has accepted its first heartbeat. */
  readonly isHeartbeatTaken: boolean;
}

/**
 * Before anything else: a hook may expire within half a minute, and from here on the watch keeps it alive. If it cannot be
 * sent, the enrolment starts all the same.
 */
async function sendFirstHeartbeat(
  execution: string,
  request: TriggeredRequest,
  { signal, log }: Invocation,
): Promise<WaitingLaunch | undefined> {
  const instance = namedIn(request);
  const hook = ourHook(request);
  if (!hook) return undefined;
  const launch = { execution, instance, hook, since: request.trigger.eventTime };
  try {
    return { ...launch, isHeartbeatTaken: (await recordHeartbeat(hook, instance, signal)) === 'recorded' };
  } catch (error) {
    log('The first heartbeat could not be sent', { instance: instance.instanceId, reason: refusalOf(error) });
    return { ...launch, isHeartbeatTaken: false };
  }
}

/** A hook that a profile names for the group. Another team's hook may have the same name in another group. */
function ourHook({ lifecycleAction, region }: TriggeredRequest): Hook | undefined {
  if (!lifecycleAction) return undefined;
  const { autoScalingGroupName, lifecycleHookName } = lifecycleAction;
  const possible = profilesForGroup(profilesIn(region), autoScalingGroupName);
  const isOurs = possible.some(({ lifecycleHook }) => lifecycleHook === lifecycleHookName);
  return isOurs ? { autoScalingGroupName, lifecycleHookName } : undefined;
}

/** Has the watch keep the launch alive. What cannot be written now, the next round finds, if the hook lasts that long. */
async function recordLaunch(
  { execution, instance, hook, since, isHeartbeatTaken }: WaitingLaunch,
  { signal, log }: Invocation,
): Promise<void> {
  try {
    const known = { since, seenAt: since, execution, ...(isHeartbeatTaken && { heartbeatAt: since }) };
    const action = await recordWaitingLaunch({ instance, hook, ...known }, signal);
    if (action && isShort(action))
      await startExecution(environment('WATCH_HOOKS_STATE_MACHINE_ARN'), watchName(since), {}, signal);
  } catch (error) {
    log('The launch could not be recorded: the watch has to find it', {
      instance: instance.instanceId,
      reason: refusalOf(error),
    });
  }
}

/** The execution could not be started: if Lambda's retries fail as well, the watch starts one. */
async function forgetExecution({ instance, since }: WaitingLaunch, { signal, log }: Invocation): Promise<void> {
  try {
    await removeExecution({ subject: ledgerKey(instance), since }, signal);
  } catch (error) {
    log('The watch will not start the execution', { instance: instance.instanceId, reason: refusalOf(error) });
  }
}

/**
 * A launch must not expire because the ledger fails for a moment. Without its announcement the execution asks the services,
 * as it does for a person, and takes nothing from the event.
 */
async function startLaunch(start: AnnouncedStart, { signal, log }: Invocation): Promise<'started' | 'already-started'> {
  try {
    return await startEnrolment(start, signal);
  } catch (error) {
    if (!(error instanceof ServiceUnavailable || error instanceof Throttled)) throw error;
    const { execution, input } = start;
    log('Starts again, without an announcement', { execution, reason: error.message });
    return startExecution(environment('ENROL_NODE_STATE_MACHINE_ARN'), execution, input, signal);
  }
}
