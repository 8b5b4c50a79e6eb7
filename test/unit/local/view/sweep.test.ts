import { describe, expect, it } from 'vitest';
import { sweepWords } from '../../../../local/view/sweep.ts';
import { reportOf } from '../../../support/reports.ts';

describe('What is told of a sweep', () => {
  it('is each instance that is not as it should be, each alert, and where the report is', () => {
    const report = reportOf(3, { failed: 1 }, { alerts: ['Look here.'] });
    expect(sweepWords(report, ['out/report.html', 'out/report.csv']).split('\n')).toEqual([
      'The sweep found 1 not as they should be.',
      '  failed-0  failed, nothing started. Because of failed 0.',
      '  Look here.',
      'Its report:',
      '  out/report.html',
      '  out/report.csv',
    ]);
  });

  it('says of a dry run that it was one', () => {
    expect(sweepWords(reportOf(1, {}, { dryRun: true }), [])).toContain('The dry run found 0 not as they should be.');
  });
});
