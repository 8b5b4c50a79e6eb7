/**
 * A Chef Infra Server as far as Muster and a node speak to it, over TLS on loopback: signed requests, one organization,
 * clients, their nodes, principals. Source: Chef Infra Server API; the answers and their order are those of the server's
 * own code (oc_chef_wm: chef_wm_malformed, chef_wm_clients, chef_wm_named_principal).
 */
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type SelfSigned, selfSigned } from '../../pki/self-signed.ts';
import { isSignedBy, type SignatureVersion, type SignedByHeaders, signatureOf } from './authentication.ts';

export interface ChefInfraOptions {
  readonly now?: () => Date;
  /** A free one when left out. */
  readonly port?: number;
  /** `shop` when left out. */
  readonly organization?: string;
  /** What it can read; a server before 12.4 knows no 1.3. */
  readonly signatureVersions?: readonly SignatureVersion[];
}

/** A client or a user that may sign requests. */
interface Actor {
  readonly name: string;
  readonly type: 'client' | 'user';
  readonly publicKey: string;
  /** Validators make clients and nothing else; admins may do everything. */
  readonly role: 'node' | 'validator' | 'admin';
}

/** Who may sign requests, and the key to it, PEM. */
export interface ChefCredentials {
  readonly clientName: string;
  readonly privateKey: string;
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

const SKEW_MILLISECONDS = 15 * 60_000;
const HOST = '127.0.0.1';

export class ChefInfra {
  readonly certificate: string;
  readonly validator: ChefCredentials;
  /** May delete clients and nodes. */
  readonly admin: ChefCredentials;
  /** Every request that was answered, as `METHOD /path`. */
  readonly heard: string[] = [];
  readonly #organization: string;
  readonly #now: () => Date;
  readonly #versions: readonly SignatureVersion[];
  readonly #actors = new Map<string, Actor>();
  /** Node objects, and who made them. */
  readonly #nodes = new Map<string, { owner: string; content: unknown }>();
  readonly #server: Server;
  #isBusy = false;
  #losesNextCreation = false;

  private constructor(tls: SelfSigned, options: ChefInfraOptions) {
    this.#organization = options.organization ?? 'shop';
    this.#now = options.now ?? (() => new Date());
    this.#versions = options.signatureVersions ?? ['1.0', '1.1', '1.3'];
    this.certificate = tls.certificate;
    this.validator = this.#introduce(`${this.#organization}-validator`, 'client', 'validator');
    this.admin = this.#introduce('muster-retire', 'user', 'admin');
    this.#server = createServer(
      { cert: tls.certificate, key: tls.privateKey },
      (request, response) => void this.#serve(request, response),
    );
  }

