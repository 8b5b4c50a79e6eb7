import { type Announcement, announce } from './announcements.ts';
import { startExecution } from './state-machines.ts';

/**
 * Starts the execution that answers an occasion. What is known of the occasion goes into the ledger first; the input names
 * the instance and nothing else.
 * @param name stands for the occasion: the same one starts nothing twice
 */
export async function startAnnounced(
  { stateMachineArn, name, input }: { stateMachineArn: string; name: string; input: object },
  announcement: Omit<Announcement, 'expiresAt'>,
  signal: AbortSignal,
): Promise<'started' | 'already-started'> {
  await announce(name, announcement, signal);
  return startExecution(stateMachineArn, name, input, signal);
}
