import * as z from 'zod';
import { Exemption, Profile, SweepSettings } from '../lib/profile.ts';
import { parseYaml } from '../lib/schema-faults.ts';
import { Associate } from '../lib/servers.ts';
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
      /** Servers that no profile names any more, and that may still have nodes: retirements may read their secrets. */
      formerServers: z.array(Associate).optional(),
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
  return parseYaml(ProfilesFile(dayOf(now)), openYaml(file));
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
      ? `${what} ended after ${expires} and exempts no instance: remove it, or have ${owner} renew it.`
      : `${what} ends after ${expires}, and what it exempts is enrolled in full from then on: ask ${owner}.`;
  });
}

const WARNED_MILLISECONDS = 30 * 24 * 3600 * 1000;
