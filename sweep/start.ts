import type { Exemptible } from '../lib/profile.ts';
import { enrolmentOf } from './enrolment.ts';
import { type Hands, type Pace, STARTED_BEFORE } from './hands.ts';
import type { ReportRow } from './report.ts';
import { rowOf } from './row.ts';
import type { Candidate } from './survey.ts';

/** A candidate, and what is not to be done for it this time, and why. */
export interface Due extends Candidate {
  readonly leaveOut: readonly Exemptible[];
  readonly reason: string;
}

type Outcome = Partial<ReportRow> & Pick<ReportRow, 'action'>;

/**
 * Starts the enrolments that are due, up to the pace: the oldest instance's first, and last those that have failed before.
 * What a service refuses ends it: the next sweep finds the rest again.
 */
export async function startDue(due: readonly Due[], hands: Hands, pace: Pace) {
  const rows: ReportRow[] = [];
  const alerts: string[] = [];
  let started = 0;
  for (const one of oldestFirst(due)) {
    const { request, execution } = enrolmentOf(one, pace, one.leaveOut);
    const row = (outcome: Outcome) => {
      const told = { finding: 'drifting', reason: one.reason, starts: 'enrol-node', execution, ...outcome } as const;
      rows.push(rowOf(one.instance, one.profile, one.look, told));
    };
    if (alerts.length > 0 || started >= pace.maxStarts) row({ action: 'later' });
    else if (pace.isDryRun) {
      row({ action: 'would-start' });
      started++;
    } else {
      try {
        const outcome = await hands.startEnrolment(execution, request);
        const isStarted = outcome === 'started' || pace.isRepeated;
        row(isStarted ? { action: 'started' } : { action: 'nothing', reason: STARTED_BEFORE });
        if (isStarted) started++;
      } catch (error) {
        const refusal = hands.refusalOf(error);
        row({ finding: 'unknown', action: 'nothing', reason: `${one.reason} ${refusal}` });
        alerts.push(`The sweep started no more enrolments after ${started}. ${refusal} The next sweep goes on.`);
      }
    }
  }
  return { rows, alerts };
}

/**
 * The oldest first; who has no launch time comes last. Whoever fails time after time must not take the place of those who
 * were never tried.
 */
function oldestFirst(due: readonly Due[]): Due[] {
  const failed = ({ record }: Due) => Number(record?.status === 'failed');
  const launched = ({ instance }: Due) => (instance.launchTime === null ? Infinity : Date.parse(instance.launchTime));
  return due.toSorted(
    (a, b) =>
      failed(a) - failed(b) || launched(a) - launched(b) || compare(a.instance.instanceId, b.instance.instanceId),
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
