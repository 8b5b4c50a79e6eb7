import { environment } from '../lib/config.ts';
import { type Announcement, announce } from './announcements.ts';
import { startExecution } from './state-machines.ts';

export interface AnnouncedStart {
  /** The execution's name stands for the occasion: the same one starts nothing twice. */
  readonly execution: string;
  readonly input: object;
  readonly announcement: Omit<Announcement, 'expiresAt'>;
}

/**
 * Starts the execution of enrol-node that answers an occasion. What is known of the occasion goes into the ledger first; the
 * input names the instance and nothing else.
 */
export function startEnrolment(start: AnnouncedStart, signal: AbortSignal): Promise<'started' | 'already-started'> {
  return startAnnounced(environment('ENROL_NODE_STATE_MACHINE_ARN'), start, signal);
}

/** The same of retire-node. */
export function startRetirement(start: AnnouncedStart, signal: AbortSignal): Promise<'started' | 'already-started'> {
  return startAnnounced(environment('RETIRE_NODE_STATE_MACHINE_ARN'), start, signal);
}

async function startAnnounced(
  stateMachineArn: string,
  { execution, input, announcement }: AnnouncedStart,
  signal: AbortSignal,
): Promise<'started' | 'already-started'> {
  const machine = stateMachineArn.slice(stateMachineArn.lastIndexOf(':') + 1);
  await announce(execution, { ...announcement, machine }, signal);
  return startExecution(stateMachineArn, execution, input, signal);
}
