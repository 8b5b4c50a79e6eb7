/**
 * The machine behind an instance, as far as enrolment meets it: it boots, its Systems Manager agent reports, it makes
 * an RSA key that never leaves it, prints a CSR, reads its identity document, and installs what it is sent.
 */
import type { webcrypto } from 'node:crypto';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { regionOf } from '../kernel/account.ts';
import type { Clock } from '../kernel/clock.ts';
import { type Range, secondsWithin } from '../kernel/duration.ts';
import type { Random } from '../kernel/random.ts';
import { isSignedBy } from '../pki/certificate-authority.ts';
import { type KeySource, publicKeyPem, publicKeySha256, RSA_2048 } from '../pki/keys.ts';
import * as x509 from '../pki/x509.ts';
import { type IdentitySigner, identityDocument, type Machine, type SignedIdentity } from './identity.ts';

/** Puppet's registered extension names: https://www.puppet.com/docs/puppet/8/ssl_attributes_extensions.html */
const PP_INSTANCE_ID = '1.3.6.1.4.1.34380.1.1.2';
const PP_IMAGE_NAME = '1.3.6.1.4.1.34380.1.1.3';
const PP_REGION = '1.3.6.1.4.1.34380.1.1.18';

/** A source with fewer keys than a machine has had disks repeats them. */
const MOST_DISKS = 4;

/** What a node was sent back: PEM, both. */
interface Credentials {
  readonly nodeName: string;
  readonly certificate: string;
  readonly caCertificate: string;
}

/** The agent of a node, as the last installation configured it: parameters of its Systems Manager document. */
export interface ConfiguredAgent {
  readonly agent: 'puppet' | 'chef';
  readonly nodeName: string;
  readonly settings: Readonly<Record<string, string>>;
}

export interface SimulatedNodeOptions {
  readonly machine: Machine;
  readonly clock: Clock;
  readonly random: Random;
  readonly signer: IdentitySigner;
  readonly keySource: KeySource;
  /** From boot until the Systems Manager agent has reported; Infinity: an image without the agent. */
  readonly agentUpAfterSeconds?: number | Range;
  /** Whether the image bears the OpsWorks Stacks agent; without it a registration is never finished. */
  readonly hasOpsWorksAgent?: boolean;
  /** Whether the layer's Setup recipes fail on this machine. */
  readonly setupFails?: boolean;
  /** Its tags at Systems Manager: of a managed Lightsail instance, those of its activation. */
  readonly tags?: Readonly<Record<string, string>>;
  /** What its agent does in a run; a rejection is a run that failed. Left out: it finds nothing to do. */
  readonly runAgent?: (node: SimulatedNode) => Promise<void>;
}

export class SimulatedNode {
  readonly machine: Machine;
  readonly hasOpsWorksAgent: boolean;
  readonly setupFails: boolean;
  readonly platformType: 'Linux' | 'Windows' = 'Linux';
  /** What the last successful installation brought. */
  installed: Credentials | undefined;
  /** The agent's last configuration. */
  agent: ConfiguredAgent | undefined;
  readonly #options: SimulatedNodeOptions;
  #csrs = new Map<string, Promise<string>>();
  #keys: Promise<webcrypto.CryptoKeyPair> | undefined;
  /** Those of former disks. */
  readonly #formerKeys: Promise<webcrypto.CryptoKeyPair>[] = [];
  #identity: { readonly document: string; readonly signed: Promise<SignedIdentity> } | undefined;
  #agentUpAt = Number.POSITIVE_INFINITY;
  #isOn = false;

  constructor(options: SimulatedNodeOptions) {
    this.#options = options;
    this.machine = options.machine;
    this.hasOpsWorksAgent = options.hasOpsWorksAgent ?? true;
    this.setupFails = options.setupFails ?? false;
    this.boot();
  }

  get instanceId(): string {
    return this.machine.instanceId;
  }

  get tags(): Readonly<Record<string, string>> {
    return this.#options.tags ?? {};
  }

  get isOn(): boolean {
    return this.#isOn;
  }

  /** Whether the Systems Manager agent can take a command now. */
  get isAgentUp(): boolean {
    return this.#isOn && this.#options.clock.now() >= this.#agentUpAt;
  }

