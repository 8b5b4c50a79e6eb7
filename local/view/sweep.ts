import type { SweepReport } from '../../sweep/report.ts';
import { actionWords, CONDITIONS } from '../../sweep/report-words.ts';

/** What a sweep has found, a line for each instance, and where its report is. */
export function sweepWords({ rows, dryRun, alerts }: SweepReport, files: readonly string[]): string {
  const found = rows.map((row) => {
    const { instance, finding, reason } = row;
    return `  ${instance}  ${CONDITIONS[finding].label}, ${actionWords(row)}. ${reason}`;
  });
  return [
    `The ${dryRun ? 'dry run' : 'sweep'} found ${rows.length} not as they should be.`,
    ...found,
    ...alerts.map((sentence) => `  ${sentence}`),
    'Its report:',
    ...files.map((file) => `  ${file}`),
  ].join('\n');
}
