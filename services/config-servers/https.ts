import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { ServerNotFound, ServerNotReady } from '../../lib/errors.ts';

/** A server that is spoken to over TLS: who must answer, and who asks. */
export interface Peer {
  /** https:// URL; the calls' paths are added to its own. */
  readonly url: string;
  /** The authorities that may have signed its certificate, PEM; left out, the public ones. */
  readonly ca?: string | undefined;
  /** The caller's certificate and its key, PEM, for servers that ask for one. */
  readonly certificate?: string;
  readonly privateKey?: string;
  /** For one call, from the connection to the last byte. */
  readonly timeoutMilliseconds: number;
}

export interface HttpRequest {
  readonly method: string;
  /** From the URL's own path on: `/clients`. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Empty where there is none. */
  readonly body: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** Far more than any answer that is read here. */
const LARGEST_ANSWER_CHARACTERS = 1_000_000;

/** What TLS and HTTP call a peer that is not the one it should be, or speaks something else. */
const STRANGER = /CERT|SIGNATURE|^ERR_(TLS|SSL)_|^EPROTO$|^HPE_/;

/** Alerts of a peer that cannot go on now: they say nothing about who it is. */
const PASSING_ALERTS = ['internal error', 'user cancelled', 'close notify'];

/**
 * The TLS alert with which the peer ended a call, in OpenSSL's words: `certificate revoked`. After the handshake Node has it
 * in the error's code, and within the handshake in its message alone.
 */
export function alertOf(error: unknown): string | undefined {
  const { code = '', message = '' } = (error ?? {}) as NodeJS.ErrnoException;
  const inCode = /ALERT_([A-Z_]+)$/.exec(code)?.[1]?.toLowerCase().replaceAll('_', ' ');
  return inCode ?? / alert ([a-z ]+):/.exec(message)?.[1];
}

/**
 * One call.
 * @throws ServerNotReady when there is no answer in time; ServerNotFound when another server answers, by certificate,
 *   host name or protocol; AbortError when `signal` says so.
 */
export type Exchange = (call: HttpRequest, signal: AbortSignal) => Promise<Answer>;

/**
 * Makes calls that share a TLS session: a full handshake takes longer than most of them. Each has a connection of its own, and
 * the session ends with `talk`, because a Lambda that was frozen would find a kept connection closed.
 */
export async function overOneSession<Result>(
  peer: Peer,
  talk: (exchange: Exchange) => Promise<Result>,
): Promise<Result> {
  const agent = new Agent({ keepAlive: false, maxCachedSessions: 1 });
  try {
    return await talk((call, signal) => make(peer, call, agent, signal));
  } finally {
    agent.destroy();
  }
}

/** Makes one call. */
export function exchange(peer: Peer, call: HttpRequest, signal: AbortSignal): Promise<Answer> {
  return overOneSession(peer, (exchange) => exchange(call, signal));
}

async function make(peer: Peer, call: HttpRequest, agent: Agent, signal: AbortSignal): Promise<Answer> {
  const deadline = AbortSignal.timeout(peer.timeoutMilliseconds);
  try {
    return await send(peer, call, agent, AbortSignal.any([signal, deadline]));
  } catch (cause) {
    signal.throwIfAborted();
    throw translated(peer, cause as NodeJS.ErrnoException, deadline.aborted);
  }
}

/** The URL of a call, with the peer's own path before the call's. */
export function urlOf({ url }: Pick<Peer, 'url'>, path: string): URL {
  return new URL(url.replace(/\/+$/, '') + path);
}

function send(
  peer: Peer,
  { method, path, headers, body }: HttpRequest,
  agent: Agent,
  signal: AbortSignal,
): Promise<Answer> {
  const { ca, certificate: cert, privateKey: key } = peer;
  const length = { 'content-length': String(Buffer.byteLength(body)) };
  return new Promise((resolve, reject) => {
    // rejectUnauthorized is said so that no environment variable can take it back.
    const options = { method, headers: { ...headers, ...length }, ca, cert, key, signal, agent } as const;
    request(urlOf(peer, path), { ...options, rejectUnauthorized: true })
      .on('error', reject)
      .on('response', (response) => read(response).then(resolve, reject))
      .end(body);
  });
}

async function read(response: IncomingMessage): Promise<Answer> {
  let text = '';
  for await (const chunk of response.setEncoding('utf8') as AsyncIterable<string>) {
    text += chunk;
    if (text.length > LARGEST_ANSWER_CHARACTERS)
      throw new ServerNotFound(
        `An answer of more than ${LARGEST_ANSWER_CHARACTERS} characters cannot come from this API.`,
      );
  }
  return { status: response.statusCode ?? 0, headers: response.headers, text };
}

function translated({ url, timeoutMilliseconds }: Peer, cause: NodeJS.ErrnoException, isLate: boolean): Error {
  if (cause instanceof ServerNotFound) return cause;
  if (isLate) return new ServerNotReady(`${url} did not answer within ${timeoutMilliseconds} ms.`, { cause });
  const code = cause.code ?? cause.message;
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID')
    return new ServerNotFound(
      `The certificate of ${url}, or of an authority above it, ${code === 'CERT_HAS_EXPIRED' ? 'has expired' : 'is not valid yet'}: renew it on the server.`,
      { cause },
    );
  if (STRANGER.test(code) && !PASSING_ALERTS.includes(alertOf(cause) ?? ''))
    return new ServerNotFound(
      `What answers at ${url} is not the server that it should be (${code}). Correct url, or put the certificate of ` +
        'the authority that signed the server’s into the secret that caSecret names.',
      { cause },
    );
  if (code === 'ENOTFOUND')
    return new ServerNotReady(`The name in ${url} does not resolve. If it never does: correct url in profiles.yml.`, {
      cause,
    });
  return new ServerNotReady(`${url} cannot be reached (${code}).`, { cause });
}
