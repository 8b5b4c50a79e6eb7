import * as z from 'zod';
import { InvalidRequest } from './errors.ts';
import { Exemption, type Profile, regionsOf, type SweepSettings } from './profile.ts';
import { faultsOf } from './schema-faults.ts';
import { logger } from './telemetry.ts';

/** What the stack tells its functions. The names are those of `provider.environment` in serverless.yml. */
const Environment = z.object({
  AWS_REGION: z.string(),
  /** What lib/telemetry.ts says with every metric. */
  STAGE: z.string(),
  LEDGER_TABLE: z.string(),
  ENROL_NODE_STATE_MACHINE_ARN: z.string(),
  RETIRE_NODE_STATE_MACHINE_ARN: z.string(),
  /** Names of the Systems Manager documents. */
  COLLECT_IDENTITY_DOCUMENT: z.string(),
  INSTALL_CREDENTIALS_DOCUMENT: z.string(),
  INSTALL_CHEF_DOCUMENT: z.string(),
  /** The address of the bucket in which each sweep leaves its report. */
  REPORTS_URL: z.string(),
});

/** The function's environment. Throws InvalidRequest when the stack left something out. */
export function environment(): z.infer<typeof Environment> {
  const parsed = Environment.safeParse(process.env);
  if (parsed.success) return parsed.data;
  const names = parsed.error.issues.map((issue) => issue.path.join('.')).join(', ');
  throw new InvalidRequest(
    `The function's environment lacks ${names}. Deploy the stack again: serverless.yml sets them.`,
  );
}

let read: { text: string; profiles: Profile[]; exemptions: Exemption[]; sweep: SweepSettings } | undefined;

/**
 * What this function was built with. The build checks profiles.yml and puts its content in the place of this variable, so
 * that a function carries neither a file nor a YAML parser; the local world sets it.
 */
function compiled() {
  const text = process.env.MUSTER_PROFILES ?? '';
  if (!text) throw new InvalidRequest('No profiles were compiled into this function. Build it with `npm run package`.');
  if (read?.text !== text) {
    const { profiles, exemptions = [], sweep }: Compiled = JSON.parse(text);
    read = { text, profiles, exemptions: readable([exemptions].flat()), sweep };
  }
  return read;
}

interface Compiled {
  profiles: Profile[];
  exemptions?: unknown;
  sweep: SweepSettings;
}

/** The profiles of profiles.yml. */
export function profiles(): readonly Profile[] {
  return compiled().profiles;
}

/** The stack's own Region: the one of whoever names none. */
export function home(): string {
  return environment().AWS_REGION;
}

/** The stack's own account. */
export function accountId(): string {
  return environment().RETIRE_NODE_STATE_MACHINE_ARN.split(':')[4] ?? '';
}

/** The profiles that are for this Region. Where there is none, nobody is ours, and no service may be asked. */
export function profilesIn(region: string): readonly Profile[] {
  return profiles().filter((profile) => regionsOf(profile, home()).includes(region));
}

/** @throws InvalidRequest for a Region that no profile is for */
export function requireOurRegion(region: string): void {
  if (profilesIn(region).length > 0) return;
  throw new InvalidRequest(
    `No profile is for the Region ${region}: correct region, or add it to the regions of a profile in profiles.yml and deploy again.`,
  );
}

/** The exemptions of profiles.yml that can be read. One that cannot be read exempts nobody. */
export function exemptions(): readonly Exemption[] {
  return compiled().exemptions;
}

/** How fast a sweep goes. */
export function sweepSettings(): SweepSettings {
  return compiled().sweep;
}

/** The build refuses what cannot be read. Whatever comes here another way is looked at again, one by one. */
function readable(exemptions: readonly unknown[]): Exemption[] {
  return exemptions.flatMap((exemption, index) => {
    const parsed = Exemption.safeParse(exemption);
    if (parsed.success) return [parsed.data];
    logger.warn('An exemption cannot be read, and exempts nobody', { index, reason: faultsOf(parsed.error) });
    return [];
  });
}
