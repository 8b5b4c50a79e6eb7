import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SweepReport } from '../../../sweep/report.ts';
import { CSV_COLUMNS, reportCsv } from '../../../sweep/report-csv.ts';
import { COUNT_NAMES } from '../../../sweep/report-words.ts';
import { anyReport, reportOf } from '../../support/reports.ts';

/** RFC 4180 to the letter: nothing is trimmed, skipped or guessed, and each line has every column. */
const table = (text: string): Record<string, string>[] =>
  parse(text, { columns: true, record_delimiter: '\r\n', relax_column_count: false });
const lines = (report: SweepReport, record: string) =>
  table(reportCsv(report)).filter((line) => line.record === record);

const FORMULA = /^[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]/;
/** As an auditor reads it: the apostrophe is the spreadsheet's, not the text's. */
const guarded = (text: string | null) => (text !== null && FORMULA.test(text) ? `'${text}` : (text ?? ''));

describe("A report's table", () => {
  it('tells every row, with what was written, when it is read back', () => {
    fc.assert(
      fc.property(anyReport, (report) => {
        const told = report.rows.map(({ instance, platform, region, profile, finding, reason, ...others }) => ({
          ...{ instance: guarded(instance), platform, region: guarded(region), profile: guarded(profile), finding },
          ...{ reason: guarded(reason), action: others.action, starts: others.starts ?? '' },
          ...{ execution: guarded(others.execution), exemptUntil: others.exemptUntil ?? '' },
        }));
        expect(lines(report, 'instance').map(({ ...line }) => line)).toMatchObject(told);
        expect(lines(report, 'alert').map(({ reason }) => reason)).toEqual(report.alerts.map(guarded));
        expect(lines(report, 'profile')).toHaveLength(report.profiles.length);
      }),
    );
  });

  it('holds nothing that a spreadsheet takes for a formula', () => {
    fc.assert(
      fc.property(anyReport, (report) => {
        const cells = table(reportCsv(report)).flatMap((line) => Object.values(line));
        expect(cells.filter((cell) => FORMULA.test(cell))).toEqual([]);
      }),
    );
  });

  it('has the same columns whatever it tells, and each line says of which sweep it is', () => {
    const report = reportOf(3, { failed: 1 }, { dryRun: true, alerts: ['Look.'] });
    const [heading, ...told] = reportCsv(report).trimEnd().split('\r\n');
    expect(heading).toBe(CSV_COLUMNS.join(','));
    expect(reportCsv(reportOf(0, {}, { profiles: [] }))).toBe(`${heading}\r\n`);
    expect(told).toHaveLength(3);
    expect(CSV_COLUMNS).toEqual(expect.arrayContaining(report.rows.flatMap((row) => Object.keys(row))));
    for (const line of told) expect(line).toMatch(/^2026-11-26T03:00:00\.000Z,true,/);
  });

  it("tells a profile's counts, and the first day on which an exemption in it ends", () => {
    const report = reportOf(20, { exempt: 3 });
    const counts = COUNT_NAMES.map((name, index) => [name, 100 + index]);
    for (const profile of report.profiles) Object.assign(profile.counts, Object.fromEntries(counts));
    const [told = {}] = lines(report, 'profile');
    expect(told).toMatchObject({ profile: 'web', status: 'swept', exemptUntil: '2027-01-10' });
    expect(COUNT_NAMES.map((name) => [name, Number(told[name])])).toEqual(counts);
  });
});
