import { associationsOf, toBeLeft, toBeUndone } from '../lib/associations.ts';
import { type InstanceRef, ledgerKey } from '../lib/instance.ts';
import type { LedgerItem } from '../lib/ledger-item.ts';
import type { Associate } from '../lib/servers.ts';
import type { Retirement } from '../lib/state.ts';
import { ourRegistration } from './re-image.ts';

/** What the ledger proves that we did for the instance and have not undone. */
export function retirementOf(
  which: InstanceRef,
  item: LedgerItem | undefined,
  outcome: Pick<Retirement, 'status' | 'reason' | 'wasRunning'> &
    Partial<Pick<Retirement, 'absentSince' | 'pauseSeconds' | 'waitsInGroup' | 'deadline'>>,
): Retirement {
  const { platform, instanceId, region } = which;
  const left = serversLeft(item, outcome.status);
  const register = (item && isUndone(outcome.status) && ourRegistration(item)) || null;
  return {
    platform,
    instanceId,
    region,
    ledgerKey: ledgerKey(which),
    absentSince: null,
    pauseSeconds: 0,
    waitsInGroup: null,
    ...outcome,
    generation: item?.generation ?? 0,
    nodeName: item?.nodeName ?? null,
    profile: item?.profile ?? null,
    profileVersion: item?.profileVersion ?? null,
    autoScalingGroupName: item?.autoScalingGroupName ?? null,
    register,
    opsworksInstanceId: item?.opsworksInstanceId ?? null,
    registeringUntil: item?.registeringUntil ?? null,
    associate: item?.associate ?? null,
    wants: { disassociation: left.length > 0, deregistration: register !== null },
    undoing: { left, failures: null },
  };
}

function serversLeft(item: LedgerItem | undefined, status: Retirement['status']): Associate[] {
  if (!item) return [];
  if (status === 'leaving') return toBeLeft(item).map(([, { server }]) => server);
  return isUndone(status) ? toBeUndone(associationsOf(item)).map(([, { server }]) => server) : [];
}

function isUndone(status: Retirement['status']): boolean {
  return status === 'retiring' || status === 're-imaging';
}
