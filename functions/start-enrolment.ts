import { namedIn, type TriggeredRequest } from '../events/request.ts';
import { startForRequest } from '../events/start.ts';
import { requestsOf } from '../events/table.ts';
import { profilesIn } from '../lib/compiled.ts';
import { accountId, environment } from '../lib/config.ts';
import { ServiceUnavailable, Throttled } from '../lib/errors.ts';
import { answer, type Invocation } from '../lib/task.ts';
import { emit } from '../lib/telemetry.ts';
import { whyNotStarted } from '../profiles/launch.ts';
import { type AnnouncedStart, startEnrolment } from '../services/announced-start.ts';
import { startRequests } from '../services/start-requests.ts';
import { startExecution } from '../services/state-machines.ts';

/** Starts `enrol-node` for each instance that an event announces, once per launch. */
export const handler = answer(async (event, invocation) => {
  const outcomes = await startRequests(
    requestsOf('enrolment', event, accountId()),
    {
      kind: 'Enrolment',
      whyIgnored,
      startOf: startForRequest,
      start: (start) => startLaunch(start, invocation),
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
    log('Starts without an announcement', { execution, reason: error.message });
    return startExecution(environment('ENROL_NODE_STATE_MACHINE_ARN'), execution, input, signal);
  }
}
