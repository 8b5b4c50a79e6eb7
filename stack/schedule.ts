const UNITS = ['minute', 'hour', 'day'];

interface Field {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  /** Words for the numbers, from the first on. */
  readonly words?: readonly string[];
  /** What else may stand there by itself. */
  readonly more?: RegExp;
}

/** What cron(…) says, in order. Source: EventBridge User Guide, "Setting a schedule pattern for scheduled rules". */
const FIELDS: readonly Field[] = [
  { name: 'minutes', from: 0, to: 59 },
  { name: 'hours', from: 0, to: 23 },
  { name: 'day-of-month', from: 1, to: 31, more: /^(\?|L|([1-9]|[12]\d|3[01])W)$/ },
  { name: 'month', from: 1, to: 12, words: 'JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC'.split(' ') },
  {
    name: 'day-of-week',
    from: 1,
    to: 7,
    words: 'SUN MON TUE WED THU FRI SAT'.split(' '),
    more: /^(\?|[1-7]?L|[1-7]#[1-5])$/,
  },
  { name: 'year', from: 1970, to: 2199 },
];

/**
 * Holds a schedule expression of EventBridge against its grammar.
 * @returns the end of a sentence that says what it is and what to write; undefined where there is nothing wrong
 */
export function faultOfSchedule(text: string): string | undefined {
  const [, kind, inside = ''] = /^(rate|cron)\(([^()]+)\)$/.exec(text) ?? [];
  if (kind === 'rate') return faultOfRate(inside);
  if (kind === 'cron') return faultOfCron(inside.split(' '));
  return 'it is rate(…) or cron(…)';
}

function faultOfRate(inside: string): string | undefined {
  const [, digits = '', unit = ''] = /^(\d+) ([a-z]+?)s?$/.exec(inside) ?? [];
  const value = Number(digits);
  if (!UNITS.includes(unit) || value < 1)
    return 'a rate is a whole number from 1 up and minutes, hours or days: write rate(1 hour), or rate(2 hours)';
  const right = `${value} ${unit}${value === 1 ? '' : 's'}`;
  return inside === right ? undefined : `write rate(${right})`;
}

function faultOfCron(values: readonly string[]): string | undefined {
  const names = FIELDS.map(({ name }) => name).join(' ');
  if (values.length !== FIELDS.length)
    return `cron has ${FIELDS.length} fields, which are ${names}, with one space between, and here are ${values.length}: write cron(0 * * * ? *) for every hour`;
  const [, , dayOfMonth, , dayOfWeek] = values;
  if ((dayOfMonth === '?') === (dayOfWeek === '?'))
    return 'one of day-of-month and day-of-week says which days, and the other is ?: write ? in one of them alone';
  const wrong = FIELDS.find((field, index) => !isOf(values[index] ?? '', field));
  if (!wrong) return undefined;
  const value = values[FIELDS.indexOf(wrong)];
  return `${value} is no value of its ${wrong.name}: write * or what lies within ${wrong.from} and ${wrong.to}`;
}

function isOf(value: string, field: Field): boolean {
  if (field.more?.test(value)) return true;
  return value.split(',').every((item) => {
    const [range = '', step, ...more] = item.split('/');
    if (more.length > 0 || (step !== undefined && !/^[1-9]\d*$/.test(step))) return false;
    const ends = range.split('-');
    return range === '*' || (ends.length <= 2 && ends.every((end) => isWithin(end, field)));
  });
}

function isWithin(text: string, { from, to, words = [] }: Field): boolean {
  if (words.includes(text.toUpperCase())) return true;
  return /^\d+$/.test(text) && Number(text) >= from && Number(text) <= to;
}
