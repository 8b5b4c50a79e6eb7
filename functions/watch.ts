import * as z from 'zod';
import { Instant, WATCH } from '../events/request.ts';
import { startOn } from '../events/start.ts';
import { profiles } from '../lib/compiled.ts';
import { environment } from '../lib/config.ts';
import { InvalidRequest } from '../lib/errors.ts';
import { namedBy } from '../lib/instance.ts';
import { TaskContext } from '../lib/state.ts';
import { answer } from '../lib/task.ts';
import { emit } from '../lib/telemetry.ts';
import { hookOfAction, type WaitingAction } from '../lib/waiting-action.ts';
import { isAnotherLookDue, limitOf, watchName } from '../profiles/waiting.ts';
import { startEnrolment, startRetirement } from '../services/announced-start.ts';
import { findHook, listGroups, recordHeartbeat, warmPoolStates } from '../services/auto-scaling.ts';
import { startExecution } from '../services/state-machines.ts';
import { findWaiting, listWaiting, recordWaiting, removeWaiting, updateWaiting } from '../services/waiting-actions.ts';
import { runWatch } from '../watch/run.ts';
import type { WatchServices } from '../watch/services.ts';

/** Its rule invokes it once a minute with an event of its own; watch-hooks within the minute, as a task. */
const Invocation = z.union([
  z.object({ time: Instant }).transform(({ time }) => ({ at: new Date(time).toISOString(), startTime: null })),
  z.object({ task: TaskContext }).transform(({ task }) => ({ at: task.enteredTime, startTime: task.startTime })),
]);

/** Sends the heartbeats that are due, and starts executions for actions whose event was lost: watch/run.ts. */
export const handler = answer(async (event, { signal, log }) => {
  const { data: invocation } = Invocation.safeParse(event);
  if (!invocation)
    throw new InvalidRequest(
      'The watch takes the event of its rule, which has a time, or the context of a state, under task.',
    );
  const { at, startTime } = invocation;
  const round = { at, isFull: startTime === null, profiles: profiles(), services: servicesWith(signal) };
  const { errors, expiring, ...report } = await runWatch(round);
  for (const { subject, lifecycleHookName, ...action } of expiring) {
    emit('LaunchesExpiring');
    log('A launch is about to be decided by its hook', {
      instance: subject,
      hook: lifecycleHookName,
      limit: limitOf(action),
    });
  }
  if (report.started.length > 0) log('Started what no event has started', { executions: report.started });
  for (const error of errors.slice(1)) log('Failed in this round', { reason: String(error) });
  // The round is complete. Throw, so that the alarm counts it; the next round tries again.
  if (errors.length > 0) throw errors[0];
  return { ...report, isToBeRepeated: startTime !== null && isAnotherLookDue(startTime, at) };
});

function servicesWith(signal: AbortSignal): WatchServices {
  return {
    listWaiting: () => listWaiting(signal),
    findWaiting: (subject) => findWaiting(subject, signal),
    recordWaiting: (action) => recordWaiting(action, signal),
    recordHeartbeatAt: (action, heartbeatAt) => updateWaiting(action, { heartbeatAt }, signal),
    recordExecution: (action, execution) => updateWaiting(action, { execution }, signal),
    remove: ({ subject, since }) => removeWaiting(subject, since, signal),
    listGroups: (names, region) => listGroups(names, region, signal),
    warmPoolStates: (group, region) => warmPoolStates(group, region, signal),
    heartbeat: (hook, instance) => recordHeartbeat(hook, instance, signal),
    findHook: (hook, region) => findHook(hook, region, signal),
    start: (action) => start(action, signal),
    startShortRounds: async (at) =>
      void (await startExecution(environment('WATCH_HOOKS_STATE_MACHINE_ARN'), watchName(at), {}, signal)),
  };
}

async function start(action: WaitingAction, signal: AbortSignal): Promise<string> {
  const { subject: instance, region, since, seenAt, transition } = action;
  const occasion = {
    by: 'watch',
    detailType: WATCH,
    eventId: `${transition} since ${since}`,
    eventTime: seenAt,
  } as const;
  const start = startOn(namedBy({ instance, region }), { ...occasion, ...hookOfAction(action) });
  await (transition === 'launching' ? startEnrolment(start, signal) : startRetirement(start, signal));
  return start.execution;
}
