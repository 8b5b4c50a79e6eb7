import { readFileSync } from 'node:fs';
import { LineCounter, parseDocument } from 'yaml';
import * as z from 'zod';
import { toDotPath } from 'zod/v4/core';
import { InvalidRequest } from './errors.ts';
import { dayOf, yearAfter } from './exemptions.ts';
import { Exemption, Profile, SweepSettings } from './profiles.ts';

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
            message: `"${profile.name}" is used twice.`,
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
  const { content, lineOf } = openYaml(file);
  const parsed = ProfilesFile(dayOf(now)).safeParse(content);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(
    ({ path, message }) => `${file}:${lineOf(path)} ${toDotPath(path)}: ${message}`,
  );
  throw new InvalidRequest(faults.join('\n'));
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
  const { lineOf } = openYaml(file);
  const today = dayOf(now);
  const soon = dayOf(new Date(now.getTime() + WARNED_MILLISECONDS));
  return readProfilesFile(file, now).exemptions.flatMap(({ owner, from, expires }, index) => {
    if (expires > soon) return [];
    const what = `${file}:${lineOf(['exemptions', index, 'expires'])} exemptions[${index}].expires: the exemption from ${from.join(' and ')}`;
    return expires < today
      ? `${what} ended after ${expires} and exempts nobody: remove it, or have ${owner} renew it.`
      : `${what} ends after ${expires}, and what it exempts is enrolled in full from then on: ask ${owner}.`;
  });
}

const WARNED_MILLISECONDS = 30 * 24 * 3600 * 1000;

/** @throws InvalidRequest when it is not YAML */
function openYaml(file: string) {
  const lines = new LineCounter();
  const document = parseDocument(readFileSync(file, 'utf8'), { lineCounter: lines });
  const [broken] = document.errors;
  if (broken) throw new InvalidRequest(`${file}: not YAML: ${broken.message}`);
  return { content: document.toJS() as unknown, lineOf };

  /** The line of the value at `path`, or of the nearest thing above it that is there. */
  function lineOf(path: PropertyKey[]): number {
    for (let length = path.length; length > 0; length--) {
      const node: unknown = document.getIn(path.slice(0, length), true);
      if (node && typeof node === 'object' && 'range' in node && Array.isArray(node.range))
        return lines.linePos(Number(node.range[0])).line;
    }
    return 1;
  }
}
