import { type Due, startOf } from './due.ts';
import type { ReportRow } from './report.ts';
import { rowOf } from './row.ts';
import { STARTED_BEFORE, type SweepLimits, type SweepServices } from './services.ts';

type Outcome = Partial<ReportRow> & Pick<ReportRow, 'action'>;

/**
 * Starts the executions that are due, up to the limit: what waits in a hook first, then the oldest instances, and last those
 * that failed before. Stops at the first start that is refused: the next sweep finds the rest again.
 */
export async function startDue(due: readonly Due[], services: SweepServices, limits: SweepLimits) {
  const rows: ReportRow[] = [];
  const alerts: string[] = [];
  let started = 0;
  for (const one of inOrder(due)) {
    const start = startOf(one, limits);
    const { execution } = start;
    const row = (outcome: Outcome) => {
      const fields = { finding: one.finding, reason: one.reason, starts: one.starts, execution, ...outcome };
      rows.push(rowOf(one.instance, one.profile, one.assessment, fields));
    };
    if (alerts.length > 0 || started >= limits.maxStarts) row({ action: 'later' });
    else if (limits.isDryRun) {
      row({ action: 'would-start' });
      started++;
    } else {
      try {
        const outcome = await (one.starts === 'enrol-node'
          ? services.startEnrolment(start)
          : services.startRetirement(start));
        const isStarted = outcome === 'started' || limits.isRepeated;
        row(isStarted ? { action: 'started' } : { action: 'nothing', reason: STARTED_BEFORE });
        if (isStarted) started++;
      } catch (error) {
        const refusal = services.refusalOf(error);
        row({ finding: 'unknown', action: 'nothing', reason: `${one.reason} ${refusal}` });
        alerts.push(`The sweep stopped after starting ${started} executions. ${refusal} The next sweep continues.`);
      }
    }
  }
  return { rows, alerts };
}

/**
 * A hook expires, so what waits in one comes first; then the oldest, without a launch time last. Instances that keep failing
 * must not use up the starts of those that were never tried.
 */
function inOrder(due: readonly Due[]): Due[] {
  const failed = ({ record }: Due) => Number(record?.status === 'failed');
  const launched = ({ instance }: Due) => (instance.launchTime === null ? Infinity : Date.parse(instance.launchTime));
  return due.toSorted(
    (a, b) =>
      Number(b.isWaiting) - Number(a.isWaiting) ||
      failed(a) - failed(b) ||
      launched(a) - launched(b) ||
      compare(a.instance.instanceId, b.instance.instanceId),
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
