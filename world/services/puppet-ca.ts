/**
 * The CA of a Puppet Server, as far as Muster and a node speak to it: version 1 of its HTTP API, over TLS on loopback,
 * with client certificates. Source: Puppet's CA HTTP API; the answers are those of Puppet Server 7.9.5.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { CertificateAuthority, commonName, type KeyedCertificate } from '../pki/certificate-authority.ts';
import * as x509 from '../pki/x509.ts';

export interface PuppetCaOptions {
  /** The time of the certificates that it signs; TLS itself goes by no other clock than the real one. */
  readonly now?: () => Date;
  /** The nodes of which `muster-enrol` and `muster-retire` may read, decide and delete: those named like EC2 instances. */
  readonly managed?: RegExp;
  /** Whether it takes requests from any client, as it does by default. */
  readonly takesAnonymousRequests?: boolean;
}

/** What the CA has under a name. */
interface Entry {
  request?: x509.Pkcs10CertificateRequest;
  certificate?: string;
  isRevoked: boolean;
  isBeingSigned: boolean;
}

/** A lost request was never read; a lost answer is one to a request that was done. */
export type Interference = PuppetAnswer | 'lose request' | 'lose answer' | undefined;

/** Its own, and those that it has given away. */
type Certificates = Readonly<Record<'own' | 'enrol' | 'retire' | 'stranger', KeyedCertificate>>;

export interface PuppetAnswer {
  readonly status: number;
  readonly body: string;
}

interface Request {
  readonly method: string;
  readonly name: string;
  readonly body: string;
  /** The name in the caller's certificate, if the CA has signed it. */
  readonly caller: string | undefined;
}

const HOST = 'localhost';
const AUTHORIZATION_EXTENSION = '1.3.6.1.4.1.34380.1.3.';
const SUBJECT_ALTERNATIVE_NAME = '2.5.29.17';
const PUPPET_EXTENSION = '1.3.6.1.4.1.34380.1.';

export class PuppetCa {
  /** PEM. */
  readonly caCertificate: string;
  /** Allowed to enrol and to retire, and one that the CA knows and allows nothing. */
  readonly enrol: KeyedCertificate;
  readonly retire: KeyedCertificate;
  readonly stranger: KeyedCertificate;
  /** Every request that was answered, as `CALLER METHOD /path`. */
  readonly heard: string[] = [];
  /** While it is down, it accepts no connection. */
  isDown = false;
  /** Called before a request (`METHOD /path`) is answered: what happens just then, and what is answered in the CA's place. */
  interfere: (request: string) => Interference | Promise<Interference> = () => undefined;
  readonly #options: PuppetCaOptions;
  readonly #authority: CertificateAuthority;
  readonly #server: Server;
  readonly #entries = new Map<string, Entry>();

