import * as z from 'zod';
import { InvalidRequest } from '../lib/errors.ts';
import { isEmpty, nearest, shortened, wantedBy } from '../lib/wording.ts';

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
  if (isEmpty(issue)) return `${field} is empty.`;
  const wanted = wantedBy(issue);
  return wanted && `${field} must be ${wanted}, not ${shortened(issue.input)}.`;
}

function unknownFields(issue: z.core.$ZodRawIssue<z.core.$ZodIssueUnrecognizedKeys>): string {
  const known = issue.inst instanceof z.ZodObject ? Object.keys(issue.inst.shape) : [];
  const name = (last: string) => shortened([...(issue.path ?? []).map(String), last].join('.'));
  const found = issue.keys.map((key) => ({ key, meant: nearest(key, known) }));
  const sentences = found.map(
    ({ key, meant }) => `Unknown field ${name(key)}.${meant ? ` Did you mean ${name(meant)}?` : ''}`,
  );
  if (found.some(({ meant }) => !meant)) sentences.push(`The fields are ${known.join(', ')}.`);
  return sentences.join(' ');
}
