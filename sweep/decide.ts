import { ledgerKey } from '../lib/instance.ts';
import { closesImdsV1 } from '../profiles/imdsv1.ts';
import { type CanaryFacts, canaryFacts } from './canary.ts';
import { type HardeningVerdict, hardeningVerdict } from './hardening.ts';
import type { ReportRow } from './report.ts';
import { rowOf } from './row.ts';
import type { Due } from './start.ts';
import type { Candidate, Survey } from './survey.ts';

/** What the services say about the candidates. */
export interface Findings {
  readonly at: string;
  /** The lifecycle state of each group member, by instance id. */
  readonly lifecycleStates: ReadonlyMap<string, string>;
  /** Group members whose state could not be read. */
  readonly withoutState: ReadonlySet<string>;
  /** The IMDSv1 calls of each instance, by ledger key; null if the metric has no data. */
  readonly imdsV1Calls: ReadonlyMap<string, number | null>;
}

/** The candidates whose IMDSv1 calls have to be counted: IMDSv1 is open on them, and an enrolment would close it. */
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

/** Whether a complete enrolment would close IMDSv1. */
function wouldClose({ instance, profile: { metadata }, assessment: { exempt } }: Candidate): boolean {
  return metadata !== undefined && !exempt.imdsv2 && closesImdsV1(instance.metadataOptions, metadata);
}

/** Splits candidates into those to enrol now and those to leave alone, with the reason. */
export function decide(survey: Survey, findings: Findings): { due: Due[]; rows: ReportRow[] } {
  const due: Due[] = [];
  const rows: ReportRow[] = [];
  const members = survey.members.map((member) => ({ ...member, imdsV1Calls: callsOf(member, findings) }));
  const fleet = canaryFacts(survey.profile, { members, gone: survey.hardenedAndGone() }, findings.at);
  for (const candidate of survey.candidates) {
    const { instanceId } = candidate.instance;
    const state = findings.lifecycleStates.get(instanceId);
    if (findings.withoutState.has(instanceId))
      rows.push(rowOf(candidate.instance, candidate.profile, candidate.assessment, STATE_UNKNOWN));
    else if (isLeaving(state)) survey.countAsUnderWay();
    else if (candidate.assessment.is === 'unfinished') {
      if (WAITS_IN_ITS_LAUNCH.test(state ?? '')) due.push({ ...candidate, leaveOut: [], reason: STILL_WAITS });
    } else {
      const isWhole = survey.stoppedBecause === null;
      const verdict = verdictOf(candidate, state, { fleet, findings, isWhole });
      if (verdict.may) due.push({ ...candidate, leaveOut: [], reason: candidate.assessment.reason });
      else if (candidate.assessment.drift.enrolment !== null && candidate.assessment.isMoreAsked)
        due.push({
          ...candidate,
          leaveOut: ['imdsv2'],
          reason: `${candidate.assessment.drift.enrolment} ${verdict.reason}`,
        });
      else {
        const { finding, reason } = verdict;
        rows.push(rowOf(candidate.instance, candidate.profile, candidate.assessment, { finding, reason }));
      }
    }
  }
  return { due, rows };
}

const WAITS_IN_ITS_LAUNCH = /^(Warmed:)?Pending:Wait$/;
const STILL_WAITS = 'It is enrolled, and its launch still waits in its hook.';

const STATE_UNKNOWN = {
  finding: 'unknown',
  reason: 'Auto Scaling did not return its state, so it may be terminating: it is left alone.',
} as const;

const NOT_WHOLE = {
  may: false,
  finding: 'unknown',
  reason:
    'Not all of its fleet could be listed, so the state of its canary is unknown: IMDSv1 is closed on no instance this time.',
} as const;

function verdictOf(
  candidate: Candidate,
  lifecycleState: string | undefined,
  { fleet, findings, isWhole }: { fleet: CanaryFacts; findings: Findings; isWhole: boolean },
): HardeningVerdict {
  const { instance, record, profile, assessment } = candidate;
  const isToBeChanged = assessment.drift.metadata !== null || wouldClose(candidate);
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

/** Whether it is leaving its group, whatever state EC2 reports. */
function isLeaving(state: string | undefined): boolean {
  return /^(Warmed:)?Terminat|^Detach/.test(state ?? '');
}