  private constructor(authority: CertificateAuthority, certificates: Certificates, options: PuppetCaOptions) {
    const { own, enrol, retire, stranger } = certificates;
    this.#options = options;
    this.#authority = authority;
    this.caCertificate = authority.certificatePem;
    this.enrol = enrol;
    this.retire = retire;
    this.stranger = stranger;
    const tls = { cert: own.certificate, key: own.privateKey, ca: this.caCertificate };
    this.#server = createServer(
      { ...tls, requestCert: true, rejectUnauthorized: false },
      (request, response) => void this.#serve(request, response),
    );
    this.#server.on('connection', (socket) => this.isDown && socket.destroy());
  }

  /** Listens on a port of its own. */
  static async start(options: PuppetCaOptions = {}): Promise<PuppetCa> {
    const now = new Date();
    const authority = await CertificateAuthority.create(`Puppet CA: ${HOST}`, now);
    const certificates = {
      own: await authority.generate(HOST, now, HOST),
      enrol: await authority.generate('muster-enrol', now),
      retire: await authority.generate('muster-retire', now),
      stranger: await authority.generate('stranger', now),
    };
    const ca = new PuppetCa(authority, certificates, options);
    ca.#server.listen(0, '127.0.0.1');
    await once(ca.#server, 'listening');
    return ca;
  }

  /** https://localhost:PORT */
  get url(): string {
    return `https://${HOST}:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The names with a certificate that is not revoked. */
  get signed(): readonly string[] {
    return [...this.#entries]
      .filter(([, { certificate, isRevoked }]) => certificate && !isRevoked)
      .map(([name]) => name);
  }

  /** PEM; undefined where it has none, or none any more. */
  certificateOf(name: string): string | undefined {
    return this.#entries.get(name)?.certificate;
  }

  /** Signs the next request, and closes the connection instead of saying so. */
  loseNextSignature(): void {
    this.interfere = (request) => {
      if (!request.startsWith('PUT /puppet-ca/v1/certificate_status/')) return;
      this.interfere = () => undefined;
      return 'lose answer';
    };
  }

  /** Puts a request under a name, in the place of what is there, as another client may. */
  plant(name: string, csr: string): void {
    this.#entries.set(name, {
      request: new x509.Pkcs10CertificateRequest(csr),
      isRevoked: false,
      isBeingSigned: false,
    });
  }

  /** Forgets every name but its own, as a CA that is set up anew. */
  reset(): void {
    this.#entries.clear();
  }

  /** Stops listening and cuts every connection. */
  async close(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request.setEncoding('utf8')) body += chunk;
    const { method = '', url = '' } = request;
    const caller = callerOf(request);
    const interference = await this.interfere(`${method} ${url}`);
    if (interference === 'lose request') return void response.destroy();
    const answer = interference instanceof Object ? interference : await this.#answer({ method, body, caller }, url);
    this.heard.push(`${caller ?? 'no client'} ${method} ${url}`);
    if (interference === 'lose answer') return void response.destroy();
    response.writeHead(answer.status, { 'content-type': 'text/plain' }).end(answer.body);
  }

  async #answer(request: Omit<Request, 'name'>, url: string): Promise<PuppetAnswer> {
    const [, resource = '', name = ''] = /^\/puppet-ca\/v1\/(\w+)\/([^/]+)$/.exec(url) ?? [];
    if (!url.startsWith('/puppet-ca/')) return { status: 404, body: '<html><h2>HTTP ERROR 404 Not Found</h2></html>' };
    if (!this.#allows(resource, request, name))
      return { status: 403, body: `Forbidden request: ${url} (method :${request.method.toLowerCase()}).` };
    if (resource === 'certificate') return this.#certificate(name);
    if (resource === 'certificate_request')
      return request.method === 'GET' ? this.#request(name) : this.#submit({ ...request, name });
    if (request.method === 'GET') return this.#status(name);
    if (request.method === 'DELETE') return this.#delete(name);
    return request.body.includes('"signed"') ? this.#sign(name) : this.#revoke(name);
  }

  /** Its auth.conf. */
  #allows(resource: string, { method, caller }: Omit<Request, 'name'>, name: string): boolean {
    const { managed = /^i-[0-9a-f]{8,17}$/, takesAnonymousRequests = true } = this.#options;
    if (resource === 'certificate' || (resource === 'certificate_request' && method === 'GET')) return method === 'GET';
    if (resource === 'certificate_request' && takesAnonymousRequests) return method === 'PUT';
    if (resource === 'certificate_request') return method === 'PUT' && caller === 'muster-enrol' && managed.test(name);
    const isMuster = caller === 'muster-enrol' || caller === 'muster-retire';
    return resource === 'certificate_status' && isMuster && managed.test(name);
  }

  #certificate(name: string): PuppetAnswer {
    const certificate = name === 'ca' ? this.caCertificate : this.#entries.get(name)?.certificate;
    return certificate
      ? { status: 200, body: certificate }
      : { status: 404, body: `Could not find certificate ${name}` };
  }

  #request(name: string): PuppetAnswer {
    const request = this.#entries.get(name)?.request;
    return request
      ? { status: 200, body: `${request.toString('pem')}\n` }
      : { status: 404, body: `Could not find certificate_request ${name}` };
  }

  #submit({ name, body }: Request): PuppetAnswer {
    const entry = this.#entries.get(name);
    const known = entry && `${name} already has a ${stateOf(entry)} certificate; ignoring certificate request`;
    if (known) return { status: 400, body: known };
    const request = parse(body);
    if (!request) return { status: 500, body: 'Internal Server Error' };
    const requested = commonName(request);
    if (requested !== name)
      return { status: 400, body: `Instance name "${requested}" does not match requested key "${name}"` };
    this.#entries.set(name, { request, isRevoked: false, isBeingSigned: false });
    return { status: 200, body: '' };
  }

  #status(name: string): PuppetAnswer {
    const entry = this.#entries.get(name);
    if (!entry) return { status: 404, body: 'Resource not found.' };
    const fingerprint = fingerprintOf(entry);
    const fingerprints = { SHA256: fingerprint, default: fingerprint };
    return { status: 200, body: JSON.stringify({ name, state: stateOf(entry), fingerprint, fingerprints }) };
  }

  async #sign(name: string): Promise<PuppetAnswer> {
    const entry = this.#entries.get(name);
    if (!entry) return { status: 404, body: 'Invalid certificate subject.' };
    const { request } = entry;
    if (!request)
      return { status: 409, body: `Cannot sign certificate for host ${name} without a certificate request` };
    const refusal = await refusalOf(name, request);
    if (refusal) return { status: 409, body: refusal };
    if (entry.isBeingSigned) return { status: 500, body: 'Internal Server Error' };
    entry.isBeingSigned = true;
    entry.certificate = await this.#authority.sign(request, this.#options.now?.() ?? new Date());
    delete entry.request;
    return { status: 204, body: '' };
  }

  #revoke(name: string): PuppetAnswer {
    const entry = this.#entries.get(name);
    if (!entry) return { status: 404, body: 'Invalid certificate subject.' };
    if (!entry.certificate)
      return { status: 409, body: `Cannot revoke certificate for host ${name} without a signed certificate` };
    entry.isRevoked = true;
    return { status: 204, body: '' };
  }

  #delete(name: string): PuppetAnswer {
    return this.#entries.delete(name) ? { status: 204, body: '' } : { status: 404, body: 'Resource not found.' };
  }
}

function callerOf(request: IncomingMessage): string | undefined {
  const socket = request.socket as TLSSocket;
  return socket.authorized ? String(socket.getPeerCertificate().subject.CN) : undefined;
}

function stateOf({ request, isRevoked }: Entry): 'requested' | 'signed' | 'revoked' {
  if (request) return 'requested';
  return isRevoked ? 'revoked' : 'signed';
}

/** SHA-256 of the request's or the certificate's DER: upper-case hexadecimal pairs with colons. */
function fingerprintOf({ request, certificate = '' }: Entry): string {
  const { rawData } = request ?? new x509.X509Certificate(certificate);
  const digest = createHash('sha256').update(new Uint8Array(rawData)).digest('hex').toUpperCase();
  return (digest.match(/../g) ?? []).join(':');
}

/** What a CA with its own defaults does not sign, in its words. */
async function refusalOf(name: string, request: x509.Pkcs10CertificateRequest): Promise<string | undefined> {
  const types = request.extensions.map(({ type }) => type);
  if (types.includes(SUBJECT_ALTERNATIVE_NAME))
    return `CSR '${name}' contains extra subject alternative names, which are disallowed.`;
  if (types.some((type) => type.startsWith(AUTHORIZATION_EXTENSION)))
    return `CSR '${name}' contains an authorization extension, which is disallowed.`;
  const unknown = types.filter((type) => !type.startsWith(PUPPET_EXTENSION));
  if (unknown.length > 0) return `Found extensions that are not permitted: ${unknown.join()}`;
  if (await request.verify()) return undefined;
  return 'CSR contains a public key that does not correspond to the signing key';
}

function parse(pem: string): x509.Pkcs10CertificateRequest | undefined {
  try {
    return new x509.Pkcs10CertificateRequest(pem);
  } catch {
    return undefined;
  }
}
