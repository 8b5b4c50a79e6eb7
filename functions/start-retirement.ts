import { inRegionOf, whyForeign } from '../events/event.ts';
import { executionName, namedIn, naming, type TriggeredRetirement } from '../events/request.ts';
import { interpret } from '../events/table.ts';
import { profilesIn } from '../lib/compiled.ts';
import { accountId, environment } from '../lib/config.ts';
import { type InstanceRef, ledgerKey } from '../lib/instance.ts';
import { answer } from '../lib/task.ts';
import { mayMatch } from '../profiles/retirement.ts';
import { startAnnounced } from '../services/announced-start.ts';
import { findItem } from '../services/ledger.ts';
import { ignoreRequest, startRequests } from '../services/start-requests.ts';

/** Starts `retire-node` for each instance that an event says is terminating, once per event. */
export const handler = answer(async (event, call) => {
  // First, so that an event that names no possible account is refused and not taken for another account's.
  const interpretation = interpret(event);
  const foreign = whyForeign(event, accountId());
  if (foreign) return ignoreRequest(foreign, call);
  if (interpretation.kind === 'ignored') return ignoreRequest(interpretation.reason, call);
  if (interpretation.kind === 'enrolment') return ignoreRequest('It announces no end of an instance.', call);
  const requests = inRegionOf(event, interpretation.requests);
  const { signal } = call;
  return startRequests(
    requests,
    {
      kind: 'Retirement',
      whyIgnored: (request) => whyIgnored(request, signal),
      nameOf: executionName,
      start: (name, request) => start(name, request, signal),
    },
    call,
  );
});

async function whyIgnored(request: TriggeredRetirement, signal: AbortSignal): Promise<string | undefined> {
  const instance = namedIn(request);
  return whyNotYet(request, instance) ?? (await whyNotOurs(request, instance, signal));
}

/** In another team's hook the instance may still be in use. Its end is announced again when it comes. */
function whyNotYet({ lifecycleAction }: TriggeredRetirement, { instanceId, region }: InstanceRef): string | undefined {
  const name = lifecycleAction?.lifecycleHookName;
  if (!name || profilesIn(region).some((profile) => profile.terminationHook === name)) return undefined;
  return `${instanceId} terminates under the hook ${name}, which no profile names.`;
}

/** Terminations of groups that no profile matches would each cost an execution and a ledger item. */
async function whyNotOurs(
  { lifecycleAction, autoScalingGroupName = lifecycleAction?.autoScalingGroupName }: TriggeredRetirement,
  instance: InstanceRef,
  signal: AbortSignal,
): Promise<string | undefined> {
  const group = autoScalingGroupName ?? null;
  if (mayMatch(profilesIn(instance.region), instance, group)) return undefined;
  const item = await findItem(ledgerKey(instance), signal);
  if (item && item.status !== 'retired') return undefined;
  const where = group === null ? '' : ` of the group ${group}`;
  return `No profile matches ${instance.instanceId}${where}, and the ledger does not know it.`;
}

function start(name: string, request: TriggeredRetirement, signal: AbortSignal) {
  const { trigger, lifecycleAction, autoScalingGroupName, destination } = request;
  const instance = namedIn(request);
  return startAnnounced(
    { stateMachineArn: environment('RETIRE_NODE_STATE_MACHINE_ARN'), name, input: naming(instance) },
    {
      ...trigger,
      subject: ledgerKey(instance),
      by: 'event',
      autoScalingGroupName: lifecycleAction?.autoScalingGroupName ?? autoScalingGroupName,
      lifecycleHookName: lifecycleAction?.lifecycleHookName,
      origin: lifecycleAction?.origin,
      destination: lifecycleAction?.destination ?? destination,
    },
    signal,
  );
}
