import type { SweepReport } from './report.ts';
import { reportCsv } from './report-csv.ts';
import { reportPage } from './report-page.ts';

/** A report in each of its forms, by the extension of its file: for machines, for auditors, and for who wants to see. */
export async function formsOf(report: SweepReport) {
  return {
    json: `${JSON.stringify(report, undefined, 2)}\n`,
    csv: reportCsv(report),
    html: await reportPage(report),
  };
}
