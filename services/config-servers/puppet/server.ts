import { createHash, createPublicKey, X509Certificate } from 'node:crypto';
import { AssociationFailed, ServerNotReady } from '../../../lib/errors.ts';
import type { PuppetServer } from '../../../lib/servers.ts';
import type { ServerAnswer } from '../../../lib/state.ts';
import { requestKeyFingerprint } from '../../identity/csr.ts';
import { keyFingerprint } from '../../identity/key.ts';
import { secretText } from '../../secrets.ts';
import {
  ANOTHERS,
  type ConfigServer,
  FORGOTTEN,
  FORGOTTEN_AT_ONCE,
  MISSING,
  type Node,
  provedIdentity,
  type Removal,
} from '../contract.ts';
import { overOneSession } from '../https.ts';
import { type CertificateStatus, PuppetCa, type Refusal } from './ca.ts';
import { readPuppetCredentials } from './credentials.ts';

/**
 * A CA signs one request after another, a dozen a second. A call that is given up is carried out all the same, and asked
 * again: so it may take as long as a few hundred others before it.
 */
const CALL_TIMEOUT_MILLISECONDS = 20_000;

/** A good day takes one look, a squatter's request another; the others are for races with another enrolment. */
const MOST_LOOKS = 6;

/** What a look at a name led to: an end, a refusal in the CA's words, or a change after which to look again. */
type Outcome<Result> = { readonly result: Result } | Refusal;

/**
 * A Puppet Server of one's own: has its CA sign the node's request, and revokes the certificate in the end. What is to
 * be done is decided by what the CA says of the name, never by what an earlier call answered: answers get lost, and
 * any machine that reaches the server may submit a request for any name, and the CA keeps the first.
 *
 * @param secrets the text of a secret by its name
 */
export function puppetServer(
  server: PuppetServer,
  secrets: (name: string, signal: AbortSignal) => Promise<string> = secretText,
  { timeoutMilliseconds = CALL_TIMEOUT_MILLISECONDS }: { timeoutMilliseconds?: number } = {},
): ConfigServer {
  async function talking<Result>(
    keySecret: string,
    signal: AbortSignal,
    talk: (ca: PuppetCa, caCertificate: string) => Promise<Result>,
  ): Promise<Result> {
    const [ca, key] = await Promise.all([secrets(server.caSecret, signal), secrets(keySecret, signal)]);
    const credentials = readPuppetCredentials({ name: server.caSecret, text: ca }, { name: keySecret, text: key });
    const { caCertificates, certificate, privateKey } = credentials;
    const { url } = server;
    return overOneSession({ url, ca: caCertificates, certificate, privateKey, timeoutMilliseconds }, (exchange) =>
      talk(new PuppetCa(url, credentials, exchange), caCertificates),
    );
  }

  return {
    /**
     * nothing there -> hand the request in, sign it · another request -> delete it · our request -> sign it ·
     * signed -> done, if for our key · revoked -> a person decides
     */
    associate(node, signal) {
      return talking(server.keySecret, signal, (ca, caCertificate) => association(node, ca, caCertificate, signal));
    },

    /** The CA signs at once; what it signed has been through the execution's data since. */
    async confirm(node, association) {
      if (association.certificate && isFor(node, association.certificate)) return association;
      throw new AssociationFailed(
        `The certificate that ${server.url} issued is for another key than ${node.nodeName}'s.`,
      );
    },

    /**
     * another key -> left as it is · signed -> revoke it · revoked or only requested -> delete it · nothing there -> done, if
     * we have deleted it just now
     */
    disassociate(which, begin, signal) {
      return talking(server.retireKeySecret, signal, (ca) => removal(which, ca, begin, signal));
    },

    ...FORGOTTEN_AT_ONCE,
  };
}

/** Has the CA sign the node's request, and takes the certificate. */
function association(node: Node, ca: PuppetCa, caCertificate: string, signal: AbortSignal): Promise<ServerAnswer> {
  const { nodeName } = node;
  const { csr } = provedIdentity(node);
  const ours = requestFingerprint(csr);
  /** Whether what is signed may be our doing. */
  let hasSigned = false;

  return untilSettled(ca, nodeName, signal, async (status) => {
    if (!status) return (await ca.submit(nodeName, csr, signal)) ?? sign();
    if (status.state === 'revoked') throw new AssociationFailed(revoked(nodeName));
    if (status.state === 'signed') return take();
    return status.fingerprints.SHA256 === ours ? sign() : ca.remove(nodeName, signal);
  });

  async function sign(): Promise<Outcome<ServerAnswer>> {
    hasSigned = true;
    const refusal = await ca.decide(nodeName, 'signed', signal);
    hasSigned = refusal === null;
    return refusal ?? take();
  }

  async function take(): Promise<Outcome<ServerAnswer>> {
    const certificate = await ca.certificate(nodeName, signal);
    if (certificate === undefined) return null;
    if (isFor(node, certificate)) return { result: { statusToken: null, certificate, caCertificate } };
    if (!hasSigned) throw new AssociationFailed(anotherKey(nodeName));
    // The request was exchanged between our look and our signature: what we signed must not be of use.
    const refusal = await ca.decide(nodeName, 'revoked', signal);
    if (refusal !== null) return refusal;
    throw new AssociationFailed(exchanged(nodeName));
  }
}

