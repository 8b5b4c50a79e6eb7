import * as z from 'zod';
import { toDotPath } from 'zod/v4/core';
import { InvalidRequest } from '../lib/errors.ts';
import { Exemption, Profile, SweepSettings } from '../lib/profile.ts';
import { isEmpty, nearest, oneOf, shortened, wantedBy } from '../lib/wording.ts';
import { openYaml } from '../lib/yaml-file.ts';
import { dayOf, yearAfter } from './exemptions.ts';

/** The file, as it is to be on a day. */
const ProfilesFile = (today: string) =>
  z
    .strictObject({
      profiles: z.array(Profile).min(1),
      exemptions: z
        .array(
          Exemption.refine(({ expires }) => expires <= yearAfter(today), {
            path: ['expires'],
            error: `More than a year away: say a day up to ${yearAfter(today)}, and look at it again then.`,
          }),
        )
        .default([]),
      sweep: SweepSettings.prefault({}),
    })
    .superRefine(({ profiles }, context) => {
      profiles.forEach((profile, index) => {
        if (profiles.findIndex((other) => other.name === profile.name) < index)
          context.addIssue({
            code: 'custom',
            path: ['profiles', index, 'name'],
            message: `"${profile.name}" is the name of another profile too: give each its own.`,
          });
      });
    });
/** All that profiles.yml says, with what it leaves out filled in. */
export type ProfilesFile = z.infer<ReturnType<typeof ProfilesFile>>;

/**
 * Reads and checks a profiles file (YAML).
 * @throws InvalidRequest with one sentence for each fault: file, line, field and what is expected.
 */
export function readProfilesFile(file: string, now = new Date()): ProfilesFile {
  const yaml = openYaml(file);
  const parsed = ProfilesFile(dayOf(now)).safeParse(yaml.content(), { error: sentences });
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

/** In the place of zod's own words; a line for each unknown field. */
function sentences(issue: z.core.$ZodRawIssue): string {
  if (issue.code === 'unrecognized_keys') return unknownFields(issue).join('\n');
  const { input, wanted } = meant(issue);
  if (!wanted) return `it cannot be ${shortened(input)}: correct it, or remove it.`;
  if (input === undefined) return `it is missing: give it ${wanted}.`;
  if (input === null) return `it has no value: give it ${wanted}.`;
  if (isEmpty(issue)) return 'it is empty: fill it in.';
  return `it must be ${wanted}, not ${shortened(input)}${isUnquoted(issue) ? `: write "${input}", in quotes` : ''}.`;
}

/** YAML takes `2` and `true` for no text. */
function isUnquoted({ code, input, inst }: z.core.$ZodRawIssue): boolean {
  return code === 'invalid_type' && inst instanceof z.core.$ZodString && z.safeParse(inst, String(input)).success;
}

/** What stands there, and what is to. */
function meant(issue: z.core.$ZodRawIssue): { input: unknown; wanted: string | undefined } {
  const { input, inst } = issue;
  // Which kind of object it is says one of its fields.
  if (inst instanceof z.ZodDiscriminatedUnion && issue.code === 'invalid_union' && Array.isArray(issue.options))
    return { input: Object(input)[inst._zod.def.discriminator], wanted: oneOf(issue.options) };
  const wanted =
    inst instanceof z.ZodObject ? `an object (fields: ${Object.keys(inst.shape).join(', ')})` : wantedBy(issue);
  return { input, wanted };
}

function unknownFields({ keys, inst, input }: z.core.$ZodRawIssue<z.core.$ZodIssueUnrecognizedKeys>): string[] {
  const known = inst instanceof z.ZodObject ? Object.keys(inst.shape) : [];
  const free = known.filter((name) => !Object.hasOwn(Object(input), name));
  return keys.map((key) => {
    const name = nearest(key, free);
    if (name) return `there is no such field: write ${name}.`;
    return `there is no such field: remove it${free.length > 0 ? `, or write one of ${free.join(', ')}` : ''}.`;
  });
}

/** The profiles of a file alone. */
export function readProfiles(file: string): Profile[] {
  return readProfilesFile(file).profiles;
}

/**
 * What will soon be exempt no more, and what is exempt no more already.
 * @returns one sentence for each: file, line, and what to do
 */
export function exemptionsRunningOut(file: string, now = new Date()): string[] {
  const yaml = openYaml(file);
  const today = dayOf(now);
  const soon = dayOf(new Date(now.getTime() + WARNED_MILLISECONDS));
  return readProfilesFile(file, now).exemptions.flatMap(({ owner, from, expires }, index) => {
    if (expires > soon) return [];
    const what = `${yaml.placeOf(['exemptions', index, 'expires'])} exemptions[${index}].expires: the exemption from ${from.join(' and ')}`;
    return expires < today
      ? `${what} ended after ${expires} and exempts nobody: remove it, or have ${owner} renew it.`
      : `${what} ends after ${expires}, and what it exempts is enrolled in full from then on: ask ${owner}.`;
  });
}

const WARNED_MILLISECONDS = 30 * 24 * 3600 * 1000;
