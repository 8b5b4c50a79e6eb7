import { createHash } from 'node:crypto';
// Three kilobytes of the bundle, gzipped, where @aws-sdk/client-s3 is fifty: all that is wanted of S3 is to put a text.
import { AwsClient } from 'aws4fetch';
import { environment, home, roleCredentials } from '../lib/config.ts';
import { InvalidRequest } from '../lib/errors.ts';
import { calling, clientOptions, isNamed } from './aws.ts';

/** The forms of a report, and as what a browser is to take each. */
const CONTENT_TYPES = {
  json: 'application/json',
  csv: 'text/csv; charset=utf-8',
  html: 'text/html; charset=utf-8',
} as const;

export type Form = keyof typeof CONTENT_TYPES;

/** Long enough for a page of a hundred thousand instances. */
const PUT_TIMEOUT_MILLISECONDS = 20_000;

/**
 * Stores a report in its three forms under `reports/`: under the instant at which its sweep started, and as `latest`
 * where it tells of everything.
 * @returns the keys, of those that stay first
 * @throws InvalidRequest where there is no bucket. Source: S3 PutObject.
 */
export async function storeReport(
  startedAt: string,
  forms: Readonly<Record<Form, string>>,
  { isLatest }: { isLatest: boolean },
  signal: AbortSignal,
): Promise<string[]> {
  // No colons: a file of that name could not be kept on every machine.
  const names = [startedAt.replaceAll(':', '-'), ...(isLatest ? ['latest'] : [])];
  const keys: string[] = [];
  for (const name of names) {
    for (const form of Object.keys(CONTENT_TYPES) as Form[]) {
      const key = `reports/${name}.${form}`;
      await put(key, forms[form], CONTENT_TYPES[form], signal);
      keys.push(key);
    }
  }
  return keys;
}

async function put(key: string, body: string, contentType: string, signal: AbortSignal): Promise<void> {
  const address = `${environment('REPORTS_URL')}/${key}`;
  try {
    await calling(`store the report ${key}`, () => send(address, body, contentType, signal));
  } catch (cause) {
    if (!isNamed(cause, 'NoSuchBucket')) throw cause;
    throw new InvalidRequest(`There is no bucket at ${address}: deploy the stack again.`, { cause });
  }
}

async function send(address: string, body: string, contentType: string, signal: AbortSignal): Promise<void> {
  const headers = {
    'content-type': contentType,
    // What S3 receives is what was signed, or it refuses.
    'x-amz-content-sha256': createHash('sha256').update(body).digest('hex'),
  };
  const within = AbortSignal.any([signal, AbortSignal.timeout(PUT_TIMEOUT_MILLISECONDS)]);
  const response = await s3()
    .fetch(address, { method: 'PUT', body, headers, signal: within })
    .catch((error: Error) => {
      // fetch says "fetch failed" of whatever fails; why is its cause.
      throw error.cause ?? error;
    });
  const answer = await response.text();
  if (!response.ok) throw refusal(response.status, answer);
}

function s3(): AwsClient {
  return new AwsClient({
    ...roleCredentials(),
    service: 's3',
    region: home(),
    retries: clientOptions.maxAttempts - 1,
  });
}

/** `<Error><Code>NoSuchBucket</Code><Message>…</Message>…</Error>` as the error that an SDK would throw. */
function refusal(httpStatusCode: number, answer: string): Error {
  const [, name = `HTTP ${httpStatusCode}`] = /<Code>([^<]+)<\/Code>/.exec(answer) ?? [];
  const [, message = 'S3 does not say why.'] = /<Message>([^<]+)<\/Message>/.exec(answer) ?? [];
  return Object.assign(new Error(message), { name, $metadata: { httpStatusCode } });
}
