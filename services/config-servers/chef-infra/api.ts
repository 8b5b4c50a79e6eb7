import type { KeyObject } from 'node:crypto';
import { chefServerUrl, organizationOf } from '../../../lib/engines.ts';
import { InvalidRequest } from '../../../lib/errors.ts';
import type { ChefInfraServer } from '../../../lib/servers.ts';
import { certificateText } from '../certificates.ts';
import { type Answer, type Exchange, overOneSession, type Peer, urlOf } from '../https.ts';
import { API_VERSION, type Caller, type ChefAnswer, understood } from './answer.ts';
import { chefKey } from './secrets.ts';
import { type SignatureVersion, signatureHeaders } from './signature.ts';

/** What every request says beside its signature. Source: Chef Infra Server API, Required headers. */
const HEADERS = {
  Accept: 'application/json',
  'Content-Type': 'application/json',
  'X-Chef-Version': '18.0.0',
  'X-Ops-Server-API-Version': API_VERSION,
};

/**
 * One call; `path` is the one after the organization, `body` null where there is none.
 * @throws ServerNotReady, Throttled (try again); ServerNotFound, PermissionDenied, InvalidRequest (never)
 */
export type ChefCall = (
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  body: object | null,
  signal: AbortSignal,
) => Promise<ChefAnswer>;

export type Secrets = (name: string, signal: AbortSignal) => Promise<string>;

export interface ChefOptions {
  readonly now?: () => Date;
  /** For one call. */
  readonly timeoutMilliseconds?: number;
}

/** Makes signed calls that share a TLS session, in one name. */
export type ChefTalk = <Result>(signal: AbortSignal, talk: (call: ChefCall) => Promise<Result>) => Promise<Result>;

/** A server in a burst is slower than on a good day, and finishes a call that is given up. */
const CALL_TIMEOUT_MILLISECONDS = 15_000;

/** Signed calls to a Chef server in one name. Key and certificates are read once, at the first call. */
export function chefApi(server: ChefInfraServer, caller: Caller, secrets: Secrets, options: ChefOptions): ChefTalk {
  const { now = () => new Date(), timeoutMilliseconds = CALL_TIMEOUT_MILLISECONDS } = options;
  const { clientName: userId, keySecret } = caller;
  requireOneOrganization(server);
  const url = chefServerUrl(server);
  let version: SignatureVersion = '1.3';
  let credentials: ReturnType<typeof readCredentials> | undefined;

  async function readCredentials(signal: AbortSignal) {
    const key = chefKey(keySecret, await secrets(keySecret, signal));
    const ca = server.caSecret && certificateText(server.caSecret, await secrets(server.caSecret, signal));
    return { key, peer: { url, ca, timeoutMilliseconds } };
  }

  return async (signal, talk) => {
    credentials ??= readCredentials(signal);
    const { key, peer } = await credentials;
    return overOneSession(peer, (exchange) => talk(signedCall(key, peer, exchange)));
  };

  function signedCall(key: KeyObject, peer: Peer, exchange: Exchange): ChefCall {
    return async (method, path, content, signal) => {
      const body = content === null ? '' : JSON.stringify(content);
      const ask = (by: SignatureVersion) => {
        const signed = {
          method,
          path: urlOf(peer, path).pathname,
          body,
          timestamp: now(),
          userId,
          apiVersion: API_VERSION,
        };
        return exchange({ method, path, headers: { ...HEADERS, ...signatureHeaders(signed, key, by) }, body }, signal);
      };
      let answer = await ask(version);
      if (version === '1.3' && isUnread(answer)) {
        // Servers before 12.4 know no 1.3, and say so in several ways. Where that was not it, their first answer counts.
        const second = await ask('1.1');
        if (!isUnread(second)) {
          version = '1.1';
          answer = second;
        }
      }
      return understood(answer, { url, what: `${method} ${path}`, caller, now: now() });
    };
  }
}

/** @throws InvalidRequest when the URL and the profile name two organizations. */
function requireOneOrganization({ url, organization }: ChefInfraServer): void {
  const named = organizationOf(url);
  if (named && organization && named !== organization)
    throw new InvalidRequest(`A profile names two Chef organizations: ${named} in url, and ${organization}. Keep one.`);
}

/** Whether the server may not have understood who asks. */
function isUnread({ status }: Answer): boolean {
  return status === 400 || status === 401;
}
