import { stringify } from 'csv-stringify/sync';
import type { ProfileSummary, SweepReport } from './report.ts';
import { COUNT_NAMES, exemptUntil } from './report-words.ts';

/** The columns, always these and in this order: `record` says which of them a line fills. */
export const CSV_COLUMNS: readonly string[] = [
  ...['sweep', 'dryRun', 'record', 'profile', 'region', 'instance', 'platform', 'finding', 'reason'],
  ...['action', 'starts', 'execution', 'exemptUntil', 'status', ...COUNT_NAMES],
];

/**
 * The report as one table, RFC 4180: a line for each profile with its counts, for each instance that is not as it should
 * be, and for each alert. Every line says of which sweep it is, so that the tables of several can be put together. What a
 * spreadsheet would take for a formula begins with an apostrophe.
 */
export function reportCsv(report: SweepReport): string {
  const lines = [
    ...report.profiles.map((profile) => profileLine(profile, exemptUntil(report, profile.profile))),
    ...report.rows.map((row) => ({ record: 'instance', ...row })),
    ...report.alerts.map((reason) => ({ record: 'alert', reason })),
  ].map((line) => ({ sweep: report.startedAt, dryRun: report.dryRun, ...line }));
  return stringify(lines, {
    columns: [...CSV_COLUMNS],
    header: true,
    record_delimiter: 'windows',
    escape_formulas: true,
    cast: { boolean: String },
  });
}

function profileLine({ profile, regions, status, reason, counts }: ProfileSummary, until: string | null) {
  return { record: 'profile', profile, region: regions.join(' '), status, reason, ...counts, exemptUntil: until };
}
