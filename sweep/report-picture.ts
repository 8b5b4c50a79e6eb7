import { html } from 'hono/html';
import type { ReportRow, SweepReport } from './report.ts';
import { CONDITION_NAMES, CONDITIONS, type Condition, numberWords } from './report-words.ts';

/** How a mark is drawn in a square of ten by ten: every condition has a form of its own, not only a colour. */
const FORMS: Readonly<Record<Condition, string>> = {
  failed: 'm1.6 0 3.4 3.4 3.4-3.4 1.6 1.6-3.4 3.4 3.4 3.4-1.6 1.6-3.4-3.4-3.4 3.4-1.6-1.6 3.4-3.4-3.4-3.4z',
  unknown: 'm5 0a5 5 0 0 1 0 10 5 5 0 0 1 0-10zm0 3a2 2 0 0 0 0 4 2 2 0 0 0 0-4z',
  'still-on-imdsv1': 'm5 .4 5 9.2h-10z',
  'imdsv1-open': 'm5 .4 5 9.2h-10zm0 4.1-1.9 3.5h3.8z',
  drifting: 'm5 0 5 5-5 5-5-5z',
  'on-former-server': 'm0 0h5l5 5-5 5h-5l5-5z',
  waiting: 'm0 0h10l-5 5zm0 10h10l-5-5z',
  retained: 'm0 0h4v10h-4zm6 0h4v10h-4z',
  reverted: 'm0 .4h10l-5 9.2z',
  'after-canary': 'm0 0h10v4h-10zm0 6h10v4h-10z',
  exempt: 'm0 0h10v10h-10zm2 2v6h6v-6z',
  'under-way': 'm5 0a5 5 0 0 1 0 10 5 5 0 0 1 0-10z',
  'as-it-should-be': 'm2 0h6a2 2 0 0 1 2 2v6a2 2 0 0 1-2 2h-6a2 2 0 0 1-2-2v-6a2 2 0 0 1 2-2z',
  gone: 'm3.5 3.5h3v3h-3z',
  'not-listed': 'm2 2h6v6h-6zm1.5 1.5v3h3v-3z',
};
/** As many marks can be pointed at one by one. Beyond that a browser would have more to do than a person can look at. */
const MOST_LINKS = 2_000;
/** From one mark to the next. */
const PITCH = 12;
const MOST_MARKS = 12_000;
/** How many marks stand in a line: the more there are, the smaller they are. */
const COLUMNS = [
  { most: 128, columns: 32 },
  { most: 576, columns: 48 },
  { most: 3_200, columns: 80 },
  { most: MOST_MARKS, columns: 120 },
];

/** The same for all profiles of a report, so that their areas compare. */
export interface Scale {
  readonly columns: number;
  /** For how many instances a mark stands, at most. */
  readonly instancesPerMark: number;
  readonly isLinked: boolean;
}

export function scaleFor({ profiles, rows }: SweepReport): Scale {
  const instances = profiles.reduce((sum, { counts }) => sum + counts.instances + counts.gone, 0);
  const instancesPerMark = Math.max(1, Math.ceil(instances / MOST_MARKS));
  const { columns = 120 } = COLUMNS.find(({ most }) => instances <= most) ?? {};
  return { columns, instancesPerMark, isLinked: instancesPerMark === 1 && rows.length <= MOST_LINKS };
}

/** A row, and its place in the report's table. */
export interface NumberedRow extends ReportRow {
  readonly number: number;
}

/** What is known of one profile's instances: a row of its own, or only that there are so many of them. */
export interface Part {
  readonly condition: Condition;
  readonly count: number;
  readonly rows: readonly NumberedRow[];
}

/** The picture of one profile: a mark for each instance, first those that a person looks at first. */
export function picture(profile: string, parts: readonly Part[], scale: Scale) {
  const { columns } = scale;
  const marks = parts.flatMap((part) => marksOf(part, scale));
  const lines = Math.ceil(marks.length / columns);
  const drawn = marks.map((mark, index) => {
    const [x, y] = [(index % columns) * PITCH, Math.floor(index / columns) * PITCH];
    return { ...mark, d: `M${x} ${y}${FORMS[mark.condition]}` };
  });
  return html`<svg class="fleet" viewBox="-1 -1 ${columns * PITCH} ${lines * PITCH}" role="img" aria-label="${named(profile, parts)}">
${CONDITION_NAMES.map((condition) => layer(condition, drawn))}</svg>`;
}

interface Mark {
  readonly condition: Condition;
  readonly row?: NumberedRow | undefined;
}

function marksOf({ condition, count, rows }: Part, { instancesPerMark, isLinked }: Scale): Mark[] {
  // Rounded up, so that the only one that failed among thousands is still seen.
  const marks = Math.ceil(count / instancesPerMark);
  return Array.from({ length: marks }, (_, index) => ({ condition, row: isLinked ? rows[index] : undefined }));
}

/** All marks of one condition: those with a row lead to it, the others are one path. */
function layer(condition: Condition, marks: readonly (Mark & { d: string })[]) {
  const own = marks.filter((mark) => mark.condition === condition);
  const plain = own.flatMap(({ row, d }) => (row ? [] : [d])).join('');
  const linked = own.map(
    ({ row, d }) =>
      row &&
      html`<a href="#row-${row.number}" tabindex="-1"><title>${row.instance}: ${CONDITIONS[condition].label}</title><path d="${d}"/></a>`,
  );
  return own.length > 0 && html`<g class="is-${condition}">${linked}${plain && html`<path d="${plain}"/>`}</g>\n`;
}

/** A single mark, as a legend and a table show it. */
export function mark(condition: Condition) {
  return html`<svg class="mark is-${condition}" viewBox="0 0 10 10" aria-hidden="true"><path d="M0 0${FORMS[condition]}"/></svg>`;
}

function named(profile: string, parts: readonly Part[]): string {
  const told = parts.filter(({ count }) => count > 0);
  const words = told.map(({ condition, count }) => `${numberWords(count)} ${CONDITIONS[condition].label}`);
  return `${profile}: ${words.join(', ')}`;
}
