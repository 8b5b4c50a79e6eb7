import { InvalidRequest } from '../lib/errors.ts';
import { type Found, ledgerKey } from '../lib/instance.ts';
import { isSameInstance, type LedgerItem } from '../lib/ledger-item.ts';
import type { DeployedProfile, Exemption, SweepSettings } from '../lib/profile.ts';
import { EXECUTION_ENDED, isRetirementOpen } from './assessment.ts';
import { areToBeCounted } from './decide.ts';
import type { GroupStates } from './lifecycle-state.ts';
import type { SweepServices } from './services.ts';
import { Survey } from './survey.ts';

/** One sweep in progress. */
export interface Sweep {
  /** The time of the sweep, for every decision in it. */
  readonly at: string;
  /** Everything in profiles.yml. */
  readonly profiles: readonly DeployedProfile[];
  readonly exemptions: readonly Exemption[];
  readonly settings: SweepSettings;
  readonly services: SweepServices;
  /** What a person must look at: a sentence each. The sweep adds to it. */
  readonly alerts: string[];
}

/** Every ledger item by its key; undefined if the ledger could not be read: then nothing is listed, started or retired. */
export async function readLedger({ services, alerts }: Sweep): Promise<Map<string, LedgerItem> | undefined> {
  const records = new Map<string, LedgerItem>();
  try {
    for await (const page of services.listItems()) for (const item of page) records.set(item.instance, item);
    return records;
  } catch (error) {
    const reason = error instanceof InvalidRequest ? error.message : services.refusalOf(error);
    alerts.push(`${reason} Without the ledger nothing is started or retired; the next sweep tries again.`);
    return undefined;
  }
}

/** An enrolment or a retirement that has taken this long is asked for: its execution may have been stopped, or have died. */
const LONG_MINUTES = 60;

/** Step Functions shares its rate among all callers of the account. */
const ASKED_AT_ONCE = 10;

/**
 * Marks, for this sweep only, the items whose execution no longer runs as failed: an enrolment or a retirement of them is
 * due again. An execution that cannot be asked for counts as running.
 */
export async function markEnded(records: Map<string, LedgerItem> | undefined, sweep: Sweep): Promise<void> {
  const { at, services, alerts } = sweep;
  const long = [...(records?.values() ?? [])].filter((record) => isLong(record, at));
  for (let from = 0; from < long.length; from += ASKED_AT_ONCE) {
    const some = long.slice(from, from + ASKED_AT_ONCE);
    const running = await Promise.all(
      some.map(({ execution }) =>
        services.isRunning(execution).catch((error: unknown) => {
          alerts.push(`${services.refusalOf(error)} Whether ${execution} still runs is left to the next sweep.`);
          return true;
        }),
      ),
    );
    for (const [index, record] of some.entries()) if (!running[index]) records?.set(record.instance, ended(record));
  }
}

function isLong(record: LedgerItem, at: string): boolean {
  const isUnfinished = record.status === 'enrolling' || isRetirementOpen(record);
  return isUnfinished && Date.parse(at) - Date.parse(record.claimedAt) >= LONG_MINUTES * 60_000;
}

function ended(record: LedgerItem): LedgerItem {
  const lastError = `${record.execution} no longer runs, and has not finished.`;
  if (record.status !== 'enrolling') return { ...record, lastError };
  return { ...record, status: 'failed', errorName: EXECUTION_ENDED, lastError };
}

/** Surveys the instances of one profile. Adds the keys of all that are there to `seen`. */
export async function surveyProfile(
  profile: DeployedProfile,
  {
    records,
    groups,
    seen,
  }: { records: ReadonlyMap<string, LedgerItem> | undefined; groups: GroupStates; seen: Set<string> },
  sweep: Sweep,
): Promise<Survey> {
  const { at, exemptions, profiles, services, alerts } = sweep;
  const survey = new Survey({ profile, exemptions, at }, profiles, records ?? new Map(), groups);
  if (!records) {
    survey.stoppedBecause = 'The ledger could not be read.';
    return survey;
  }
  try {
    for (const region of profile.regions)
      for await (const page of services.listFleet(profile, region))
        for (const found of page) {
          if (isThere(found, records)) seen.add(ledgerKey(found.instance));
          survey.take(found);
        }
  } catch (error) {
    survey.stoppedBecause = services.refusalOf(error);
    alerts.push(
      `The sweep of ${profile.name} stopped: ${survey.stoppedBecause} None of its nodes is retired this time.`,
    );
  }
  return survey;
}

/** Whether the instance in the ledger still exists. A new instance of the same name is not the one in the ledger. */
function isThere({ instance, state }: Found, records: ReadonlyMap<string, LedgerItem>): boolean {
  const record = records.get(ledgerKey(instance));
  return state !== 'terminated' && (record === undefined || isSameInstance(record, instance));
}

/** The IMDSv1 calls of the candidates on which an enrolment would close IMDSv1. */
export async function countImdsV1(
  survey: Survey,
  { at, services, alerts }: Sweep,
): Promise<ReadonlyMap<string, number | null>> {
  const { name, metadata } = survey.profile;
  const instances = areToBeCounted(survey, at).map(({ instance }) => instance);
  if (!metadata || instances.length === 0) return new Map();
  try {
    return await services.imdsV1Calls(instances, { at, lookBackDays: metadata.lookBackDays });
  } catch (error) {
    alerts.push(`${services.refusalOf(error)} Nothing of the profile ${name} is hardened this time.`);
    return new Map();
  }
}