  static async start(options: ChefInfraOptions = {}): Promise<ChefInfra> {
    const chef = new ChefInfra(await selfSigned(), options);
    chef.#server.listen(options.port ?? 0, HOST);
    await once(chef.#server, 'listening');
    return chef;
  }

  /** https://127.0.0.1:PORT/organizations/ORG */
  get url(): string {
    return `https://${HOST}:${(this.#server.address() as AddressInfo).port}/organizations/${this.#organization}`;
  }

  /** The names of the clients that are nodes'. */
  get clients(): readonly string[] {
    return [...this.#actors.values()].filter(({ role }) => role === 'node').map(({ name }) => name);
  }

  /** The names of the node objects. */
  get nodes(): readonly string[] {
    return [...this.#nodes.keys()];
  }

  /** PEM, SubjectPublicKeyInfo. */
  publicKeyOf(clientName: string): string | undefined {
    return this.#actors.get(clientName)?.publicKey;
  }

  /** While it starts, what stands before it answers in its place. */
  setBusy(isBusy: boolean): void {
    this.#isBusy = isBusy;
  }

  /** Makes the next client, and closes the connection instead of saying so. */
  loseNextCreation(): void {
    this.#losesNextCreation = true;
  }

  /** Stops listening and cuts every connection. */
  async close(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  #introduce(clientName: string, type: Actor['type'], role: Actor['role']): ChefCredentials {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', {
      modulusLength: 2048,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
    });
    this.#actors.set(clientName, { name: clientName, type, publicKey, role });
    return { clientName, privateKey };
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request.setEncoding('utf8')) body += chunk;
    const { method = '', url: path = '', headers } = request;
    // The proxy of a server that starts answers in HTML.
    if (this.#isBusy) return void response.writeHead(503, { 'content-type': 'text/html' }).end('<h1>503</h1>');
    this.heard.push(`${method} ${path}`);
    const answer = this.#answer({ method, path, body, headers });
    if (this.#losesNextCreation && answer.status === 201) {
      this.#losesNextCreation = false;
      return void response.destroy();
    }
    response.writeHead(answer.status, { 'content-type': 'application/json', date: this.#now().toUTCString() });
    response.end(JSON.stringify(answer.body));
  }

  /** In the server's own order: the headers, the organization, the signature, the right, the thing itself. */
  #answer(request: SignedByHeaders): Answer {
    const [, organization, kind, name] = /^\/organizations\/([^/]+)\/(\w+)(?:\/([^/]+))?$/.exec(request.path) ?? [];
    if (organization === undefined) return { status: 404, body: 'Not Found' };
    const isKnown = organization === this.#organization;
    if (kind === 'principals')
      return isKnown
        ? this.#principal(name ?? '')
        : { status: 404, body: { not_found: 'org', error: `Cannot find org ${organization}` } };
    const { sign, timestamp, userId } = signatureOf(request);
    if (!this.#versions.some((version) => sign.includes(`version=${version};`)))
      return refusal(400, 'Unsupported authentication protocol version');
    // Written so that a timestamp that does not parse (NaN) is refused too.
    if (!(Math.abs(Date.parse(timestamp) - this.#now().getTime()) <= SKEW_MILLISECONDS))
      return refusal(401, `Failed to authenticate as ${userId}. Synchronize the clock on your host.`);
    if (!isKnown) return refusal(404, `organization '${organization}' does not exist.`);
    const actor = this.#actors.get(userId);
    if (!actor) return refusal(401, `Failed to authenticate as '${userId}'. Ensure that your node_name is correct.`);
    if (!isSignedBy(request, actor.publicKey)) return refusal(401, `Invalid signature for user or client '${userId}'`);
    if (kind === 'clients') return this.#clients(request, actor, name);
    if (kind === 'nodes') return this.#nodeObjects(request, actor, name);
    return { status: 404, body: 'Not Found' };
  }

  #principal(name: string): Answer {
    const actor = this.#actors.get(name);
    if (!actor) return { status: 404, body: { not_found: 'principal', error: `Cannot find principal ${name}` } };
    const { type, publicKey } = actor;
    const principal = { name, public_key: publicKey, type, authz_id: '0'.repeat(32), org_member: true };
    return { status: 200, body: { principals: [principal] } };
  }

  #clients({ method, body }: SignedByHeaders, actor: Actor, name: string | undefined): Answer {
    if (method === 'POST' && name === undefined) return this.#createClient(body, actor);
    if (method !== 'DELETE' || name === undefined) return refusal(405, 'Method not allowed');
    const client = this.#actors.get(name);
    if (client?.type !== 'client') return refusal(404, `Cannot load client ${name}`);
    if (actor.role !== 'admin' && actor.name !== name) return refusal(403, 'missing delete permission');
    this.#actors.delete(name);
    return { status: 200, body: { name, clientname: name, validator: false, chef_type: 'client' } };
  }

  #createClient(body: string, actor: Actor): Answer {
    if (actor.role === 'node') return refusal(403, 'missing create permission');
    const { name, public_key: publicKey, validator = false } = JSON.parse(body) as Record<string, unknown>;
    if (typeof name !== 'string' || !/^[\w.-]+$/.test(name)) return refusal(400, "Field 'name' invalid");
    if (typeof publicKey !== 'string' || !isPublicKey(publicKey)) return refusal(400, "Field 'public_key' invalid");
    if (validator) return refusal(403, 'missing create permission');
    if (this.#actors.has(name)) return refusal(409, 'Client already exists');
    this.#actors.set(name, { name, type: 'client', publicKey, role: 'node' });
    const uri = `${this.url}/clients/${name}`;
    return {
      status: 201,
      body: { uri, chef_key: { name: 'default', public_key: publicKey, uri: `${uri}/keys/default` } },
    };
  }

  /** A node object is its maker's: only the maker and an admin read, save or delete it. */
  #nodeObjects({ method, body }: SignedByHeaders, actor: Actor, name: string | undefined): Answer {
    if (method === 'POST' && name === undefined) return this.#createNode(JSON.parse(body), actor);
    const node = this.#nodes.get(name ?? '');
    if (!node || name === undefined) return refusal(404, `node '${name}' not found`);
    if (actor.role !== 'admin' && actor.name !== node.owner) return refusal(403, `missing ${method} permission`);
    if (method === 'PUT') node.content = JSON.parse(body);
    if (method === 'DELETE') this.#nodes.delete(name);
    return { status: 200, body: node.content };
  }

  #createNode(content: { name?: string }, actor: Actor): Answer {
    const { name = '' } = content;
    if (actor.role === 'validator') return refusal(403, 'missing create permission');
    if (this.#nodes.has(name)) return refusal(409, 'Node already exists');
    this.#nodes.set(name, { owner: actor.name, content });
    return { status: 201, body: { uri: `${this.url}/nodes/${name}` } };
  }
}

function refusal(status: number, sentence: string): Answer {
  return { status, body: { error: [sentence] } };
}

function isPublicKey(pem: string): boolean {
  try {
    return createPublicKey(pem).asymmetricKeyType === 'rsa';
  } catch {
    return false;
  }
}
