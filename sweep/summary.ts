import type { ProfileSummary, ReportRow, SweepReport } from './report.ts';
import type { Survey } from './survey.ts';

/** The results of a sweep, from which its report is made. */
export interface SweepResult {
  readonly surveys: readonly Survey[];
  /** Rows of instances that were, or are to be, enrolled or retired. */
  readonly rows: readonly ReportRow[];
  readonly alerts: readonly string[];
  readonly at: string;
  readonly endedAt: string;
  readonly isDryRun: boolean;
}

const COUNTED = {
  drifting: 'drifting',
  stillOnImdsV1: 'still-on-imdsv1',
  exempt: 'exempt',
  failed: 'failed',
  gone: 'gone',
} as const;

export function reportOf({ surveys, rows, alerts, at, endedAt, isDryRun }: SweepResult): Omit<SweepReport, 'apiCalls'> {
  const all = [...surveys.flatMap((survey) => survey.rows), ...rows];
  return {
    startedAt: at,
    endedAt,
    dryRun: isDryRun,
    profiles: surveys.map((survey) => summaryOf(survey, all)),
    rows: all,
    alerts: [...alerts],
  };
}

function summaryOf({ profile, counts, stoppedBecause }: Survey, all: readonly ReportRow[]): ProfileSummary {
  const own = all.filter((row) => row.profile === profile.name);
  const counted = Object.entries(COUNTED).map(([name, finding]) => {
    return [name, own.filter((row) => row.finding === finding).length];
  });
  return {
    profile: profile.name,
    regions: [...profile.regions],
    status: stoppedBecause === null ? 'swept' : 'stopped',
    reason: stoppedBecause,
    counts: { ...counts, ...Object.fromEntries(counted) },
  };
}
