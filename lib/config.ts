import * as z from 'zod';
import { InvalidRequest } from './errors.ts';
import type { Profile } from './profiles.ts';

/** What the stack tells its functions. The names are those of `provider.environment` in serverless.yml. */
const Environment = z.object({
  AWS_REGION: z.string(),
  LEDGER_TABLE: z.string(),
  ENROL_NODE_STATE_MACHINE_ARN: z.string(),
  RETIRE_NODE_STATE_MACHINE_ARN: z.string(),
  /** Names of the Systems Manager documents. */
  COLLECT_IDENTITY_DOCUMENT: z.string(),
  INSTALL_CREDENTIALS_DOCUMENT: z.string(),
  INSTALL_CHEF_DOCUMENT: z.string(),
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

let read: { text: string; profiles: Profile[] } | undefined;

/**
 * The profiles that this function was built with. The build checks profiles.yml and puts its content in the place of
 * this variable, so that a function carries neither a file nor a YAML parser; the local world sets it.
 */
export function profiles(): readonly Profile[] {
  const text = process.env.MUSTER_PROFILES ?? '';
  if (!text) throw new InvalidRequest('No profiles were compiled into this function. Build it with `npm run package`.');
  if (read?.text !== text) read = { text, profiles: JSON.parse(text) };
  return read.profiles;
}
