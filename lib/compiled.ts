import { home, profilesText } from './config.ts';
import { InvalidRequest } from './errors.ts';
import { type DeployedProfile, deployed, Exemption, type Profile, type SweepSettings } from './profile.ts';
import { faultsOf } from './schema-faults.ts';
import type { Associate } from './servers.ts';
import { logger } from './telemetry.ts';

/** profiles.yml as the build writes it into the functions, which need neither a file nor a YAML parser then. */
interface Compiled {
  profiles: Profile[];
  exemptions?: unknown;
  formerServers?: Associate[];
  sweep: SweepSettings;
}

interface Read extends Required<Compiled> {
  readonly text: string;
  readonly exemptions: Exemption[];
}

let read: Read | undefined;

/** Parsed once, on first use. */
function compiled() {
  const text = profilesText();
  if (!text) throw new InvalidRequest('No profiles were compiled into this function. Build it with `npm run package`.');
  if (read?.text !== text) {
    const { profiles, exemptions = [], formerServers = [], sweep }: Compiled = JSON.parse(text, withoutReservedKey);
    read = { text, profiles, exemptions: readable([exemptions].flat()), formerServers, sweep };
  }
  return read;
}

/** What stands under such a key would be lost on the way, and with it what it restricts. */
function withoutReservedKey(key: string, value: unknown): unknown {
  if (key !== '__proto__') return value;
  throw new InvalidRequest('The compiled profiles have a key "__proto__". Build the functions with `npm run package`.');
}

let filledIn: { from: readonly Profile[]; region: string; profiles: DeployedProfile[] } | undefined;

/** The profiles of profiles.yml, with their Regions filled in. */
export function profiles(): readonly DeployedProfile[] {
  const { profiles: from } = compiled();
  const region = home();
  if (filledIn?.from !== from || filledIn.region !== region)
    filledIn = { from, region, profiles: from.map((profile) => deployed(profile, region)) };
  return filledIn.profiles;
}

/** The profiles for this Region. Without one, no instance there is ours, and no service may be called. */
export function profilesIn(region: string): readonly DeployedProfile[] {
  return profiles().filter(({ regions }) => regions.includes(region));
}

/** @throws InvalidRequest if no profile is for the Region */
export function requireOurRegion(region: string): void {
  if (profilesIn(region).length > 0) return;
  throw new InvalidRequest(
    `No profile is for the Region ${region}: correct region, or add it to the regions of a profile in profiles.yml and deploy again.`,
  );
}

/** The valid exemptions of profiles.yml. An invalid one exempts no instance. */
export function exemptions(): readonly Exemption[] {
  return compiled().exemptions;
}

/** The servers of profiles.yml that no profile names any more, and that may still have nodes. */
export function formerServers(): readonly Associate[] {
  return compiled().formerServers;
}

/** The limits of a sweep. */
export function sweepSettings(): SweepSettings {
  return compiled().sweep;
}

/** The build refuses an invalid exemption. One that gets here another way is dropped, and the others still count. */
function readable(exemptions: readonly unknown[]): Exemption[] {
  return exemptions.flatMap((exemption, index) => {
    const parsed = Exemption.safeParse(exemption);
    if (parsed.success) return [parsed.data];
    logger.warn('An exemption is invalid and exempts no instance', { index, reason: faultsOf(parsed.error) });
    return [];
  });
}
