import 'reflect-metadata';
import { createHash } from 'node:crypto';
import { Pkcs10CertificateRequest } from '@peculiar/x509';
import * as z from 'zod';
import { IdentityRejected } from '../lib/errors.ts';
import type { Identity, Instance } from '../lib/state.ts';

/** A CSR with an RSA-4096 key and Puppet's extensions is under 3 kB; the rest of the answer is under 4 kB. */
const LARGEST_ANSWER_CHARACTERS = 16_384;

/** What the document Muster-CollectIdentity prints on the node. */
const Answer = z.object({ csr: z.string(), identityDocument: z.string(), identitySignature: z.string() });

const IdentityDocument = z.object({ accountId: z.string(), region: z.string(), instanceId: z.string() });

const ONE_REQUEST =
  /^-----BEGIN (NEW )?CERTIFICATE REQUEST-----\n[A-Za-z0-9+/=\n]+\n-----END (NEW )?CERTIFICATE REQUEST-----$/;

/**
 * Reads and checks what a node says of itself; it is untrusted input. The CSR proves that the node has the key, the
 * document that it is the machine the control plane knows.
 * @throws IdentityRejected with the rule that is broken.
 */
export async function readIdentity(output: string, instance: Instance): Promise<Identity> {
  const { csr, identityDocument, identitySignature } = parseAnswer(output, instance);
  requireSameInstance(identityDocument, instance);
  const { publicKey, publicKeyFingerprint } = await readCsr(csr.trim(), instance);
  return { csr: csr.trim(), publicKey, publicKeyFingerprint, document: identityDocument, signature: identitySignature };
}

function parseAnswer(output: string, { instanceId }: Instance): z.infer<typeof Answer> {
  if (output.length > LARGEST_ANSWER_CHARACTERS)
    throw rejected(instanceId, `its answer is longer than ${LARGEST_ANSWER_CHARACTERS} characters`);
  try {
    return Answer.parse(JSON.parse(output));
  } catch (cause) {
    throw rejected(instanceId, 'its answer is not JSON with csr, identityDocument and identitySignature', cause);
  }
}

function requireSameInstance(text: string, { instanceId, accountId, region }: Instance): void {
  const document = readDocument(text, instanceId);
  const differing = Object.entries({ instanceId, accountId, region }).find(
    ([name, value]) => document[name as keyof typeof document] !== value,
  );
  if (differing) throw rejected(instanceId, `the ${differing[0]} of its identity document is not ${differing[1]}`);
}

function readDocument(text: string, instanceId: string): z.infer<typeof IdentityDocument> {
  try {
    return IdentityDocument.parse(JSON.parse(text));
  } catch (cause) {
    throw rejected(instanceId, 'its identity document cannot be read', cause);
  }
}

async function readCsr(pem: string, { instanceId, nodeName }: Instance) {
  if (!ONE_REQUEST.test(pem)) throw rejected(instanceId, 'its CSR is not exactly one PEM block');
  const request = parseCsr(pem, instanceId);
  if (!(await request.verify().catch(() => false)))
    throw rejected(instanceId, 'the signature of its CSR is not by its key');
  if (request.subject !== `CN=${nodeName}`) throw rejected(instanceId, `the subject of its CSR is not CN=${nodeName}`);
  return {
    publicKey: request.publicKey.toString('pem').trim(),
    publicKeyFingerprint: fingerprint(new Uint8Array(request.publicKey.rawData)),
  };
}

function parseCsr(pem: string, instanceId: string): Pkcs10CertificateRequest {
  try {
    return new Pkcs10CertificateRequest(pem);
  } catch (cause) {
    throw rejected(instanceId, 'its CSR cannot be read', cause);
  }
}

/** SHA-256 of the SPKI DER, in hexadecimal pairs with colons. OpsWorks does not say which fingerprint it expects. */
function fingerprint(spki: Uint8Array): string {
  return (createHash('sha256').update(spki).digest('hex').match(/../g) ?? []).join(':');
}

function rejected(instanceId: string, rule: string, cause?: unknown): IdentityRejected {
  return new IdentityRejected(`${instanceId} is not enrolled: ${rule}.`, { cause });
}
