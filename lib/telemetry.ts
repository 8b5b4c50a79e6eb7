import { stage } from './config.ts';
import { printable } from './quoted.ts';

/** Two stages may share an account; whatever is counted or logged says which one it is of. */
const origin = () => ({ service: 'muster', stage: stage() });

/**
 * One JSON object a line. Written by hand, because a library for it would be a seventh of each function's code. Nodes
 * and services choose part of what is logged: every string is made printable.
 */
function write(line: Record<string, unknown>): void {
  const text = JSON.stringify(line, (_key, value) => (typeof value === 'string' ? printable(value) : value));
  // Not by `console`, which Lambda may wrap into lines of its own.
  process.stdout.write(`${text}\n`);
}

type Log = (message: string, extra?: Record<string, unknown>) => void;

function logging(level: 'INFO' | 'WARN' | 'ERROR'): Log {
  return (message, extra) => write({ level, message, timestamp: new Date().toISOString(), ...origin(), ...extra });
}

export const logger = { info: logging('INFO'), warn: logging('WARN'), error: logging('ERROR') };

/** Every metric that Muster emits, with its unit. */
export const METRICS = {
  EnrolmentsStarted: 'Count',
  EnrolmentsSucceeded: 'Count',
  EnrolmentsFailed: 'Count',
  EnrolmentsIgnored: 'Count',
  /** A profile's onFailure was not followed: the relaunch guard, or an error that is no verdict, turned it into hold. */
  PolicyRelaxed: 'Count',
  /** With the dimension `rule`: refused for what the node, or the request, showed as its identity. */
  IdentitiesRejected: 'Count',
  RetirementsSucceeded: 'Count',
  RetirementsFailed: 'Count',
  /** With the dimension `state`: attempts after a state's first. */
  Retries: 'Count',
  /** From the launch to the end of the enrolment. */
  SecondsToManaged: 'Seconds',
  /** A failed enrolment left its launch in its hook, for a person. */
  EnrolmentsHeld: 'Count',
  /** There was nothing left to enrol: the instance is as its profile says, and only its launch was finished. */
  EnrolmentsFoundDone: 'Count',
  /** A launch waits in a hook of ours, and no profile asks for its instance: its hook will decide by its time-out. */
  LaunchesUnmatched: 'Count',
  /** An outcome event could not be sent; the ledger and the execution have the outcome itself. */
  NotificationsDropped: 'Count',
  /** A held launch will be decided by its hook's time-out soon. Counted in every round of the watch until then. */
  LaunchesExpiring: 'Count',
  /** Of an enrolment that is not ready yet: since it was started. */
  SecondsWaiting: 'Seconds',
  /** With the dimension `state`: a service still refused for its rate after the SDK's own attempts. */
  Throttles: 'Count',
} as const;

/**
 * Emits one value. Each goes out on its own, because a process may serve several invocations at once.
 * Source: CloudWatch embedded metric format.
 */
export function emit(metric: keyof typeof METRICS, value = 1, dimensions: Record<string, string> = {}): void {
  const all = { ...origin(), ...dimensions };
  const Metrics = [{ Name: metric, Unit: METRICS[metric] }];
  const CloudWatchMetrics = [{ Namespace: 'Muster', Dimensions: [Object.keys(all)], Metrics }];
  write({ _aws: { Timestamp: Date.now(), CloudWatchMetrics }, ...all, [metric]: value });
}
