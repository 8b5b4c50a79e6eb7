import type { Exemptible } from '../lib/profile.ts';
import { enrolmentOf } from './enrolment.ts';
import type { ReportRow } from './report.ts';
import { rowOf } from './row.ts';
import { STARTED_BEFORE, type SweepLimits, type SweepServices } from './services.ts';
import type { Candidate } from './survey.ts';

/** A candidate to enrol now: what its enrolment leaves out, and the reason to enrol it. */
export interface Due extends Candidate {
  readonly leaveOut: readonly Exemptible[];
  readonly reason: string;
}

type Outcome = Partial<ReportRow> & Pick<ReportRow, 'action'>;

/**
 * Starts the enrolments that are due, up to the limit: oldest instance first, and those that failed before last. Stops at
 * the first start that is refused: the next sweep finds the rest again.
 */
export async function startDue(due: readonly Due[], services: SweepServices, limits: SweepLimits) {
  const rows: ReportRow[] = [];
  const alerts: string[] = [];
  let started = 0;
  for (const one of oldestFirst(due)) {
    const { request, execution } = enrolmentOf(one, limits, one.leaveOut);
    const row = (outcome: Outcome) => {
      const fields = { finding: 'drifting', reason: one.reason, starts: 'enrol-node', execution, ...outcome } as const;
      rows.push(rowOf(one.instance, one.profile, one.assessment, fields));
    };
    if (alerts.length > 0 || started >= limits.maxStarts) row({ action: 'later' });
    else if (limits.isDryRun) {
      row({ action: 'would-start' });
      started++;
    } else {
      try {
        const outcome = await services.startEnrolment(execution, request);
        const isStarted = outcome === 'started' || limits.isRepeated;
        row(isStarted ? { action: 'started' } : { action: 'nothing', reason: STARTED_BEFORE });
        if (isStarted) started++;
      } catch (error) {
        const refusal = services.refusalOf(error);
        row({ finding: 'unknown', action: 'nothing', reason: `${one.reason} ${refusal}` });
        alerts.push(`The sweep stopped after starting ${started} enrolments. ${refusal} The next sweep continues.`);
      }
    }
  }
  return { rows, alerts };
}

/**
 * Oldest first, without a launch time last. Instances that keep failing must not use up the starts of those that were
 * never tried.
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
