import { inRegionOf, whyForeign } from '../events/event.ts';
import { executionName, namedIn, naming, type TriggeredRetirement } from '../events/request.ts';
import { interpret } from '../events/table.ts';
import { accountId, environment, home, profilesIn } from '../lib/config.ts';
import { type InstanceRef, ledgerKey } from '../lib/instance.ts';
import { answer, type Call } from '../lib/task.ts';
import { mayMatch } from '../profiles/retirement.ts';
import { startAnnounced } from '../services/announced-start.ts';
import { findItem } from '../services/ledger.ts';

/** Starts `retire-node` for each instance that an event says is going, once an event. */
export const handler = answer(async (event, call) => {
  const foreign = whyForeign(event, accountId());
  if (foreign) return ignore(foreign, call);
  const interpretation = interpret(event);
  if (interpretation.kind !== 'retirement') {
    return ignore(
      interpretation.kind === 'ignored' ? interpretation.reason : 'It announces no end of an instance.',
      call,
    );
  }
  const started = [];
  for (const request of inRegionOf(event, interpretation.requests, home())) {
    const instance = namedIn(request, home());
    const reason = whyNotYet(request, instance) ?? (await whyNotOurs(request, instance, call));
    started.push(reason ? ignore(reason, call) : await start(request, instance, call));
  }
  return started;
});

/** Under another team's hook the instance may still be at work; its end is announced once more when it comes. */
function whyNotYet({ lifecycleAction }: TriggeredRetirement, { instanceId, region }: InstanceRef): string | undefined {
  const name = lifecycleAction?.lifecycleHookName;
  if (!name || profilesIn(region).some((profile) => profile.terminationHook === name)) return undefined;
  return `${instanceId} terminates under the hook ${name}, which no profile names.`;
}

/** An account has terminations of many groups: those that no profile matches would each cost an execution and an item. */
async function whyNotOurs(
  { lifecycleAction, autoScalingGroupName = lifecycleAction?.autoScalingGroupName }: TriggeredRetirement,
  instance: InstanceRef,
  { signal }: Call,
): Promise<string | undefined> {
  const group = autoScalingGroupName ?? null;
  if (mayMatch(profilesIn(instance.region), instance, group)) return undefined;
  const item = await findItem(ledgerKey(instance), signal);
  if (item && item.status !== 'retired') return undefined;
  const where = group === null ? '' : ` of the group ${group}`;
  return `No profile matches ${instance.instanceId}${where}, and the ledger does not know it.`;
}

async function start(request: TriggeredRetirement, instance: InstanceRef, call: Call) {
  const { trigger, lifecycleAction, autoScalingGroupName, destination } = request;
  const name = executionName(request);
  const outcome = await startAnnounced(
    {
      stateMachineArn: environment().RETIRE_NODE_STATE_MACHINE_ARN,
      name,
      input: naming(instance, home()),
    },
    {
      ...trigger,
      subject: ledgerKey(instance),
      by: 'event',
      autoScalingGroupName: lifecycleAction?.autoScalingGroupName ?? autoScalingGroupName,
      lifecycleHookName: lifecycleAction?.lifecycleHookName,
      origin: lifecycleAction?.origin,
      destination: lifecycleAction?.destination ?? destination,
    },
    call.signal,
  );
  call.log(outcome === 'started' ? 'Retirement started' : 'Retirement was started before', {
    instance: instance.instanceId,
    execution: name,
  });
  return { execution: name, outcome };
}

function ignore(reason: string, call: Call) {
  call.log('Ignored', { reason });
  return { outcome: 'ignored', reason };
}
