import { createHash, createPublicKey, type webcrypto } from 'node:crypto';
import type { Identity } from '../../lib/state.ts';
import type { Node, RecordedNode } from '../../services/config-servers/contract.ts';
import { freshKeys, publicKeyPem, RSA_2048 } from '../../world/pki/keys.ts';
import * as x509 from '../../world/pki/x509.ts';
import { WEB } from './instance.ts';

export type ProvedNode = Node & { readonly identity: Identity };

/** A node with a real key and CSR. */
export async function makeNode(nodeName: string, keys?: webcrypto.CryptoKeyPair): Promise<ProvedNode> {
  keys ??= await freshKeys();
  const name = [{ CN: [nodeName] }];
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({ name, keys, signingAlgorithm: RSA_2048 });
  const publicKey = await publicKeyPem(keys.publicKey);
  const spki = createPublicKey(publicKey).export({ type: 'spki', format: 'der' });
  const publicKeyFingerprint = createHash('sha256')
    .update(spki)
    .digest('hex')
    .replace(/..(?!$)/g, '$&:');
  const identity = { csr: csr.toString('pem'), publicKey, publicKeyFingerprint, document: '{}', signature: '' };
  return { nodeName, instance: { ...WEB, instanceId: nodeName, nodeName }, identity };
}

/** The node as the ledger has it. */
export function recordedAs({ nodeName, identity }: ProvedNode, isBeingUndone = false): RecordedNode {
  return { nodeName, publicKeyFingerprint: identity.publicKeyFingerprint, isBeingUndone };
}
