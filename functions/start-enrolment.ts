import { inRegionOf, whyForeign } from '../events/event.ts';
import { executionName, type TriggeredRequest } from '../events/request.ts';
import { interpret } from '../events/table.ts';
import { accountId, environment, home, profilesIn } from '../lib/config.ts';
import { answer, type Call } from '../lib/task.ts';
import { emit } from '../lib/telemetry.ts';
import { profilesForGroup } from '../profiles/match.ts';
import { startExecution } from '../services/state-machines.ts';

/**
 * Starts `enrol-node` for each instance that an event announces. The execution's name is made from the event, so an
 * event that comes twice starts nothing twice.
 */
export const handler = answer(async (event, call) => {
  const foreign = whyForeign(event, accountId());
  if (foreign) return ignore(foreign, call);
  const interpretation = interpret(event);
  if (interpretation.kind === 'ignored') return ignore(interpretation.reason, call);
  if (interpretation.kind === 'retirement') return ignore('It asks for a retirement, not for an enrolment.', call);
  const started = [];
  for (const request of inRegionOf(event, interpretation.requests, home())) {
    const reason = whyNotOurs(request);
    started.push(reason ? ignore(reason, call) : await start(request, call));
  }
  return started;
});

/** What can be told from the event alone: nothing is started only to find that there is nothing to do. */
function whyNotOurs(request: TriggeredRequest): string | undefined {
  const { lifecycleAction, autoScalingGroupName: group, instanceId, lightsailInstanceName, region = home() } = request;
  const own = profilesIn(region);
  if (own.length === 0) return `${instanceId ?? lightsailInstanceName} is in ${region}, which no profile names.`;
  // A hook that no profile names belongs to somebody else; its launch is not ours to delay or to complete.
  if (lifecycleAction) {
    const name = lifecycleAction.lifecycleHookName;
    if (own.some((profile) => profile.lifecycleHook === name)) return undefined;
    return `${instanceId} launches under the hook ${name}, which no profile names.`;
  }
  if (group === undefined) return undefined;
  // Launch Successful comes for every member of every group; where a hook is named, the hook's own event enrols.
  const possible = profilesForGroup(own, group);
  if (possible.length === 0) return `${instanceId} was launched by the group ${group}, which no profile matches.`;
  if (possible.some(({ lifecycleHook }) => lifecycleHook === undefined)) return undefined;
  return `${instanceId} was launched by the group ${group}, whose profile enrols in a hook.`;
}

async function start(request: TriggeredRequest, call: Call) {
  const name = executionName(request);
  const outcome = await startExecution(environment().ENROL_NODE_STATE_MACHINE_ARN, name, request, call.signal);
  call.log(outcome === 'started' ? 'Enrolment started' : 'Enrolment was started before', {
    instance: request.instanceId ?? request.lightsailInstanceName,
    execution: name,
  });
  return { execution: name, outcome };
}

function ignore(reason: string, call: Call) {
  call.log('Ignored', { reason });
  emit('EnrolmentsIgnored');
  return { outcome: 'ignored', reason };
}
