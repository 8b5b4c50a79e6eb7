import * as z from 'zod';

/** What must stand in the place of what a schema does not accept; undefined for a fault that needs words of its own. */
export function wantedBy(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return issue.inst instanceof z.ZodStringFormat
        ? nameOf(issue.inst._zod.def.format)
        : (TYPES[issue.expected] ?? issue.expected);
    case 'invalid_value':
      return oneOf(issue.values);
    case 'invalid_format':
      return nameOf(issue.format);
    case 'too_small':
      return amount(issue, issue.inclusive === false ? 'more than' : 'at least', issue.minimum);
    case 'too_big':
      return amount(issue, 'at most', issue.maximum);
    default:
      return undefined;
  }
}

/** Whether a text or a list stands there, and nothing in it. */
export function isEmpty(issue: z.core.$ZodRawIssue): boolean {
  return issue.code === 'too_small' && issue.minimum === 1 && issue.origin !== 'number';
}

export function oneOf(values: readonly unknown[]): string {
  return values.map((value) => JSON.stringify(value)).join(' or ');
}

const TYPES: Partial<Record<string, string>> = {
  string: 'a string',
  object: 'an object',
  record: 'an object',
  array: 'a list',
  number: 'a number',
  int: 'a whole number',
};

/** A schema of ours calls its format as a sentence is to call it. */
const nameOf = (format: string) => FORMATS[format] ?? format;
const FORMATS: Partial<Record<string, string>> = {
  datetime: 'a time such as "2015-05-13T18:43:48Z"',
  uuid: 'a UUID',
};

function amount({ origin, exact }: { origin: string; exact?: boolean }, limit: string, of: number | bigint): string {
  const many = `${exact ? 'exactly' : limit} ${of}`;
  if (origin === 'string') return `${many} characters long`;
  return origin === 'array' ? `a list of ${many}` : many;
}

/** Keeps a pasted document from becoming the message. */
export function shortened(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}

/** The one of the names that is most likely meant; undefined where none is like it. */
export function nearest(name: string, names: readonly string[]): string | undefined {
  const best = names.toSorted((a, b) => likeness(b, name) - likeness(a, name))[0];
  return best && likeness(best, name) > 0.5 ? best : undefined;
}

/** The share of letter pairs that two names have in common, 0-1 (Dice), whatever their case and punctuation. */
function likeness(a: string, b: string): number {
  const [pairsOfA, pairsOfB] = [letterPairs(a), letterPairs(b)];
  return (2 * pairsOfA.intersection(pairsOfB).size) / (pairsOfA.size + pairsOfB.size || 1);
}

function letterPairs(name: string): Set<string> {
  const letters = name.toLowerCase().replace(/[^a-z0-9]/g, '');
  return new Set(Array.from(letters.slice(1), (letter, index) => letters[index] + letter));
}
