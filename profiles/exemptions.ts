import type { Instance } from '../lib/instance.ts';
import { type Exemptible, type Exemption, isReservedTag, type Profile } from '../lib/profile.ts';
import { isTagged, matches } from './match.ts';

/** What an instance is exempt from, and by which exemption. */
export type Exemptions = Readonly<Record<Exemptible, Exemption | null>>;

/**
 * What the instance is exempt from at an instant. A launch and a sweep both ask here. Of several exemptions the one that
 * lasts longest counts. One whose last day is over exempts no instance, and neither does one that is more than a year away.
 *
 *   … ──── expires, the whole day in UTC ────┤ midnight: the next sweep enrols what was exempt
 */
export function exemptionsOf(exemptions: readonly Exemption[], instance: Instance, at: string): Exemptions {
  const today = dayOf(new Date(at));
  const holding = exemptions
    .filter(({ expires }) => today <= expires && expires <= yearAfter(today))
    .filter((exemption) => isMeant(exemption, instance))
    .sort((a, b) => (a.expires < b.expires ? 1 : a.expires > b.expires ? -1 : 0));
  const from = (part: Exemptible) => holding.find((exemption) => exemption.from.includes(part)) ?? null;
  return { imdsv2: from('imdsv2'), association: from('association') };
}

/**
 * Every condition must be true of the instance. A Lightsail name comes from the control plane; the name of an EC2 instance
 * is its tag `Name`, which the instance may be allowed to set itself.
 */
function isMeant({ match: { instanceId, name, tags }, trusted }: Exemption, instance: Instance): boolean {
  if (instanceId !== undefined && !(instance.platform === 'ec2' && instance.instanceId === instanceId)) return false;
  const trustsTags = trusted === 'tags';
  if (!trustsTags && !Object.keys(tags ?? {}).every(isReservedTag)) return false;
  const tagged = trustsTags ? instance.tags.Name : undefined;
  const itsName = instance.platform === 'lightsail' ? instance.instanceId : tagged;
  if (name !== undefined && !matches(name, itsName)) return false;
  return isTagged(instance, tags);
}

/** What a request leaves out for this one time: as if the instance were exempt from it until the end of the day. */
export function leavingOut(exempt: Exemptions, parts: readonly Exemptible[] = [], at: string): Exemptions {
  const leftOut = { match: {}, from: [...parts], owner: 'muster', reason: 'The request leaves it out.' };
  const thisTime: Exemption = { ...leftOut, expires: dayOf(new Date(at)) };
  return { ...exempt, ...Object.fromEntries(parts.map((part) => [part, exempt[part] ?? thisTime])) };
}

/** What is left of the profile for an exempt instance: association is the stack's and the server's alike. */
export function withoutExempted({ metadata, register, associate, ...profile }: Profile, exempt: Exemptions): Profile {
  return {
    ...profile,
    ...(!exempt.imdsv2 && metadata && { metadata }),
    ...(!exempt.association && register && { register }),
    ...(!exempt.association && associate && { associate }),
  };
}

/** The parts of the profile that are left out: an instance is exempt only from what the profile asks for. */
export function exemptParts({ metadata, register, associate }: Profile, exempt: Exemptions): Exemptible[] {
  const parts: Exemptible[] = [];
  if (exempt.imdsv2 && metadata) parts.push('imdsv2');
  if (exempt.association && (register || associate)) parts.push('association');
  return parts;
}

/** Whether an instance that was enrolled without these parts is to have one of them now. */
export function isMoreWanted(enrolledWithout: readonly Exemptible[] = [], exempt: Exemptions): boolean {
  return enrolledWithout.some((part) => !exempt[part]);
}

/** The day that it is, in UTC. */
export function dayOf(instant: Date): string {
  return instant.toISOString().slice(0, 10);
}

/** The same day a year later. Compared as text only: in a leap year's February it may be a day that there is not. */
export function yearAfter(day: string): string {
  return `${Number(day.slice(0, 4)) + 1}${day.slice(4)}`;
}
