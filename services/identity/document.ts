import { verify } from 'node:crypto';
import * as z from 'zod';
import type { Instance } from '../../lib/instance.ts';
import type { Identity } from '../../lib/state.ts';
import { publicKeyOf, type RegionKey, type RegionKeys } from './certificates.ts';
import { rejecting } from './refusal.ts';

/** What an identity document must agree with. */
export interface DocumentTrust {
  /** AWS's, by Region. */
  readonly keys: RegionKeys;
  /** The time by which a certificate has run out or not: ISO 8601. */
  readonly now: string;
}

const IdentityDocument = z.object({ accountId: z.string(), region: z.string(), instanceId: z.string() });
type IdentityDocument = z.infer<typeof IdentityDocument>;

/** Where operators add what AWS publishes. */
const FOLDER = 'services/identity/aws-certificates';

/** Base64, broken into lines as the metadata service does. */
const BASE64 = /^[A-Za-z0-9+/\n]+={0,2}\n?$/;

/**
 * Checks that AWS signed the instance identity document in the instance's Region, and that it is this instance's.
 * It never changes, and everyone on the instance can read it: it proves where a key came from, the first time only.
 * Source: EC2 user guide, "Verify the instance identity document": RSA with SHA-256 (PKCS#1 v1.5) over its very bytes.
 * @throws IdentityRejected with the rule that is broken.
 */
export function requireOwnDocument(
  shown: Pick<Identity, 'document' | 'signature'>,
  instance: Instance,
  trust: DocumentTrust,
): void {
  const { instanceId, region } = instance;
  if (!usableKeys(instance, trust).some((key) => isSignedBy(key, shown)))
    throw rejecting(instanceId)(
      'document-signature',
      `the signature of its identity document is not by AWS in ${region}, as far as ${FOLDER}/${region}.pem tells`,
    );
  const document = readDocument(shown.document, instanceId);
  for (const name of ['instanceId', 'accountId', 'region'] as const) {
    if (document[name] !== instance[name])
      throw rejecting(instanceId)('document-other', `the ${name} of its identity document is not ${instance[name]}`);
  }
}

function usableKeys({ instanceId, region }: Instance, { keys, now }: DocumentTrust): RegionKey[] {
  const known = keys[region] ?? [];
  const usable = known.filter(({ validTo }) => new Date(validTo) > new Date(now));
  if (usable.length > 0) return usable;
  const file = `${FOLDER}/${region}.pem`;
  const last = known.map(({ validTo }) => validTo.slice(0, 10)).sort();
  throw rejecting(instanceId)(
    'no-certificate',
    last.length === 0
      ? `AWS's certificate of ${region} is not known: add it as ${file}, and deploy again`
      : `AWS's certificate of ${region} ran out on ${last.at(-1)}: add the new one to ${file}, and deploy again`,
  );
}

function isSignedBy(key: RegionKey, { document, signature }: Pick<Identity, 'document' | 'signature'>): boolean {
  if (!BASE64.test(signature)) return false;
  return verify('sha256', Buffer.from(document), publicKeyOf(key), Buffer.from(signature, 'base64'));
}

function readDocument(text: string, instanceId: string): IdentityDocument {
  try {
    return IdentityDocument.parse(JSON.parse(text));
  } catch (cause) {
    throw rejecting(instanceId)('document-other', 'its identity document cannot be read', cause);
  }
}
