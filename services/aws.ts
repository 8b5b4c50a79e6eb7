import { AsyncLocalStorage } from 'node:async_hooks';
import { requestTimeoutMilliseconds } from '../lib/config.ts';
import { PermissionDenied, QuotaExceeded, ServiceUnavailable, Throttled } from '../lib/errors.ts';
import { quoted } from '../lib/quoted.ts';

/**
 * Three quick attempts are the SDK's; what is still refused then is the state machine's to try again. The time-outs
 * keep three attempts within a function's own time: the SDK's default is to wait for ever, and to log what it only waited
 * too long for.
 */
export const clientOptions = {
  maxAttempts: 3,
  requestHandler: {
    connectionTimeout: 1_000,
    requestTimeout: requestTimeoutMilliseconds() ?? 0,
    throwOnRequestTimeout: true,
    // Its warnings are no JSON. What they warn of ends as a time-out, which is logged.
    logger: { debug: nothing, info: nothing, warn: nothing, error: nothing },
  },
} as const;

function nothing(): void {}

/** For a page of up to a thousand items, which takes its service longer. */
export function forPage(signal: AbortSignal): { abortSignal: AbortSignal; requestTimeout: number } {
  return { abortSignal: signal, requestTimeout: 5 * (requestTimeoutMilliseconds() ?? 0) };
}

/** One client for each Region: a warm function keeps its connections. */
export function inRegion<Client>(make: (options: typeof clientOptions & { region: string }) => Client) {
  const clients = new Map<string, Client>();
  return (region: string): Client => {
    const client = clients.get(region) ?? make({ ...clientOptions, region });
    clients.set(region, client);
    return client;
  };
}

const THROTTLED = new Set([
  'Throttling',
  'ThrottlingException',
  'ThrottledException',
  'TooManyRequestsException',
  'RequestLimitExceeded',
  'RequestThrottled',
  'ProvisionedThroughputExceededException',
]);

const DENIED = new Set(['AccessDenied', 'AccessDeniedException', 'UnauthorizedOperation', 'AuthFailure']);

/** The service does not know who asks: what the role allows was never looked at. */
const CREDENTIALS_NOT_ACCEPTED = new Set([
  'UnauthenticatedException',
  'UnrecognizedClientException',
  'InvalidClientTokenId',
  'ExpiredToken',
  'ExpiredTokenException',
]);

/** Passes by itself: the service is being set up, is busy with the very object, or failed without saying why. */
const NOT_NOW = new Set([
  'AccountSetupInProgressException',
  'RegionSetupInProgressException',
  'OperationFailureException',
  'ResourceContention',
  'ResourceContentionFault',
  'IncorrectInstanceState',
  'IncorrectState',
  // The quota of running executions is free again when some have ended.
  'ExecutionLimitExceeded',
]);

/** `LimitExceededException`, `LimitExceeded`, `VcpuLimitExceeded`, `ServiceQuotaExceededException`, … */
const QUOTA = /(Limit|Quota)Exceeded(Exception|Fault)?$/;

/** What IAM adds to a denial that no role of ours can lift. */
const ORGANIZATION_POLICY = /explicit deny in a (service|resource) control policy/;

/** The service's own name for the error: `__type` or `Code`. */
export function isNamed(error: unknown, ...names: string[]): error is Error {
  return error instanceof Error && names.includes(error.name);
}

/**
 * Makes one AWS call. `what` completes the sentence "Could not …" and names the instance.
 * @throws Throttled, ServiceUnavailable, PermissionDenied or QuotaExceeded for what any AWS API may answer; every other
 *   error as it is, for the caller, which knows the operation.
 */
export async function calling<Output>(what: string, call: () => Promise<Output>): Promise<Output> {
  try {
    const output = await call();
    count(output);
    return output;
  } catch (cause) {
    count(cause);
    throw translated(what, cause);
  }
}

const counters = new AsyncLocalStorage<{ calls: number }>();

/** Runs something with a count of the AWS calls that it has made so far; each attempt of the SDK is one. */
export function countingCalls<Output>(run: (calls: () => number) => Promise<Output>): Promise<Output> {
  const counter = { calls: 0 };
  return counters.run(counter, () => run(() => counter.calls));
}

function count(answer: unknown): void {
  const counter = counters.getStore();
  if (!counter) return;
  const metadata = typeof answer === 'object' && answer && '$metadata' in answer ? answer.$metadata : undefined;
  counter.calls += (metadata as { attempts?: number } | undefined)?.attempts ?? 1;
}

/** What an AWS service refused, or why it could not be asked: a sentence. @throws any other error: that is a fault of ours */
export function refusalOf(error: unknown): string {
  if (isNamed(error, 'Throttled', 'ServiceUnavailable', 'PermissionDenied', 'QuotaExceeded')) return error.message;
  if (error instanceof Error && '$fault' in error) return `AWS refuses (${error.name}): ${quoted(error.message)}.`;
  throw error;
}

function translated(what: string, cause: unknown): unknown {
  if (!(cause instanceof Error) || cause.name === 'AbortError') return cause;
  if (THROTTLED.has(cause.name))
    return new Throttled(`Could not ${what}: the service throttled the call (${cause.name}).`, { cause });
  const denial = denialOf(cause);
  if (denial) return new PermissionDenied(`Could not ${what}: ${denial}`, { cause });
  if (isOutage(cause)) {
    return new ServiceUnavailable(`Could not ${what}: the service failed or was out of reach (${cause.name}).`, {
      cause,
    });
  }
  if (NOT_NOW.has(cause.name))
    return new ServiceUnavailable(
      `Could not ${what}: the service cannot do it now (${cause.name}: ${quoted(cause.message)}).`,
      { cause },
    );
  if (QUOTA.test(cause.name))
    return new QuotaExceeded(
      `Could not ${what}: a quota of this account is used up (${cause.name}: ${quoted(cause.message)}). Have it raised ` +
        'in Service Quotas, or remove what is not needed.',
      { cause },
    );
  return cause;
}

/** What is denied and what to do; undefined where the error denies nothing. */
function denialOf({ name, message }: Error): string | undefined {
  if (DENIED.has(name) && ORGANIZATION_POLICY.test(message))
    return (
      `${name}: a policy of the organization denies it, whatever the function's role allows. Have the organization's ` +
      'administrators allow it for this account.'
    );
  if (DENIED.has(name))
    return (
      `${name}. Allow it in the function's role (resources/functions.yml); a secret, stack or group is allowed while a ` +
      'profile, or formerServers, names it.'
    );
  if (CREDENTIALS_NOT_ACCEPTED.has(name))
    return (
      `AWS does not accept the function's credentials (${name}). Lambda gets them from its role: see that the role is ` +
      'there, then deploy again.'
    );
  if (name === 'OptInRequired')
    return 'this account is not signed up for the service, or the Region is not enabled (OptInRequired).';
  return undefined;
}

/** No answer at all, an answer that is no answer of the service, or a 5xx. */
function isOutage(error: Error): boolean {
  const status = '$metadata' in error && (error.$metadata as { httpStatusCode?: number } | undefined)?.httpStatusCode;
  if (status) return status >= 500;
  return 'code' in error || error.name === 'TimeoutError' || error instanceof SyntaxError;
}
