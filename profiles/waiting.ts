/** The timing of lifecycle actions that wait in hooks of ours: the watch's rounds, and the pauses of an enrolment. */
import type { WaitingAction } from '../lib/waiting-action.ts';

/** The longest a rule with `rate(1 minute)` takes from one run to the next: it is exact to the minute. */
export const LONGEST_ROUND_SECONDS = 120;

/** The time-out of the watch's function: a heartbeat is sent within it, if at all. */
export const WATCH_TIMEOUT_SECONDS = 15;

/** Shorter hooks expire between two rounds: the watch then looks several times within its minute. */
export const SHORTEST_FOR_ROUNDS_SECONDS = 180;

/** Between two looks at short hooks within a minute: the Pause of watch-hooks, and the longest that its task takes. */
export const SHORT_LOOK_SECONDS = 6;
const LONGEST_SHORT_LOOK_SECONDS = SHORT_LOOK_SECONDS + 20;

/** An execution of watch-hooks looks for so long: into the next minute, whose own may start late. */
const SHORT_LOOKS_SECONDS = 100;

/** An event may be on its way for so long before the watch starts what it would have started. */
const START_AFTER_SECONDS = 60;

/** For the decision of an enrolment that has waited until its deadline: test/unit/statemachines/stretch.test.ts. */
const DECISION_SECONDS = 900;

/** By then every enrolment has been decided, so what still waits is held, or cannot be decided. */
const DECIDED_WITHIN_SECONDS = 600;

/** The hook's limits, as DescribeLifecycleHooks has them. */
export interface HookLimits {
  readonly heartbeatTimeoutSeconds: number;
  readonly globalTimeoutSeconds: number;
}

/** How long before the hook's limit an enrolment stops waiting: for its decision, and at least one HeartbeatTimeout. */
export function marginSeconds({ heartbeatTimeoutSeconds }: Pick<HookLimits, 'heartbeatTimeoutSeconds'>): number {
  return Math.max(DECISION_SECONDS, heartbeatTimeoutSeconds);
}

/** When the hook's own default decides, whatever heartbeats say. */
export function limitOf({
  since,
  globalTimeoutSeconds,
}: Pick<WaitingAction, 'since' | 'globalTimeoutSeconds'>): string {
  return after(since, globalTimeoutSeconds);
}

export function isShort({ heartbeatTimeoutSeconds }: Pick<HookLimits, 'heartbeatTimeoutSeconds'>): boolean {
  return heartbeatTimeoutSeconds < SHORTEST_FOR_ROUNDS_SECONDS;
}

/**
 * How long after a heartbeat the next one is due: a third of the HeartbeatTimeout, or earlier, so that the look after a
 * failed one is still in time for hooks of five minutes or more.
 */
export function dueAfterSeconds(limits: Pick<HookLimits, 'heartbeatTimeoutSeconds'>): number {
  const { heartbeatTimeoutSeconds } = limits;
  const latest = heartbeatTimeoutSeconds - 2 * longestLookSeconds(limits);
  return Math.max(0, Math.min(heartbeatTimeoutSeconds / 3, latest));
}

/** The longest from one look of the watch to the end of the next. */
export function longestLookSeconds(limits: Pick<HookLimits, 'heartbeatTimeoutSeconds'>): number {
  return isShort(limits) ? LONGEST_SHORT_LOOK_SECONDS : LONGEST_ROUND_SECONDS + WATCH_TIMEOUT_SECONDS;
}

export function isHeartbeatDue(action: WaitingAction, at: string): boolean {
  return secondsBetween(action.heartbeatAt ?? action.since, at) >= dueAfterSeconds(action);
}

/** Between two looks of an enrolment at something that takes hours: two days of them fit into one history. */
const LONGEST_PAUSE_SECONDS = 840;

/** A loop without a pause would use up the history within seconds. */
const SHORTEST_PAUSE_SECONDS = 5;

/**
 * The pause of an enrolment before it looks again: a tenth of the time that it has waited, which is soon enough after a
 * minute, and after hours rare enough. At an even pace, 48 hours would not fit into the 25,000 events of a history.
 */
export function pauseOf(
  { startTime, enteredTime }: { readonly startTime: string; readonly enteredTime: string },
  deadline: string,
): { deadline: string; pauseSeconds: number; isTimeOver: boolean } {
  const waitedSeconds = secondsBetween(startTime, enteredTime);
  const leftSeconds = secondsBetween(enteredTime, deadline);
  const pause = Math.ceil(Math.min(waitedSeconds / 10, LONGEST_PAUSE_SECONDS, leftSeconds));
  const pauseSeconds = Math.max(SHORTEST_PAUSE_SECONDS, pause);
  // At the deadline the execution returns to KeepWaiting, whose error names what was waited for.
  return { deadline, pauseSeconds, isTimeOver: pauseSeconds >= leftSeconds };
}

/** Whether the action waits without an execution that answers it, for longer than an event is on its way. */
export function isUnanswered({ execution, seenAt }: WaitingAction, at: string): boolean {
  return execution === undefined && secondsBetween(seenAt, at) >= START_AFTER_SECONDS;
}

/** Whether a launch that no enrolment will decide any more is about to be decided by its hook. */
export function isExpiring(action: WaitingAction, at: string): boolean {
  if (action.transition !== 'launching') return false;
  return secondsBetween(at, limitOf(action)) <= marginSeconds(action) - DECIDED_WITHIN_SECONDS;
}

/** The execution that looks at short hooks within a minute: one for each minute. */
export function watchName(at: string): string {
  return `short-hooks-${new Date(at).toISOString().slice(0, 16).replace(':', '')}`;
}

/** Whether an execution of watch-hooks looks again: also where nothing waits, for what begins to wait in its minute. */
export function isAnotherLookDue(startTime: string, at: string): boolean {
  return secondsBetween(startTime, at) < SHORT_LOOKS_SECONDS;
}

export function after(instant: string, seconds: number): string {
  return new Date(Date.parse(instant) + seconds * 1000).toISOString();
}

export function secondsBetween(from: string, to: string): number {
  return (Date.parse(to) - Date.parse(from)) / 1000;
}
