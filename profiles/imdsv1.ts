import type { MetadataOptions } from '../lib/instance.ts';
import type { LedgerItem } from '../lib/ledger-item.ts';
import type { Metadata, Profile } from '../lib/profile.ts';
import { profileVersion } from './version.ts';

/** Whether the instance answers IMDSv1. Options that its service did not return count as open. */
export function isImdsV1Open({ httpTokens, httpEndpoint }: MetadataOptions): boolean {
  return httpTokens !== 'required' && httpEndpoint !== 'disabled';
}

/** Whether the profile closes IMDSv1 on an instance on which it is open. */
export function closesImdsV1(options: MetadataOptions, wanted: Metadata): boolean {
  return isImdsV1Open(options) && (wanted.httpTokens === 'required' || wanted.httpEndpoint === 'disabled');
}

/** Whether its metadata options were put back on request and its profile has not changed since. */
export function isReverted(record: LedgerItem | null | undefined, profile: Profile): boolean {
  return record?.reverted?.profileVersion === profileVersion(profile);
}
