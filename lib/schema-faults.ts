import * as z from 'zod';
import { $ZodString, toDotPath } from 'zod/v4/core';
import { InvalidRequest } from './errors.ts';
import { nearest, shortened } from './wording.ts';
import type { YamlFile } from './yaml-file.ts';

/** How the faults of an input are worded: `subject` names the whole input, `preface` comes before the sentences. */
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

/**
 * Reads a YAML file by `schema`.
 * @throws InvalidRequest with one line a fault: file, line, field and what to write.
 */
export function parseYaml<Schema extends z.ZodType>(schema: Schema, yaml: YamlFile): z.output<Schema> {
  const parsed = schema.safeParse(yaml.content(), { error: sentenceInFile });
  if (parsed.success) return parsed.data;
  const { issues } = parsed.error;
  const misspelt = issues.filter(({ code }) => code === 'unrecognized_keys').map(({ path }) => toDotPath(path));
  // What an object lacks may be what is misspelt there.
  const own = issues.filter(({ code, path }) => code !== 'custom' || !misspelt.includes(toDotPath(path)));
  const faults = own.flatMap((issue) => {
    const paths = issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...issue.path, key]) : [issue.path];
    const says = issue.message.split('\n');
    return paths.map((path, nth) => `${[yaml.placeOf(path), toDotPath(path)].join(' ').trim()}: ${says[nth]}`);
  });
  throw new InvalidRequest(faults.join('\n'));
}

/** The field and the fault of each issue, in zod's own words: they quote no value, which may be a credential. */
export function faultsOf({ issues }: z.ZodError): string {
  return issues.map(({ path, message }) => [toDotPath(path), message].filter(Boolean).join(': ')).join('; ');
}

/** `undefined` leaves the fault to zod's own words. */
function sentence(issue: z.core.$ZodRawIssue, subject: string): string | undefined {
  if (issue.code === 'unrecognized_keys') return unknownFieldsOf(issue);
  const field = issue.path?.map(String).join('.') || subject;
  const fault = faultIn(issue, { input: issue.input, wanted: wantedBy(issue) });
  return fault && `${field} ${fault.says}.`;
}

/** Replaces zod's own words; one line for each unknown field. */
function sentenceInFile(issue: z.core.$ZodRawIssue): string {
  if (issue.code === 'unrecognized_keys') return unknownFieldsInFile(issue).join('\n');
  const meant = meantInFile(issue);
  // In YAML, a key without a value.
  if (meant.input === null && meant.wanted) return `it has no value: give it ${meant.wanted}.`;
  const { says, fix } = faultIn(issue, meant) ?? {
    says: `cannot be ${shortened(issue.input)}`,
    fix: 'correct it, or remove it',
  };
  return `it ${[says, fix].filter(Boolean).join(': ')}.`;
}

/** The rest of a sentence about a value, and what to do; undefined for a fault that needs words of its own. */
function faultIn(issue: z.core.$ZodRawIssue, { input, wanted }: Meant): { says: string; fix?: string } | undefined {
  if (!wanted) return undefined;
  if (input === undefined) return { says: 'is missing', fix: `give it ${wanted}` };
  if (isEmpty(issue)) return { says: 'is empty', fix: 'fill it in' };
  const says = `must be ${wanted}, not ${shortened(input)}`;
  return isUnquoted(issue) ? { says, fix: `write "${input}", in quotes` } : { says };
}

/** YAML reads an unquoted `2` or `true` as a number or a boolean. */
function isUnquoted({ code, input, inst }: z.core.$ZodRawIssue): boolean {
  if (typeof input !== 'number' && typeof input !== 'boolean') return false;
  return code === 'invalid_type' && inst instanceof $ZodString && z.safeParse(inst, String(input)).success;
}

/** The value that is at fault, and what it should be. */
interface Meant {
  readonly input: unknown;
  readonly wanted: string | undefined;
}

/** An operator who writes a file sees which fields there are. */
function meantInFile(issue: z.core.$ZodRawIssue): Meant {
  const { input, inst } = issue;
  // The kind of a discriminated object is in one of its fields.
  if (inst instanceof z.ZodDiscriminatedUnion && issue.code === 'invalid_union' && Array.isArray(issue.options))
    return { input: Object(input)[inst._zod.def.discriminator], wanted: oneOf(issue.options) };
  const isObject = inst instanceof z.ZodObject && issue.code === 'invalid_type';
  return { input, wanted: isObject ? `an object (fields: ${Object.keys(inst.shape).join(', ')})` : wantedBy(issue) };
}

type UnknownKeys = z.core.$ZodRawIssue<z.core.$ZodIssueUnrecognizedKeys>;

function unknownFieldsOf(issue: UnknownKeys): string {
  const known = fieldsOf(issue);
  const name = (last: string) => shortened([...(issue.path ?? []).map(String), last].join('.'));
  const found = issue.keys.map((key) => ({ key, meant: nearest(key, known) }));
  const sentences = found.map(
    ({ key, meant }) => `Unknown field ${name(key)}.${meant ? ` Did you mean ${name(meant)}?` : ''}`,
  );
  if (found.some(({ meant }) => !meant)) sentences.push(`The fields are ${known.join(', ')}.`);
  return sentences.join(' ');
}

function unknownFieldsInFile(issue: UnknownKeys): string[] {
  const free = fieldsOf(issue).filter((name) => !Object.hasOwn(Object(issue.input), name));
  return issue.keys.map((key) => {
    const name = nearest(key, free);
    if (name) return `there is no such field: write ${name}.`;
    return `there is no such field: remove it${free.length > 0 ? `, or write one of ${free.join(', ')}` : ''}.`;
  });
}

function fieldsOf({ inst }: UnknownKeys): string[] {
  return inst instanceof z.ZodObject ? Object.keys(inst.shape) : [];
}

/** What a value that a schema refuses should be; undefined for a fault that needs words of its own. */
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
function isEmpty(issue: z.core.$ZodRawIssue): boolean {
  return issue.code === 'too_small' && issue.minimum === 1 && issue.origin !== 'number';
}

function oneOf(values: readonly unknown[]): string {
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
