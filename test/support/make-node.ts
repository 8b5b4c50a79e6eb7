import { createHash, createPublicKey, type webcrypto } from 'node:crypto';
import type { Node } from '../../services/config-servers/contract.ts';
import { freshKeys, publicKeyPem, RSA_2048 } from '../../world/pki/keys.ts';
import * as x509 from '../../world/pki/x509.ts';

/** What CollectIdentity hands on of a node: the parts of it that an engine reads are real. */
export async function makeNode(nodeName: string, keys?: webcrypto.CryptoKeyPair): Promise<Node> {
  keys ??= await freshKeys();
  const name = [{ CN: [nodeName] }];
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({ name, keys, signingAlgorithm: RSA_2048 });
  const publicKey = await publicKeyPem(keys.publicKey);
  const spki = createPublicKey(publicKey).export({ type: 'spki', format: 'der' });
  const publicKeyFingerprint = createHash('sha256').update(spki).digest('hex');
  const identity = { csr: csr.toString('pem'), publicKey, publicKeyFingerprint, document: '{}', signature: '' };
  return { nodeName, identity };
}
