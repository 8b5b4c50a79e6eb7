import { inRegionOf } from '../events/event.ts';
import { executionName, type TriggeredRetirement } from '../events/request.ts';
import { interpret } from '../events/table.ts';
import { environment, home, profilesIn } from '../lib/config.ts';
import { answer, type Call } from '../lib/task.ts';
import { startExecution } from '../services/state-machines.ts';

/** Starts `retire-node` for each instance that an event says is going, once an event. */
export const handler = answer(async (event, call) => {
  const interpretation = interpret(event);
  if (interpretation.kind !== 'retirement') {
    return ignore(
      interpretation.kind === 'ignored' ? interpretation.reason : 'It announces no end of an instance.',
      call,
    );
  }
  const started = [];
  for (const request of inRegionOf(event, interpretation.requests, home())) {
    const reason = whyNotYet(request);
    started.push(reason ? ignore(reason, call) : await start(request, call));
  }
  return started;
});

/** Behind a hook of somebody else the instance may still be at work; its end is announced once more when it comes. */
function whyNotYet({ lifecycleAction, instanceId, region }: TriggeredRetirement): string | undefined {
  const name = lifecycleAction?.lifecycleHookName;
  if (!name || profilesIn(region ?? home()).some((profile) => profile.terminationHook === name)) return undefined;
  return `${instanceId} terminates under the hook ${name}, which no profile names.`;
}

async function start(request: TriggeredRetirement, call: Call) {
  const name = executionName(request);
  const outcome = await startExecution(environment().RETIRE_NODE_STATE_MACHINE_ARN, name, request, call.signal);
  call.log(outcome === 'started' ? 'Retirement started' : 'Retirement was started before', {
    instance: request.instanceId ?? request.lightsailInstanceName,
    execution: name,
  });
  return { execution: name, outcome };
}

function ignore(reason: string, call: Call) {
  call.log('Ignored', { reason });
  return { outcome: 'ignored', reason };
}
