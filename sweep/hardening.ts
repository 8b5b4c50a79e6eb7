import { type Instance, ledgerKey } from '../lib/instance.ts';
import type { LedgerItem } from '../lib/ledger-item.ts';
import type { Profile } from '../lib/profile.ts';
import { closesImdsV1, isReverted } from '../profiles/imdsv1.ts';
import { type CanaryFacts, DAY_MILLISECONDS } from './canary.ts';

export type HardeningVerdict =
  | { readonly may: true }
  | {
      readonly may: false;
      readonly finding: 'still-on-imdsv1' | 'after-canary' | 'reverted' | 'unknown';
      /** A sentence. */
      readonly reason: string;
    };

export interface HardeningContext {
  readonly profile: Profile;
  /** The instant of the sweep. */
  readonly at: string;
  /** Within the profile's look-back; null where that is unknown. */
  readonly imdsV1Calls: number | null;
  readonly record: LedgerItem | null;
  readonly fleet: CanaryFacts;
}

/**
 * Whether IMDSv1 may be closed on an instance that runs: its software has shown that it does without, and the canary of its
 * fleet has been healthy for a day. A new launch is not asked: it is hardened before anything runs on it.
 *
 *   canary hardened ──────────── a day ────────────► the others
 *         └── an enrolment of it failed: no other, until that is mended
 */
export function hardeningVerdict(instance: Instance, context: HardeningContext): HardeningVerdict {
  const { profile, imdsV1Calls, record } = context;
  const { metadata } = profile;
  if (!metadata) return { may: true };
  if (isReverted(record, profile))
    return no(
      'reverted',
      `Its metadata options were put back on request at ${record?.reverted?.at}. They stay so until the profile ${profile.name} changes.`,
    );
  if (!closesImdsV1(instance.metadataOptions, metadata)) return { may: true };
  const days = metadata.lookBackDays === 1 ? 'day' : `${metadata.lookBackDays} days`;
  if (imdsV1Calls === null)
    return no(
      'unknown',
      `It is not known whether it uses IMDSv1: its metric MetadataNoToken gave no data of the last ${days}. It has none before it has run for some minutes.`,
    );
  if (imdsV1Calls !== 0)
    return no(
      'still-on-imdsv1',
      `It still uses IMDSv1: ${imdsV1Calls} calls without a token in the last ${days}. Have its software use IMDSv2; it is hardened when none was made for so long.`,
    );
  return ofTheCanary(instance, context);
}

function ofTheCanary(instance: Instance, { at, fleet }: HardeningContext): HardeningVerdict {
  if (fleet.keys.has(ledgerKey(instance))) return { may: true };
  if (fleet.stopped) return no('after-canary', fleet.stopped);
  const [first] = fleet.awaited;
  if (first) return no('after-canary', `${first} is to be hardened before it${others(fleet.awaited.length - 1)}.`);
  if (fleet.hardenedAt === null) return no('after-canary', 'No other instance of its fleet has been hardened yet.');
  const due = Date.parse(fleet.hardenedAt) + DAY_MILLISECONDS;
  if (Date.parse(at) < due)
    return no(
      'after-canary',
      `The canary was hardened at ${fleet.hardenedAt}. The turn of this instance comes at ${new Date(due).toISOString()}.`,
    );
  return { may: true };
}

function others(count: number): string {
  return count === 0 ? '' : `, and ${count} more`;
}

function no(finding: Exclude<HardeningVerdict, { may: true }>['finding'], reason: string): HardeningVerdict {
  return { may: false, finding, reason };
}