/** Revokes the certificate and deletes it, or deletes the request, if it is of the key. */
function removal(
  { nodeName, publicKeyFingerprint }: Parameters<ConfigServer['disassociate']>[0],
  ca: PuppetCa,
  begin: () => Promise<void>,
  signal: AbortSignal,
): Promise<Removal> {
  let isDeleted = false;
  return untilSettled<Removal>(ca, nodeName, signal, async (status) => {
    if (!status) return { result: isDeleted ? FORGOTTEN : MISSING };
    const isRequest = status.state === 'requested';
    const pem = await (isRequest ? ca.request(nodeName, signal) : ca.certificate(nodeName, signal));
    // It has changed since the status was read.
    if (pem === undefined) return null;
    const found = isRequest ? requestKeyFingerprint(pem) : certificateKeyFingerprint(pem);
    if (found !== publicKeyFingerprint) return { result: ANOTHERS };
    await begin();
    if (status.state === 'signed') return ca.decide(nodeName, 'revoked', signal);
    const refusal = await ca.remove(nodeName, signal);
    isDeleted = refusal === null;
    return refusal;
  });
}

/**
 * Looks at the name and takes the step that its state asks for, until there is no more to do. A step that failed is
 * judged by the next look: the server may have done it, or another client.
 * @throws AssociationFailed when the CA refuses and nothing has changed; ServerNotReady when there is no end to it
 */
async function untilSettled<Result>(
  ca: PuppetCa,
  nodeName: string,
  signal: AbortSignal,
  step: (status: CertificateStatus | undefined) => Promise<Outcome<Result>>,
): Promise<Result> {
  let trouble = new ServerNotReady(
    `The state of ${nodeName} at the Puppet Server goes on changing: another client enrols, retires or requests it. ` +
      'If it goes on: allow only Muster to submit requests (auth.conf, certificate_request).',
  );
  let refused: { readonly at: string; readonly reason: string } | undefined;
  for (let look = 1; look <= MOST_LOOKS; look++) {
    const status = await ca.status(nodeName, signal);
    const at = status ? `${status.state} ${status.fingerprints.SHA256}` : 'unknown';
    if (refused?.at === at) throw new AssociationFailed(`The Puppet Server refuses ${nodeName}: ${refused.reason}`);
    refused = undefined;
    try {
      const outcome = await step(status);
      if (typeof outcome === 'string') refused = { at, reason: outcome };
      else if (outcome !== null) return outcome.result;
    } catch (error) {
      if (!(error instanceof ServerNotReady)) throw error;
      trouble = error;
    }
  }
  throw trouble;
}

/** SHA-256 of the request's DER, in the CA's spelling: upper-case hexadecimal pairs with colons. */
function requestFingerprint(csr: string): string {
  const der = Buffer.from(csr.replace(/-----[^-]+-----/g, ''), 'base64');
  const digest = createHash('sha256').update(der).digest('hex').toUpperCase();
  return (digest.match(/../g) ?? []).join(':');
}

/** Undefined for what cannot be read as a certificate. */
function certificateKeyFingerprint(pem: string): string | undefined {
  try {
    return keyFingerprint(new X509Certificate(pem).publicKey);
  } catch {
    return undefined;
  }
}

function isFor(node: Node, certificate: string): boolean {
  const { nodeName } = node;
  const issued = readIssued(nodeName, certificate);
  return (
    issued.subject === `CN=${nodeName}` && issued.publicKey.equals(createPublicKey(provedIdentity(node).publicKey))
  );
}

function readIssued(nodeName: string, certificate: string): X509Certificate {
  try {
    return new X509Certificate(certificate);
  } catch (cause) {
    throw new AssociationFailed(`What the Puppet Server keeps as the certificate of ${nodeName} cannot be read.`, {
      cause,
    });
  }
}

const clean = (nodeName: string) => `puppetserver ca clean --certname ${nodeName}`;

function anotherKey(nodeName: string): string {
  return (
    `The Puppet Server has a certificate for another key under the name ${nodeName}. Find out whose it is; if it is ` +
    `of no use any more, run ${clean(nodeName)} and enrol the node again.`
  );
}

function revoked(nodeName: string): string {
  return (
    `The certificate of ${nodeName} is revoked, and the Puppet Server takes no request until it is deleted. If the ` +
    `node is to come back, run ${clean(nodeName)} and enrol it again.`
  );
}

function exchanged(nodeName: string): string {
  return (
    `The request of ${nodeName} was exchanged while it was signed; the certificate for the other key is revoked. ` +
    'Allow only Muster to submit requests (auth.conf, certificate_request), then ' +
    `run ${clean(nodeName)} and enrol the node again.`
  );
}
