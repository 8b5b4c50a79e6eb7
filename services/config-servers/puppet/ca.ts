import * as z from 'zod';
import { PermissionDenied, ServerNotFound, ServerNotReady, Throttled } from '../../../lib/errors.ts';
import { quoted } from '../../../lib/quoted.ts';
import { type Answer, alertOf, type Exchange } from '../https.ts';
import type { PuppetCredentials } from './credentials.ts';

/** What the CA knows of a name; the fingerprint is the request's while the name is `requested`. */
const CertificateStatus = z.object({
  state: z.enum(['requested', 'signed', 'revoked']),
  fingerprints: z.object({ SHA256: z.string() }),
});
export type CertificateStatus = z.infer<typeof CertificateStatus>;

/** The CA's "no" to a change that the name's state does not allow, in its own words; null when the change was made. */
export type Refusal = string | null;

interface CaRequest {
  readonly method: 'GET' | 'PUT' | 'DELETE';
  readonly resource: 'certificate' | 'certificate_request' | 'certificate_status';
  readonly nodeName: string;
  readonly contentType?: string;
  readonly body?: string;
}

/** The answers in which the CA speaks of the name and not of the caller, the address or itself. */
const REFUSALS = new Set([400, 404, 409]);

/** Alerts about the protocol, before either side has shown a certificate. */
const PROTOCOL_ALERTS = ['protocol version', 'insufficient security', 'unrecognized name', 'no application protocol'];

/** How the CA begins to say that it does not know a name. Another 404 comes from something else than a CA. */
const UNKNOWN = /^(Resource not found|Could not find certificate)/;

/**
 * The CA of a Puppet Server, spoken to with a client certificate.
 * Source: Puppet's CA HTTP API, version 1.
 *
 * @throws from any call: ServerNotReady, Throttled (try again); PermissionDenied, ServerNotFound (never); AbortError.
 */
export class PuppetCa {
  readonly #url: string;
  readonly #certname: string;
  readonly #exchange: Exchange;

  constructor(url: string, { certname }: Pick<PuppetCredentials, 'certname'>, exchange: Exchange) {
    this.#url = url;
    this.#certname = certname;
    this.#exchange = exchange;
  }

  /** What the CA knows of the name; undefined when nothing. */
  async status(nodeName: string, signal: AbortSignal): Promise<CertificateStatus | undefined> {
    const answer = await this.#call({ method: 'GET', resource: 'certificate_status', nodeName }, signal);
    if (answer.status === 404 && UNKNOWN.test(answer.text)) return undefined;
    const status = parseStatus(answer);
    if (status) return status;
    throw this.#isNoCa(answer);
  }

  /** The certificate of the name, PEM; undefined while there is none. */
  certificate(nodeName: string, signal: AbortSignal): Promise<string | undefined> {
    return this.#pem('certificate', nodeName, signal);
  }

  /** The request that is pending for the name, PEM; undefined where there is none. */
  request(nodeName: string, signal: AbortSignal): Promise<string | undefined> {
    return this.#pem('certificate_request', nodeName, signal);
  }

  async #pem(resource: CaRequest['resource'], nodeName: string, signal: AbortSignal): Promise<string | undefined> {
    const answer = await this.#call({ method: 'GET', resource, nodeName }, signal);
    if (answer.status === 200) return answer.text;
    if (answer.status === 404 && UNKNOWN.test(answer.text)) return undefined;
    throw this.#isNoCa(answer);
  }

  /** Hands a certificate signing request in. */
  submit(nodeName: string, csr: string, signal: AbortSignal): Promise<Refusal> {
    const contentType = 'text/plain';
    return this.#change(
      { method: 'PUT', resource: 'certificate_request', nodeName, contentType, body: `${csr.trim()}\n` },
      signal,
    );
  }

  /** Signs the request that is pending, or revokes the certificate. */
  decide(nodeName: string, desired: 'signed' | 'revoked', signal: AbortSignal): Promise<Refusal> {
    const contentType = 'application/json';
    const body = JSON.stringify({ desired_state: desired });
    return this.#change({ method: 'PUT', resource: 'certificate_status', nodeName, contentType, body }, signal);
  }

  /** Deletes the request, or the certificate, which is not revoked by that. */
  remove(nodeName: string, signal: AbortSignal): Promise<Refusal> {
    return this.#change({ method: 'DELETE', resource: 'certificate_status', nodeName }, signal);
  }

  async #change(call: CaRequest, signal: AbortSignal): Promise<Refusal> {
    const answer = await this.#call(call, signal);
    if (answer.status < 300) return null;
    if (REFUSALS.has(answer.status)) return excerpt(answer);
    throw this.#isNoCa(answer);
  }

  async #call({ method, resource, nodeName, contentType, body = '' }: CaRequest, signal: AbortSignal): Promise<Answer> {
    const path = `/puppet-ca/v1/${resource}/${encodeURIComponent(nodeName)}`;
    const headers = { accept: 'application/json, text/plain', ...(contentType && { 'content-type': contentType }) };
    try {
      const answer = await this.#exchange({ method, path, headers, body }, signal);
      this.#requireWilling(`${method} ${path}`, answer);
      return answer;
    } catch (cause) {
      throw this.#isNotAccepted(cause) ?? cause;
    }
  }

  /** The answers that say the same whatever was asked. */
  #requireWilling(what: string, answer: Answer): void {
    const { status } = answer;
    if (status === 401 || status === 403)
      throw new PermissionDenied(
        `${this.#url} does not let ${this.#certname} ${what} (HTTP ${status}). Add a rule to the server's ` +
          `auth.conf: a match-request for this path and method, allow: ["${this.#certname}"], sort-order below 500.`,
      );
    if (status === 429) throw new Throttled(`${this.#url} refuses ${what} for its rate (HTTP 429).`);
    if (status === 408 || status >= 500)
      throw new ServerNotReady(`${this.#url} failed at ${what} (HTTP ${status}: ${excerpt(answer)}).`);
  }

  #isNoCa(answer: Answer): ServerNotFound {
    return new ServerNotFound(
      `${this.#url} does not answer as Puppet's CA does (HTTP ${answer.status}: ${excerpt(answer)}). Set url in ` +
        'profiles.yml to the server that runs the CA service, not to a compile server or a proxy.',
    );
  }

  /** TLS tells both sides' verdicts on certificates alike: an alert is the server's on ours. */
  #isNotAccepted(error: unknown): PermissionDenied | undefined {
    const alert = error instanceof ServerNotFound ? alertOf(error.cause) : undefined;
    if (alert === undefined || PROTOCOL_ALERTS.includes(alert)) return undefined;
    return new PermissionDenied(
      `${this.#url} does not accept the certificate of ${this.#certname} (${alert}): it may be expired or revoked. ` +
        'Make a new one with puppetserver ca generate, and store it in the secret.',
      { cause: error },
    );
  }
}

function parseStatus({ status, text }: Answer): CertificateStatus | undefined {
  if (status !== 200) return undefined;
  try {
    return CertificateStatus.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function excerpt({ text }: Answer): string {
  return quoted(text);
}