  /** Starts the machine (the constructor does): its agents come up some seconds later. */
  boot(): void {
    const { clock, random, agentUpAfterSeconds = [15, 30] } = this.#options;
    this.#isOn = true;
    this.#agentUpAt = clock.now() + secondsWithin(agentUpAfterSeconds, random) * 1000;
  }

  /** Boots from an empty root disk: its key, and everything that was installed, is on the former one. */
  replaceDisk(): void {
    if (this.#keys) this.#formerKeys.push(this.#keys);
    this.#keys = undefined;
    this.#csrs = new Map();
    this.installed = undefined;
    this.agent = undefined;
    this.boot();
  }

  /** Boots from a snapshot of its first disk. */
  restoreFirstDisk(): void {
    const [first] = this.#formerKeys;
    this.replaceDisk();
    this.#keys = first ?? this.#keys;
  }

  /** Stops the machine, for good or until the next boot: its agents fall silent. Its disk, and so its key, stays. */
  shutDown(): void {
    this.#isOn = false;
  }

  /** The node's public key, PEM SubjectPublicKeyInfo. The key is made when it is first asked for. */
  async publicKeyPem(): Promise<string> {
    return publicKeyPem((await this.#keyPair()).publicKey);
  }

  /** A PKCS#10 request in PEM with subject CN=`nodeName` and Puppet's extensions; the same text at every call. */
  csr(nodeName: string): Promise<string> {
    const known = this.#csrs.get(nodeName) ?? this.#requestCertificate(nodeName);
    this.#csrs.set(nodeName, known);
    return known;
  }

  /** What the node reads from its metadata service: signed once for each start of the machine. */
  identity(): Promise<SignedIdentity> {
    const { signer, clock } = this.#options;
    const document = identityDocument(this.machine);
    if (this.#identity?.document !== document)
      this.#identity = { document, signed: signer.sign(document, new Date(clock.now())) };
    return this.#identity.signed;
  }

  /**
   * Puts the certificate into use.
   * @throws Error, with nothing changed, when the certificate is not for this node's key or not by that CA
   */
  async install(credentials: Credentials): Promise<void> {
    const { certificate, caCertificate, nodeName } = credentials;
    const certified = new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'pem' }).toString();
    if (publicKeySha256(certified) !== publicKeySha256(await this.publicKeyPem()))
      throw new Error(`The certificate for ${nodeName} is not for the key of ${this.instanceId}.`);
    if (!isSignedBy(certificate, caCertificate))
      throw new Error(`The certificate for ${nodeName} is not signed by the CA certificate that came with it.`);
    this.installed = credentials;
  }

  /** Runs the agent once. */
  async runAgent(): Promise<void> {
    await this.#options.runAgent?.(this);
  }

  /** For an agent that runs as a program of its own: the key as it lies on the node's disk, PEM (PKCS#8). */
  async privateKeyPem(): Promise<string> {
    const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', (await this.#keyPair()).privateKey));
    return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
      .export({ type: 'pkcs8', format: 'pem' })
      .toString();
  }

  #keyPair(): Promise<webcrypto.CryptoKeyPair> {
    this.#keys ??= this.#makeKeys();
    return this.#keys;
  }

  /** A source that shares keys comes round to those of former disks, which no machine would make again. */
  async #makeKeys(): Promise<webcrypto.CryptoKeyPair> {
    const { keySource } = this.#options;
    let keys = await keySource();
    const former = await Promise.all(this.#formerKeys);
    while (former.includes(keys) && former.length < MOST_DISKS) keys = await keySource();
    return keys;
  }

  async #requestCertificate(nodeName: string): Promise<string> {
    const csr = await x509.Pkcs10CertificateRequestGenerator.create({
      name: [{ CN: [nodeName] }],
      keys: await this.#keyPair(),
      signingAlgorithm: RSA_2048,
      extensions: [
        utf8Extension(PP_INSTANCE_ID, this.instanceId),
        utf8Extension(PP_REGION, regionOf(this.machine)),
        utf8Extension(PP_IMAGE_NAME, this.machine.imageId),
      ],
    });
    return csr.toString('pem');
  }
}

/** An extension whose value is a DER UTF8String; below 128 bytes its length is one byte, and ids and names are. */
function utf8Extension(oid: string, text: string): x509.Extension {
  const bytes = Buffer.from(text);
  return new x509.Extension(oid, false, Buffer.from([0x0c, bytes.length, ...bytes]));
}
