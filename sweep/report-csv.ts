import { stringify } from 'csv-stringify/sync';
import type { SweepReport } from './report.ts';
import { COUNT_NAMES, exemptUntil } from './report-words.ts';

const ROW_COLUMNS = ['instance', 'platform', 'finding', 'reason', 'action', 'starts', 'execution', 'exemptUntil'];

/** The columns, always these and in this order: `record` says which of them a line fills. */
export const CSV_COLUMNS = [
  'sweep',
  'dryRun',
  'record',
  'profile',
  'region',
  ...ROW_COLUMNS,
  'status',
  ...COUNT_NAMES.map(String),
] as const;

/**
 * The report as one table, RFC 4180: a line for each profile with its counts, for each instance that is not as it should
 * be, and for each alert. Every line says of which sweep it is, so that the tables of several can be put together. What a
 * spreadsheet would take for a formula begins with an apostrophe.
 */
export function reportCsv(report: SweepReport): string {
  const every = { sweep: report.startedAt, dryRun: report.dryRun };
  const profiles = report.profiles.map(({ counts, regions, ...profile }) => ({
    ...{ ...every, record: 'profile', region: regions.join(' ') },
    ...{ ...profile, ...counts, exemptUntil: exemptUntil(report, profile.profile) },
  }));
  const instances = report.rows.map((row) => ({ ...every, record: 'instance', ...row }));
  const alerts = report.alerts.map((reason) => ({ ...every, record: 'alert', reason }));
  return stringify([...profiles, ...instances, ...alerts], {
    columns: [...CSV_COLUMNS],
    header: true,
    record_delimiter: 'windows',
    escape_formulas: true,
    cast: { boolean: String },
  });
}
