import type { LedgerItem } from '../lib/ledger-item.ts';
import { isRunning } from './state-machines.ts';

/** Whether an execution works on the instance at the moment. An execution that has ended owns nothing. */
export async function isOwned({ status, execution }: LedgerItem, signal: AbortSignal): Promise<boolean> {
  if (status !== 'enrolling' && status !== 'retiring' && status !== 're-imaging') return false;
  return isRunning(execution, signal);
}
