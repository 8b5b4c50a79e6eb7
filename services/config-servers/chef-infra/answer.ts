import * as z from 'zod';
import { PermissionDenied, ServerNotFound, ServerNotReady, Throttled } from '../../../lib/errors.ts';
import { quoted } from '../../../lib/quoted.ts';
import type { Answer } from '../https.ts';

/** The API's version that is asked for: servers since 12.1 know it, and what is older does not look. */
export const API_VERSION = '1';

/** Servers allow 15 minutes; a difference of this much is worth a word when they refuse. */
const NOTABLE_SKEW_MILLISECONDS = 5 * 60_000;

/** In whose name requests are signed. */
export interface Caller {
  readonly clientName: string;
  /** The secret with its private key. */
  readonly keySecret: string;
  /** What it must be allowed at the server: completes "It must be allowed to …". */
  readonly right: string;
}

/** An answer that only a Chef server gives: JSON, with a status that says something about the node. */
export interface ChefAnswer {
  readonly status: 200 | 201 | 400 | 404 | 409;
  readonly body: unknown;
  /** The server's own words, where it refuses. */
  readonly refusal: string;
}

/** What was asked: where, `POST /clients`, by whom, and when. */
interface Question {
  readonly url: string;
  readonly what: string;
  readonly caller: Caller;
  readonly now: Date;
}

/**
 * What the answer says of the node, where it says something of the node.
 * @throws ServerNotReady, Throttled, PermissionDenied, ServerNotFound for what it says of the server or of the caller
 */
export function understood(answer: Answer, { url, what, caller, now }: Question): ChefAnswer {
  const { status, headers } = answer;
  if (status === 429) throw new Throttled(`${url} refuses ${what} for its rate (429).`);
  if (status === 408 || status >= 500) throw new ServerNotReady(`${url} cannot answer ${what} now (${status}).`);
  const body = parse(answer.text);
  const refusal = refusalOf(body);
  if (status === 401)
    throw new PermissionDenied(`${url} refuses ${what}: ${whyUnknown(caller, refusal, headers.date, now)}`);
  if (status === 403)
    throw new PermissionDenied(`${url} denies ${what} to ${caller.clientName}: it must be allowed to ${caller.right}.`);
  if (status === 406)
    throw new ServerNotFound(`${url} does not speak version ${API_VERSION} of the Chef API (${refusal}): update it.`);
  if (body === undefined || !isTelling(status))
    throw new ServerNotFound(`${url} answers ${what} as no Chef server does (${status}): correct url in profiles.yml.`);
  return { status, body, refusal };
}

function whyUnknown({ clientName, keySecret }: Caller, refusal: string, date: string | undefined, now: Date): string {
  const skewMilliseconds = Math.abs(Date.parse(date ?? '') - now.getTime());
  return skewMilliseconds > NOTABLE_SKEW_MILLISECONDS
    ? `its clock and ours are ${Math.round(skewMilliseconds / 60_000)} minutes apart. Set the server's clock by NTP.`
    : `it does not know ${clientName} by the key in the secret ${keySecret}. Put ${clientName}'s own key there, or ` +
        `correct the name in profiles.yml. (The server: ${refusal})`;
}

function isTelling(status: number): status is ChefAnswer['status'] {
  return [200, 201, 400, 404, 409].includes(status);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const Refusal = z.object({ error: z.union([z.string(), z.array(z.string()).transform((all) => all.join(' '))]) });

/** A server may quote what it was sent. */
function refusalOf(body: unknown): string {
  return quoted(Refusal.safeParse(body).data?.error ?? '');
}
