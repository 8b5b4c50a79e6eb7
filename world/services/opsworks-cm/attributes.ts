import type { EngineAttribute } from '@aws-sdk/client-opsworkscm';
import { isRsaPublicKeyPem, publicKeySha256 } from '../../pki/keys.ts';
import * as x509 from '../../pki/x509.ts';
import { ServiceError } from '../../wire/service.ts';

export type Engine = 'ChefAutomate' | 'Puppet';

/** What a node brings to be associated: its key, as a bare public key (Chef) or in a certificate request (Puppet). */
export interface NodeKey {
  readonly publicKeySha256: string;
  /** Chef only. */
  readonly organization?: string;
  /** Puppet only. */
  readonly csr?: x509.Pkcs10CertificateRequest;
}

/** The engine attributes that each operation takes; true: it cannot do without. */
const ASSOCIATE: Record<Engine, Record<string, boolean>> = {
  ChefAutomate: { CHEF_ORGANIZATION: false, CHEF_NODE_PUBLIC_KEY: true },
  Puppet: { PUPPET_NODE_CSR: true },
};
const DISASSOCIATE: Record<Engine, Record<string, boolean>> = {
  ChefAutomate: { CHEF_ORGANIZATION: true },
  Puppet: {},
};
const DEFAULT_ORGANIZATION = 'default';

/** Reads AssociateNode's engine attributes; ValidationException names the one that is unknown, missing or malformed. */
export function readNodeKey(engine: Engine, attributes: readonly EngineAttribute[]): NodeKey {
  const values = checkedValues(ASSOCIATE[engine], engine, attributes);
  if (engine === 'Puppet') return readCsr(values.get('PUPPET_NODE_CSR') ?? '');
  const publicKey = values.get('CHEF_NODE_PUBLIC_KEY') ?? '';
  if (!isRsaPublicKeyPem(publicKey)) invalid('CHEF_NODE_PUBLIC_KEY must be an RSA public key in PEM format');
  const organization = values.get('CHEF_ORGANIZATION') ?? DEFAULT_ORGANIZATION;
  return { publicKeySha256: publicKeySha256(publicKey), organization };
}

/** Reads DisassociateNode's engine attributes: the organization on Chef, nothing on Puppet. */
export function readOrganization(engine: Engine, attributes: readonly EngineAttribute[]): string | undefined {
  return checkedValues(DISASSOCIATE[engine], engine, attributes).get('CHEF_ORGANIZATION');
}

function checkedValues(
  allowed: Record<string, boolean>,
  engine: Engine,
  attributes: readonly EngineAttribute[],
): Map<string, string> {
  const values = new Map<string, string>();
  for (const { Name: name = '', Value: value = '' } of attributes) {
    if (!Object.hasOwn(allowed, name)) invalid(`Engine attribute ${name} is not valid here for engine ${engine}`);
    if (values.has(name)) invalid(`Engine attribute ${name} is given more than once`);
    values.set(name, value);
  }
  for (const [name, isRequired] of Object.entries(allowed))
    if (isRequired && !values.get(name)) invalid(`Engine attribute ${name} is required for engine ${engine}`);
  return values;
}

function readCsr(pem: string): NodeKey {
  const csr = parseCsr(pem) ?? invalid('PUPPET_NODE_CSR must be a certificate signing request in PEM format');
  return { csr, publicKeySha256: publicKeySha256(csr.publicKey.toString('pem')) };
}

function parseCsr(pem: string): x509.Pkcs10CertificateRequest | undefined {
  // The library also reads bare base64, which the service does not.
  if (!/^\s*-----BEGIN (NEW )?CERTIFICATE REQUEST-----/.test(pem)) return undefined;
  try {
    return new x509.Pkcs10CertificateRequest(pem);
  } catch {
    return undefined;
  }
}

function invalid(message: string): never {
  throw new ServiceError('ValidationException', message);
}
