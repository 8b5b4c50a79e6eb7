import { InvalidRequest } from './errors.ts';
import { type DeployedProfile, deployed, Exemption, type Profile, type SweepSettings } from './profile.ts';
import { faultsOf } from './schema-faults.ts';
import { logger } from './telemetry.ts';

/** The environment of the functions. The names are those of `provider.environment` in serverless.yml. */
export const VARIABLES = [
  'AWS_REGION',
  /** Dimension of every metric: lib/telemetry.ts. */
  'STAGE',
  'LEDGER_TABLE',
  'ENROL_NODE_STATE_MACHINE_ARN',
  'RETIRE_NODE_STATE_MACHINE_ARN',
  /** Names of the Systems Manager documents. */
  'COLLECT_IDENTITY_DOCUMENT',
  'INSTALL_CREDENTIALS_DOCUMENT',
  'INSTALL_CHEF_DOCUMENT',
  /** The URL of the bucket in which each sweep stores its report. */
  'REPORTS_URL',
] as const;

/** One variable of the function's environment. @throws InvalidRequest if it is not set */
export function environment(name: (typeof VARIABLES)[number]): string {
  const value = process.env[name];
  if (value) return value;
  throw new InvalidRequest(`The function's environment lacks ${name}. Deploy the stack again: serverless.yml sets it.`);
}

let read: { text: string; profiles: Profile[]; exemptions: Exemption[]; sweep: SweepSettings } | undefined;

/**
 * What the function was built with. The build checks profiles.yml and replaces this variable with its content, so that a
 * function needs neither a file nor a YAML parser. The local world sets the variable, and changes it from test to test.
 */
function compiled() {
  const text = process.env.MUSTER_PROFILES ?? '';
  if (!text) throw new InvalidRequest('No profiles were compiled into this function. Build it with `npm run package`.');
  if (read?.text !== text) {
    const { profiles, exemptions = [], sweep }: Compiled = JSON.parse(text, withoutReservedKey);
    read = { text, profiles, exemptions: readable([exemptions].flat()), sweep };
  }
  return read;
}

/** What stands under such a key would be lost on the way, and with it what it restricts. */
function withoutReservedKey(key: string, value: unknown): unknown {
  if (key !== '__proto__') return value;
  throw new InvalidRequest('The compiled profiles have a key "__proto__". Build the functions with `npm run package`.');
}

interface Compiled {
  profiles: Profile[];
  exemptions?: unknown;
  sweep: SweepSettings;
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

/** The stack's own Region: the default for every request that names none. */
export function home(): string {
  return environment('AWS_REGION');
}

/** The stack's own account. */
export function accountId(): string {
  return environment('RETIRE_NODE_STATE_MACHINE_ARN').split(':')[4] ?? '';
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
