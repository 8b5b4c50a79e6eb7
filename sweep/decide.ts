import { ledgerKey } from '../lib/instance.ts';
import { closesImdsV1 } from '../profiles/imdsv1.ts';
import { type CanaryFacts, canaryFacts } from './canary.ts';
import { type HardeningVerdict, hardeningVerdict } from './hardening.ts';
import type { ReportRow } from './report.ts';
import { rowOf } from './row.ts';
import type { Due } from './start.ts';
import type { Candidate, Survey } from './survey.ts';

/** What a sweep has asked about its candidates. */
export interface Findings {
  readonly at: string;
  /** Where each stands in its Auto Scaling group, by instance id. */
  readonly lifecycleStates: ReadonlyMap<string, string>;
  /** Of whom Auto Scaling did not say it. */
  readonly withoutState: ReadonlySet<string>;
  /** How many IMDSv1 calls each answered, by its key in the ledger; null where nobody knows. */
  readonly imdsV1Calls: ReadonlyMap<string, number | null>;
}

/** Whose IMDSv1 calls are to be counted: whoever runs with IMDSv1 open, and is to have it closed. */
export function areToBeCounted(
  { candidates }: Survey,
  { at, lifecycleStates, withoutState }: Pick<Findings, 'at' | 'lifecycleStates' | 'withoutState'>,
): Candidate[] {
  return candidates.filter((candidate) => {
    const { instanceId } = candidate.instance;
    return (
      !withoutState.has(instanceId) &&
      wouldClose(candidate) &&
      !isLaunching(candidate, lifecycleStates.get(instanceId), at)
    );
  });
}

/** Whether an enrolment would close IMDSv1, if nothing were left out of it. */
function wouldClose({ instance, profile: { metadata }, look: { exempt } }: Candidate): boolean {
  return metadata !== undefined && !exempt.imdsv2 && closesImdsV1(instance.metadataOptions, metadata);
}

/** Parts what is due from what is left as it is for now, and says why. */
export function decide(survey: Survey, findings: Findings): { due: Due[]; rows: ReportRow[] } {
  const due: Due[] = [];
  const rows: ReportRow[] = [];
  const members = survey.members.map((member) => ({ ...member, imdsV1Calls: callsOf(member, findings) }));
  const fleet = canaryFacts(survey.profile, { members, gone: survey.hardenedAndGone() }, findings.at);
  for (const candidate of survey.candidates) {
    const { instanceId } = candidate.instance;
    const state = findings.lifecycleStates.get(instanceId);
    if (findings.withoutState.has(instanceId))
      rows.push(rowOf(candidate.instance, candidate.profile, candidate.look, UNTOLD));
    else if (isLeaving(state)) survey.countAsUnderWay();
    else if (candidate.look.is === 'unfinished') {
      if (WAITS_IN_ITS_LAUNCH.test(state ?? '')) due.push({ ...candidate, leaveOut: [], reason: STILL_WAITS });
    } else {
      const isWhole = survey.stoppedBecause === null;
      const verdict = verdictOf(candidate, state, { fleet, findings, isWhole });
      if (verdict.may) due.push({ ...candidate, leaveOut: [], reason: candidate.look.reason });
      else if (candidate.look.drift.enrolment !== null && candidate.look.isMoreAsked)
        due.push({ ...candidate, leaveOut: ['imdsv2'], reason: `${candidate.look.drift.enrolment} ${verdict.reason}` });
      else {
        const { finding, reason } = verdict;
        rows.push(rowOf(candidate.instance, candidate.profile, candidate.look, { finding, reason }));
      }
    }
  }
  return { due, rows };
}

const WAITS_IN_ITS_LAUNCH = /^(Warmed:)?Pending:Wait$/;
const STILL_WAITS = 'It is enrolled, and its launch still waits in its hook.';

const UNTOLD = {
  finding: 'unknown',
  reason: 'Auto Scaling did not say whether it is on its way out of its group: it is left alone.',
} as const;

const NOT_WHOLE = {
  may: false,
  finding: 'unknown',
  reason:
    'Not all of its fleet could be seen, so nobody knows how its canary is: IMDSv1 is closed on nobody this time.',
} as const;

function verdictOf(
  candidate: Candidate,
  lifecycleState: string | undefined,
  { fleet, findings, isWhole }: { fleet: CanaryFacts; findings: Findings; isWhole: boolean },
): HardeningVerdict {
  const { instance, record, profile, look } = candidate;
  const isToBeChanged = look.drift.metadata !== null || wouldClose(candidate);
  if (!isToBeChanged || isLaunching(candidate, lifecycleState, findings.at)) return { may: true };
  if (!isWhole && wouldClose(candidate)) return NOT_WHOLE;
  const imdsV1Calls = callsOf({ instance }, findings);
  return hardeningVerdict(instance, { profile, at: findings.at, imdsV1Calls, record: record ?? null, fleet });
}

function callsOf({ instance }: Pick<Candidate, 'instance'>, { imdsV1Calls }: Findings): number | null {
  return imdsV1Calls.get(ledgerKey(instance)) ?? null;
}

/** A launch waits in its hooks for two days at most. Source: Auto Scaling, "the maximum is 172800 seconds (48 hours)". */
const LONGEST_LAUNCH_MILLISECONDS = 48 * 3600 * 1000;

/**
 * Before its launch is over, nothing runs on it that could miss IMDSv1. An instance that comes back from Standby, or that
 * is attached to its group, is called Pending too, and has run.
 */
function isLaunching({ instance, record }: Candidate, state: string | undefined, at: string): boolean {
  if (!/^(Warmed:)?Pending/.test(state ?? '') || record?.status === 'enrolled') return false;
  return instance.launchTime !== null && Date.parse(at) - Date.parse(instance.launchTime) < LONGEST_LAUNCH_MILLISECONDS;
}

/** On its way out of its group, whatever EC2 still says of it. */
function isLeaving(state: string | undefined): boolean {
  return /^(Warmed:)?Terminat|^Detach/.test(state ?? '');
}
