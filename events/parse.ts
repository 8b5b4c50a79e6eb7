import * as z from 'zod';
import { InvalidRequest } from '../lib/errors.ts';

/** What a schema's faults are told with: `subject` names the whole input, `preface` comes before the sentences. */
interface Wording {
  subject: string;
  preface?: string;
}

/**
 * Reads `input` by `schema`.
 * @throws InvalidRequest with one sentence a fault, each naming the field and the fix.
 */
export function parse<Schema extends z.ZodType>(schema: Schema, input: unknown, wording: Wording): z.output<Schema> {
  const result = schema.safeParse(input, { error: (issue) => sentence(issue, wording.subject) });
  if (result.success) return result.data;
  const sentences = result.error.issues.map((issue) => issue.message);
  throw new InvalidRequest([wording.preface, ...sentences].filter(Boolean).join(' '), { cause: result.error });
}

/** `undefined` leaves the fault to zod's own words. */
function sentence(issue: z.core.$ZodRawIssue, subject: string): string | undefined {
  if (issue.code === 'unrecognized_keys') return unknownFields(issue);
  const field = issue.path?.map(String).join('.') || subject;
  if (issue.input === undefined) return `${field} is missing.`;
  if (issue.code === 'too_small' && issue.minimum === 1) return `${field} is empty.`;
  const wanted = requirement(issue);
  return wanted && `${field} must be ${wanted}, not ${shortened(issue.input)}.`;
}

function requirement(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return TYPES[issue.expected] ?? issue.expected;
    case 'invalid_value':
      return issue.values.map((value) => JSON.stringify(value)).join(' or ');
    case 'invalid_format':
      return FORMATS[issue.format] ?? issue.format;
    case 'too_small':
      return `${issue.exact ? 'exactly' : 'at least'} ${issue.minimum} ${unitOf(issue)}`;
    case 'too_big':
      return `${issue.exact ? 'exactly' : 'at most'} ${issue.maximum} ${unitOf(issue)}`;
    default:
      return undefined;
  }
}

const unitOf = ({ origin }: { origin: string }) => (origin === 'string' ? 'characters long' : 'long');

const TYPES: Partial<Record<string, string>> = { string: 'a string', object: 'an object', array: 'a list' };
const FORMATS: Partial<Record<string, string>> = { datetime: 'a time such as "2015-05-13T18:43:48Z"' };

/** Keeps a pasted document from becoming the message. */
function shortened(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}

function unknownFields(issue: z.core.$ZodRawIssue<z.core.$ZodIssueUnrecognizedKeys>): string {
  const known = issue.inst instanceof z.ZodObject ? Object.keys(issue.inst.shape) : [];
  const name = (last: string) => shortened([...(issue.path ?? []).map(String), last].join('.'));
  const found = issue.keys.map((key) => ({ key, meant: mostAlike(key, known) }));
  const sentences = found.map(
    ({ key, meant }) => `Unknown field ${name(key)}.${meant ? ` Did you mean ${name(meant)}?` : ''}`,
  );
  if (found.some(({ meant }) => !meant)) sentences.push(`The fields are ${known.join(', ')}.`);
  return sentences.join(' ');
}

function mostAlike(name: string, candidates: string[]): string | undefined {
  const best = candidates.toSorted((a, b) => likeness(b, name) - likeness(a, name))[0];
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
