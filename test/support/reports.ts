import fc from 'fast-check';
import { FINDINGS, type ProfileSummary, type ReportRow, type SweepReport } from '../../sweep/report.ts';

/** Names and reasons are whatever somebody wrote: what would be a tag, an entity, a formula or a line of its own too. */
const openText = fc.oneof(
  fc.string({ minLength: 1, unit: 'grapheme' }),
  fc.constantFrom(
    '<script>alert(1)</script>',
    '"><img src=x onerror=alert(1)>',
    '</style></title><b>',
    '&lt;&amp;',
    "' onmouseover='x",
    '=HYPERLINK("https://example.com")',
    '+1+1',
    '-2',
    '@SUM(A1)',
    '\t=1',
    'a "quoted", comma',
    'two\r\nlines',
  ),
);
const day = fc.constantFrom('2026-12-31', '2027-02-28');
const profileName = fc.constantFrom('web', 'database', '<i>blog</i>');

const row: fc.Arbitrary<ReportRow> = fc.record({
  instance: openText,
  platform: fc.constantFrom('ec2', 'lightsail'),
  region: openText,
  profile: fc.option(fc.oneof(profileName, openText)),
  finding: fc.constantFrom(...FINDINGS),
  reason: openText,
  action: fc.constantFrom('started', 'would-start', 'later', 'nothing'),
  starts: fc.constantFrom('enrol-node', 'retire-node', null),
  execution: fc.option(openText),
  exemptUntil: fc.option(day),
});

const count = fc.nat({ max: 40 });
const counts = fc.record({
  instances: count,
  enrolled: count,
  hardened: count,
  underWay: fc.nat({ max: 5 }),
  imdsV1Open: count,
  drifting: count,
  stillOnImdsV1: count,
  exempt: count,
  failed: count,
  gone: count,
});
const summary: fc.Arbitrary<ProfileSummary> = fc.record({
  profile: profileName,
  regions: fc.array(openText, { minLength: 1, maxLength: 2 }),
  status: fc.constantFrom('swept', 'stopped'),
  reason: fc.option(openText),
  counts,
});

/** Any report, as open as a report may be. */
export const anyReport: fc.Arbitrary<SweepReport> = fc.record({
  startedAt: fc.constant('2026-11-26T03:00:00.000Z'),
  endedAt: fc.constant('2026-11-26T03:00:12.400Z'),
  dryRun: fc.boolean(),
  profiles: fc.uniqueArray(summary, { selector: ({ profile }) => profile, maxLength: 3 }),
  rows: fc.array(row, { maxLength: 12 }),
  alerts: fc.array(openText, { maxLength: 2 }),
  apiCalls: fc.nat(),
});

/** A report of one profile, with as many instances of each finding. */
export function reportOf(
  instances: number,
  findings: Partial<Record<ReportRow['finding'], number>> = {},
  over: Partial<SweepReport> = {},
): SweepReport {
  const rows = Object.entries(findings).flatMap(([finding, many]) =>
    Array.from({ length: many }, (_, index) => rowOf(finding as ReportRow['finding'], index)),
  );
  const counts = {
    instances,
    enrolled: 0,
    hardened: 0,
    underWay: 0,
    imdsV1Open: 0,
    drifting: 0,
    stillOnImdsV1: 0,
    exempt: 0,
  };
  return {
    startedAt: '2026-11-26T03:00:00.000Z',
    endedAt: '2026-11-26T03:00:12.400Z',
    dryRun: false,
    profiles: [
      {
        profile: 'web',
        regions: ['eu-west-1'],
        status: 'swept',
        reason: null,
        counts: { ...counts, failed: 0, gone: findings.gone ?? 0 },
      },
    ],
    rows,
    alerts: [],
    apiCalls: 7,
    ...over,
  };
}

function rowOf(finding: ReportRow['finding'], index: number): ReportRow {
  return {
    instance: `${finding}-${index}`,
    platform: 'ec2',
    region: 'eu-west-1',
    profile: 'web',
    finding,
    reason: `Because of ${finding} ${index}.`,
    action: 'nothing',
    starts: null,
    execution: null,
    exemptUntil: finding === 'exempt' ? `2027-01-${String(index + 10)}` : null,
  };
}
