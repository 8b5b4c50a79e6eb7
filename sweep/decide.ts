import { toBeLeft } from '../lib/associations.ts';
import { traitsOf } from '../lib/engines.ts';
import { ledgerKey } from '../lib/instance.ts';
import { closesImdsV1 } from '../profiles/imdsv1.ts';
import { type CanaryFacts, canaryFacts } from './canary.ts';
import type { Due } from './due.ts';
import { type HardeningVerdict, hardeningVerdict } from './hardening.ts';
import { isLaunching, waitsInLaunchHook } from './lifecycle-state.ts';
import type { ReportRow } from './report.ts';
import { rowOf } from './row.ts';
import type { Candidate, Survey } from './survey.ts';

/** What the services say about the candidates. */
export interface Findings {
  readonly at: string;
  /** The IMDSv1 calls of each instance, by ledger key; null if the metric has no data. */
  readonly imdsV1Calls: ReadonlyMap<string, number | null>;
}

/** The candidates whose IMDSv1 calls have to be counted: IMDSv1 is open on them, and an enrolment would close it. */
export function areToBeCounted({ candidates }: Survey, at: string): Candidate[] {
  return candidates.filter((candidate) => wouldClose(candidate) && !isFreshLaunch(candidate, at));
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
    const { instance, profile, assessment } = candidate;
    const verdict = verdictOf(candidate, { fleet, findings, isWhole: survey.stoppedBecause === null });
    const isWaiting = profile.lifecycleHook !== undefined && waitsInLaunchHook(candidate.lifecycleState);
    const isEnrolmentDue = isWaiting || (assessment.drift.enrolment !== null && assessment.isMoreAsked);
    if (verdict.may) due.push(dueOf(candidate, isWaiting));
    else if (isEnrolmentDue) due.push(dueOf(candidate, isWaiting, verdict.reason));
    else rows.push(rowOf(instance, profile, assessment, { finding: verdict.finding, reason: verdict.reason }));
  }
  due.push(...survey.terminations.map(terminationOf), ...survey.moved.map(leaveOf));
  return { due, rows };
}

/** @param whyNotHardened why IMDSv1 is not closed this time */
function dueOf(candidate: Candidate, isWaiting: boolean, whyNotHardened?: string): Due {
  const { isEnrolled, reason, drift } = candidate.assessment;
  const why = isEnrolled && isWaiting ? STILL_WAITS : whyNotHardened === undefined ? reason : drift.enrolment;
  return {
    ...candidate,
    starts: 'enrol-node',
    finding: isEnrolled && isWaiting ? 'waiting' : 'drifting',
    isWaiting,
    leaveOut: whyNotHardened === undefined ? [] : ['imdsv2'],
    reason: [why, whyNotHardened].filter(Boolean).join(' '),
  };
}

function terminationOf(candidate: Candidate): Due {
  const reason = `It waits in a termination hook (${candidate.lifecycleState}), and no execution works on it.`;
  return { ...candidate, starts: 'retire-node', finding: 'waiting', isWaiting: true, leaveOut: [], reason };
}

/** The enrolment that moved it starts this itself, unless that start was lost. */
function leaveOf(candidate: Candidate): Due {
  const left = candidate.record ? toBeLeft(candidate.record) : [];
  const names = left.map(([, { server }]) => traitsOf(server).displayName);
  const reason = `It has moved, and is still on ${names.join(' and ')}.`;
  return { ...candidate, starts: 'retire-node', finding: 'on-former-server', isWaiting: false, leaveOut: [], reason };
}

const STILL_WAITS = 'It is enrolled, and its launch still waits in its hook.';

const NOT_WHOLE = {
  may: false,
  finding: 'unknown',
  reason:
    'Not all of its fleet could be listed, so the state of its canary is unknown: IMDSv1 is closed on no instance this time.',
} as const;

function verdictOf(
  candidate: Candidate,
  { fleet, findings, isWhole }: { fleet: CanaryFacts; findings: Findings; isWhole: boolean },
): HardeningVerdict {
  const { instance, record, profile, assessment } = candidate;
  const isToBeChanged = assessment.drift.metadata !== null || wouldClose(candidate);
  if (!isToBeChanged || isFreshLaunch(candidate, findings.at)) return { may: true };
  if (!isWhole && wouldClose(candidate)) return NOT_WHOLE;
  const imdsV1Calls = callsOf({ instance }, findings);
  if (imdsV1Calls === 0 && isLaunchWithin(LONGEST_LAUNCH_HOURS, candidate, findings.at)) return { may: true };
  return hardeningVerdict(instance, { profile, at: findings.at, imdsV1Calls, record: record ?? null, fleet });
}

function callsOf({ instance }: Pick<Candidate, 'instance'>, { imdsV1Calls }: Findings): number | null {
  return imdsV1Calls.get(ledgerKey(instance)) ?? null;
}

const HOUR_MILLISECONDS = 3600 * 1000;
/** A launch waits in its hooks for two days at most. Source: Auto Scaling, "the maximum is 172800 seconds (48 hours)". */
const LONGEST_LAUNCH_HOURS = 48;

/** Nothing has run yet that could miss IMDSv1: its metric has no data for such an instance, and need not be asked. */
function isFreshLaunch(candidate: Candidate, at: string): boolean {
  return isLaunchWithin(1, candidate, at);
}

/**
 * Whether its launch may still be waiting in its hooks. An instance that comes back from Standby, or that is attached to
 * its group, is called Pending too, and may have run: so it counts from its creation, and not from its last start.
 */
function isLaunchWithin(hours: number, { instance, record, lifecycleState }: Candidate, at: string): boolean {
  if (!isLaunching(lifecycleState) || record?.status === 'enrolled') return false;
  const { createdTime } = instance;
  return createdTime !== null && Date.parse(at) - Date.parse(createdTime) <= hours * HOUR_MILLISECONDS;
}
