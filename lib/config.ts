import { InvalidRequest, PermissionDenied } from './errors.ts';

/**
 * The environment of the functions: texts, which are not empty. Nothing else of theirs reads `process.env`. A list and no
 * schema of zod's, which would weigh more in each bundle than it checks.
 */
export const VARIABLES = [
  'AWS_REGION',
  'AWS_LAMBDA_FUNCTION_NAME',
  /** Of the function's role. */
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  /** Dimension of every metric: lib/telemetry.ts. This one and the rest are `provider.environment` of serverless.yml. */
  'STAGE',
  'LEDGER_TABLE',
  'ENROL_NODE_STATE_MACHINE_ARN',
  'RETIRE_NODE_STATE_MACHINE_ARN',
  'WATCH_HOOKS_STATE_MACHINE_ARN',
  /** Names of the Systems Manager documents. */
  'COLLECT_IDENTITY_DOCUMENT',
  'INSTALL_CREDENTIALS_DOCUMENT',
  'INSTALL_CHEF_DOCUMENT',
  /** For one answer of an AWS service. */
  'REQUEST_TIMEOUT_MILLISECONDS',
  /** The URL of the bucket in which each sweep stores its report. */
  'REPORTS_URL',
] as const;
type Variable = (typeof VARIABLES)[number];

/** A variable is read when it is used, so that a missing one fails only the functions that need it. */
function variable(name: Variable): string | undefined {
  return process.env[name] || undefined;
}

/**
 * One variable of the function's environment.
 * @throws PermissionDenied if it is one of the role's and is not set, InvalidRequest for any other
 */
export function environment(name: Variable): string {
  const value = variable(name);
  if (value !== undefined) return value;
  const fault = `The environment of ${variable('AWS_LAMBDA_FUNCTION_NAME') ?? 'this function'} lacks ${name}`;
  throw /KEY/.test(name)
    ? new PermissionDenied(`${fault}: Lambda sets it from the function's role. Give it one.`)
    : new InvalidRequest(`${fault}: serverless.yml sets it. Deploy again.`);
}

/** The stage, or `none` outside a deployed stack. */
export function stage(): string {
  return variable('STAGE') ?? 'none';
}

/** How long one answer of an AWS service may take; undefined outside a deployed stack, where nothing is cut off. */
export function requestTimeoutMilliseconds(): number | undefined {
  const value = variable('REQUEST_TIMEOUT_MILLISECONDS');
  return value === undefined ? undefined : Number(value);
}

/** The stack's own Region: the default for every request that names none. */
export function home(): string {
  return environment('AWS_REGION');
}

/** The stack's own account. @throws InvalidRequest where the environment does not say it: nothing is taken for ours then */
export function accountId(): string {
  const arn = environment('RETIRE_NODE_STATE_MACHINE_ARN');
  const [account] = arn.split(':').slice(4);
  if (account && /^\d{12}$/.test(account)) return account;
  throw new InvalidRequest(`RETIRE_NODE_STATE_MACHINE_ARN is ${arn}, which names no account. Deploy again.`);
}

/** The credentials of the function's role. @throws PermissionDenied if it has none */
export function roleCredentials() {
  const sessionToken = variable('AWS_SESSION_TOKEN');
  return {
    accessKeyId: environment('AWS_ACCESS_KEY_ID'),
    secretAccessKey: environment('AWS_SECRET_ACCESS_KEY'),
    ...(sessionToken !== undefined && { sessionToken }),
  };
}

/*
 * What is compiled in. The build replaces these two expressions with JSON; the local world sets the variables, and changes
 * them from test to test. One accessor each, so that a bundle carries only what its function uses.
 */

/** The content of profiles.yml, checked by the build. */
export function profilesText(): string {
  return process.env.MUSTER_PROFILES ?? '';
}

/** The keys with which AWS signs identity documents, by Region. */
export function identityKeysText(): string {
  return process.env.IDENTITY_KEYS ?? '';
}
