import { ledgerKey } from '../lib/state.ts';
import { type CanaryFacts, canaryFacts } from './canary.ts';
import { type HardeningVerdict, hardeningVerdict } from './hardening.ts';
import { closesImdsV1 } from './imdsv1.ts';
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
  { candidates, profile: { metadata } }: Survey,
  { lifecycleStates, withoutState }: Pick<Findings, 'lifecycleStates' | 'withoutState'>,
): Candidate[] {
  return candidates.filter(
    ({ instance, look }) =>
      metadata &&
      !withoutState.has(instance.instanceId) &&
      look.drift.metadata !== null &&
      closesImdsV1(instance.metadataOptions, metadata) &&
      !isLaunching(lifecycleStates.get(instance.instanceId)),
  );
}

/** Parts what is due from what is left as it is for now, and says why. */
export function decide(survey: Survey, findings: Findings): { due: Due[]; rows: ReportRow[] } {
  const due: Due[] = [];
  const rows: ReportRow[] = [];
  const fleet = canaryFacts(
    survey.profile,
    survey.members.map((member) => ({ ...member, imdsV1Calls: callsOf(member, findings) })),
  );
  for (const candidate of survey.candidates) {
    const { instanceId } = candidate.instance;
    const state = findings.lifecycleStates.get(instanceId);
    if (findings.withoutState.has(instanceId))
      rows.push(rowOf(candidate.instance, candidate.profile, candidate.look, UNTOLD));
    else if (isLeaving(state)) survey.countAsUnderWay();
    else {
      const verdict = verdictOf(candidate, state, fleet, findings);
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

const UNTOLD = {
  finding: 'unknown',
  reason: 'Auto Scaling did not say whether it is on its way out of its group: it is left alone.',
} as const;

function verdictOf(
  { instance, record, profile, look }: Candidate,
  lifecycleState: string | undefined,
  fleet: CanaryFacts,
  findings: Findings,
): HardeningVerdict {
  // Before its launch is over, nothing runs on it that could miss IMDSv1.
  if (look.drift.metadata === null || isLaunching(lifecycleState)) return { may: true };
  const imdsV1Calls = callsOf({ instance }, findings);
  const context = { profile, at: findings.at, imdsV1Calls, record: record ?? null, fleet };
  return hardeningVerdict(instance, context);
}

function callsOf({ instance }: Pick<Candidate, 'instance'>, { imdsV1Calls }: Findings): number | null {
  return imdsV1Calls.get(ledgerKey(instance)) ?? null;
}

function isLaunching(state: string | undefined): boolean {
  return /^(Warmed:)?Pending/.test(state ?? '');
}

/** On its way out of its group, whatever EC2 still says of it. */
function isLeaving(state: string | undefined): boolean {
  return /^(Warmed:)?Terminat|^Detach/.test(state ?? '');
}
