import { html, raw } from 'hono/html';
import type { ReportRow, SweepReport } from './report.ts';
import { mark, type NumberedRow, type Part, picture, type Scale, scaleFor } from './report-picture.ts';
import { STYLE } from './report-style.ts';
import {
  actionWords,
  CONDITION_NAMES,
  CONDITIONS,
  COUNT_NAMES,
  COUNTS,
  type Condition,
  exemptUntil,
  numberWords,
} from './report-words.ts';

/**
 * The report as a page that a person wants to look at: the fleet in one picture, then why. It is one file without a script
 * and needs nothing from elsewhere; it is as good on paper. Names and reasons are free text: `html` escapes
 * all of them.
 */
export async function reportPage(report: SweepReport): Promise<string> {
  const rows = numbered(report.rows);
  const fleet = blocksOf(report, rows);
  const page = await html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<title>Sweep of ${momentWords(report.startedAt)}</title>
<style>${raw(STYLE)}</style>
</head>
<body>
${heading(report, fleet)}
<main>
${alerts(report.alerts)}${fleetSection(fleet, scaleFor(report))}${instanceTable(rows)}${profileTable(report)}</main>
</body>
</html>
`;
  return page.toString();
}

/** What the picture shows of one profile. */
interface Block {
  readonly name: string;
  readonly regions: readonly string[];
  readonly stoppedBecause: string | null;
  readonly parts: readonly Part[];
}

/** In the table's order: first what a person looks at first. */
function numbered(rows: readonly ReportRow[]): NumberedRow[] {
  const rank = ({ finding }: ReportRow) => CONDITION_NAMES.indexOf(finding);
  const sorted = rows.toSorted((a, b) => rank(a) - rank(b) || compare(a.profile ?? '', b.profile ?? ''));
  return sorted.map((row, index) => ({ ...row, number: index + 1 }));
}

const compare = (a: string, b: string) => (a < b ? -1 : Number(a > b));

function blocksOf({ profiles }: SweepReport, rows: readonly NumberedRow[]): Block[] {
  const rowsOf = Map.groupBy(rows, (row) => row.profile);
  const known = profiles.map(({ profile, regions, status, reason, counts }) => ({
    name: profile,
    regions,
    stoppedBecause: status === 'stopped' ? (reason ?? 'It is not known why.') : null,
    parts: partsOf(rowsOf.get(profile) ?? [], counts),
  }));
  const others = rows.filter((row) => profiles.every(({ profile }) => profile !== row.profile));
  if (others.length === 0) return known;
  const name = 'of no profile';
  return [...known, { name, regions: [], stoppedBecause: null, parts: partsOf(others, { instances: 0, underWay: 0 }) }];
}

/** Whether it is one of the instances that the sweep has counted. */
const isListed = (condition: Condition) => condition !== 'gone' && condition !== 'not-listed';

/** A report has a row for whatever is not as it should be; the others are only counted. */
function partsOf(rows: readonly NumberedRow[], counts: { instances: number; underWay: number }): Part[] {
  const rowsOf = Map.groupBy(rows, ({ finding }) => finding);
  const present = rows.filter(({ finding }) => isListed(finding)).length;
  return CONDITION_NAMES.map((condition) => {
    if (condition === 'under-way') return { condition, count: counts.underWay, rows: [] };
    if (condition === 'as-it-should-be')
      return { condition, count: Math.max(0, counts.instances - counts.underWay - present), rows: [] };
    const own = rowsOf.get(condition) ?? [];
    return { condition, count: own.length, rows: own };
  });
}

const countIn = (parts: readonly Part[], wanted: (part: Part) => boolean) =>
  parts.filter(wanted).reduce((sum, { count }) => sum + count, 0);
const isPresent = ({ condition }: Part) => isListed(condition);
const isAsItShouldBe = ({ condition }: Part) => condition === 'as-it-should-be';

function heading({ startedAt, endedAt, dryRun, apiCalls }: SweepReport, fleet: readonly Block[]) {
  const parts = fleet.flatMap((block) => block.parts);
  const [fine, all] = [countIn(parts, isAsItShouldBe), countIn(parts, isPresent)];
  const seconds = (Date.parse(endedAt) - Date.parse(startedAt)) / 1000;
  return html`<header>
<p class="when">Muster’s sweep of <time datetime="${startedAt}">${momentWords(startedAt)}</time>${dryRun && html` <strong class="dry">dry run: nothing was started</strong>`}</p>
<h1><b>${numberWords(fine)}</b> of ${numberWords(all)} instances are as they should be</h1>
<p class="took">It took ${numberWords(Number(seconds.toFixed(1)))} s and ${numberWords(apiCalls)} API calls.</p>
</header>`;
}

function alerts(sentences: readonly string[]) {
  return (
    sentences.length > 0 &&
    html`<section class="alerts" aria-label="What a person must look at">
${sentences.map((sentence) => html`<p>${sentence}</p>\n`)}</section>
`
  );
}

function fleetSection(fleet: readonly Block[], scale: Scale) {
  const parts = fleet.flatMap((block) => block.parts);
  const legend = CONDITION_NAMES.map((condition) => {
    const count = countIn(parts, (part) => part.condition === condition);
    const { label, meaning } = CONDITIONS[condition];
    return count > 0 && html`<li title="${meaning}">${mark(condition)} <b>${numberWords(count)}</b> ${label}</li>\n`;
  });
  const perMark = numberWords(scale.instancesPerMark);
  return html`<section>
<h2>The fleet</h2>
<ul class="legend">
${legend}</ul>
${scale.instancesPerMark > 1 && html`<p class="note">A mark stands for up to ${perMark} instances.</p>\n`}${fleet.map((block) => blockOf(block, scale))}</section>
`;
}

function blockOf({ name, regions, stoppedBecause, parts }: Block, scale: Scale) {
  const [fine, all] = [countIn(parts, isAsItShouldBe), countIn(parts, isPresent)];
  return html`<article>
<h3>${name} <small>${regions.join(', ')}</small></h3>
<p class="share">${all > 0 ? `${numberWords(fine)} of ${numberWords(all)}` : 'no instances'}</p>
${stoppedBecause !== null && html`<p class="stopped">Not all of it was seen. ${stoppedBecause}</p>\n`}${parts.some(({ count }) => count > 0) && picture(name, parts, scale)}
</article>
`;
}

function instanceTable(rows: readonly NumberedRow[]) {
  if (rows.length === 0)
    return html`<section>
<h2>What is not as it should be</h2>
<p class="note">Nothing.</p>
</section>
`;
  return html`<section>
<h2>What is not as it should be</h2>
<table class="instances">
<thead><tr><th scope="col">instance</th><th scope="col">finding</th><th scope="col">reason</th><th scope="col">started</th></tr></thead>
<tbody>
${rows.map(instanceRow)}</tbody>
</table>
</section>
`;
}

function instanceRow(row: NumberedRow) {
  const { number, instance, platform, region, profile, finding, reason, execution } = row;
  const until = row.exemptUntil !== null && html` <small>until <time>${row.exemptUntil}</time></small>`;
  return html`<tr id="row-${number}">
<th scope="row">${instance} <small>${[profile, platform, region].filter(Boolean).join(' · ')}</small></th>
<td class="finding">${mark(finding)} ${CONDITIONS[finding].label}${until}</td>
<td>${reason}</td>
<td>${actionWords(row)}${execution !== null && html` <small class="execution">${execution}</small>`}</td>
</tr>
`;
}

function profileTable(report: SweepReport) {
  return html`<section>
<h2>The profiles</h2>
<table class="counts">
<thead><tr><th scope="col">profile</th>${COUNT_NAMES.map((name) => html`<th scope="col">${COUNTS[name]}</th>`)}<th scope="col">exempt until</th></tr></thead>
<tbody>
${report.profiles.map(
  ({ profile, counts }) => html`<tr>
<th scope="row">${profile}</th>
${COUNT_NAMES.map((name) => html`<td>${numberWords(counts[name])}</td>`)}<td>${exemptUntil(report, profile) ?? '–'}</td>
</tr>
`,
)}</tbody>
</table>
</section>
`;
}

const momentWords = (instant: string) => `${MOMENT.format(new Date(instant))} UTC`;
const MOMENT = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' });
