import { inRegionOf, whyForeign } from '../events/event.ts';
import { announcementOf, executionName, namedIn, naming, type TriggeredRequest } from '../events/request.ts';
import { interpret } from '../events/table.ts';
import { profilesIn } from '../lib/compiled.ts';
import { accountId, environment } from '../lib/config.ts';
import { ServiceUnavailable, Throttled } from '../lib/errors.ts';
import { answer, type Call } from '../lib/task.ts';
import { emit } from '../lib/telemetry.ts';
import { profilesForGroup } from '../profiles/match.ts';
import { startAnnounced } from '../services/announced-start.ts';
import { ignoreRequest, type StartOutcome, startRequests } from '../services/start-requests.ts';
import { startExecution } from '../services/state-machines.ts';

/** Starts `enrol-node` for each instance that an event announces, once per launch. */
export const handler = answer(async (event, call) => {
  const outcomes = await start(event, call);
  for (const { outcome } of [outcomes].flat()) if (outcome === 'ignored') emit('EnrolmentsIgnored');
  return outcomes;
});

async function start(event: unknown, call: Call): Promise<StartOutcome | StartOutcome[]> {
  // First, so that an event that names no possible account is refused and not taken for another account's.
  const interpretation = interpret(event);
  const foreign = whyForeign(event, accountId());
  if (foreign) return ignoreRequest(foreign, call);
  if (interpretation.kind === 'ignored') return ignoreRequest(interpretation.reason, call);
  if (interpretation.kind === 'retirement')
    return ignoreRequest('It asks for a retirement, not for an enrolment.', call);
  const requests = inRegionOf(event, interpretation.requests);
  const stateMachineArn = environment('ENROL_NODE_STATE_MACHINE_ARN');
  const starter = {
    kind: 'Enrolment',
    whyIgnored,
    nameOf: executionName,
    start: (name: string, request: TriggeredRequest) =>
      startLaunch({ stateMachineArn, name, input: naming(namedIn(request)) }, announcementOf(request), call),
  } as const;
  return startRequests(requests, starter, call);
}

/**
 * A launch must not expire because the ledger fails for a moment. Without its announcement the execution asks the services,
 * as it does for a person, and takes nothing from the event.
 */
async function startLaunch(
  execution: Parameters<typeof startAnnounced>[0],
  announcement: Parameters<typeof startAnnounced>[1],
  { signal, log }: Call,
): Promise<'started' | 'already-started'> {
  try {
    return await startAnnounced(execution, announcement, signal);
  } catch (error) {
    if (!(error instanceof ServiceUnavailable || error instanceof Throttled)) throw error;
    log('Starts without an announcement', { execution: execution.name, reason: error.message });
    return startExecution(execution.stateMachineArn, execution.name, execution.input, signal);
  }
}

/** Decides from the event alone, so that no execution is started only to find that there is nothing to do. */
function whyIgnored(request: TriggeredRequest): string | undefined {
  const { lifecycleAction, autoScalingGroupName: group, instanceId, lightsailInstanceName, region } = request;
  const own = profilesIn(region);
  if (own.length === 0) return `${instanceId ?? lightsailInstanceName} is in ${region}, which no profile names.`;
  // A hook that no profile names is another team's: its launch is not ours to delay or complete.
  if (lifecycleAction) {
    const name = lifecycleAction.lifecycleHookName;
    if (own.some((profile) => profile.lifecycleHook === name)) return undefined;
    return `${instanceId} launches under the hook ${name}, which no profile names.`;
  }
  if (group === undefined) return undefined;
  // Launch Successful is sent for every member of every group. If the profile names a hook, the hook's event enrols.
  const possible = profilesForGroup(own, group);
  if (possible.length === 0) return `${instanceId} was launched by the group ${group}, which no profile matches.`;
  if (possible.some(({ lifecycleHook }) => lifecycleHook === undefined)) return undefined;
  return `${instanceId} was launched by the group ${group}, whose profile enrols in a hook.`;
}
