import type { SweepReport } from './report.ts';

/** The error of an execution that ended red because its sweep raised an alert. */
export const SWEEP_ALERT = 'SweepAlert';

/** A mail holds these; the report has every alert. */
const MOST_SENTENCES = 20;

/** How the execution ends: null, or red with a sentence for each alert. A dry run alerts no one. */
export function failureOf({ alerts, dryRun }: Pick<SweepReport, 'alerts' | 'dryRun'>) {
  if (dryRun || alerts.length === 0) return null;
  const more = alerts.length - MOST_SENTENCES;
  const sentences = [...alerts.slice(0, MOST_SENTENCES), ...(more > 0 ? [`The report has ${more} more alerts.`] : [])];
  return { error: SWEEP_ALERT, cause: sentences.join(' ') };
}
