import { verify } from 'node:crypto';
import * as z from 'zod';
import { IdentityOutdated, IdentityPending } from '../../lib/errors.ts';
import type { Instance } from '../../lib/instance.ts';
import { publicKeyOf, type RegionKey, type RegionKeys } from './certificates.ts';
import { isSignedBy, readSignature } from './pkcs7.ts';
import { type Reject, rejecting } from './refusal.ts';

/** What an identity document must agree with. */
export interface DocumentTrust {
  /** AWS's, by Region. */
  readonly keys: RegionKeys;
  /** The time by which a certificate has expired or not: ISO 8601. */
  readonly now: string;
  /** The stack's own: only its instances are enrolled. */
  readonly accountId: string;
}

/** What a node has read from `/latest/dynamic/instance-identity/`. */
export interface ShownDocument {
  readonly document: string;
  /** RSA-1024 and SHA-256 (PKCS#1 v1.5) over the document's bytes, Base64. */
  readonly signature: string;
  /** RSA-2048: PKCS#7 around the document, Base64. Undefined from the script of an earlier version. */
  readonly rsa2048: string | undefined;
}

const IdentityDocument = z.object({
  accountId: z.string(),
  region: z.string(),
  instanceId: z.string(),
  pendingTime: z.iso.datetime(),
});
type IdentityDocument = z.infer<typeof IdentityDocument>;

/**
 * EC2 and the metadata service record the launch time independently. AWS documents no limit for the difference, so this is
 * a guess. A document from before a stop is normally much older.
 */
const NOTED_WITHIN_SECONDS = 300;

/** Where operators add what AWS publishes. */
const FOLDER = 'services/identity/aws-certificates';

/**
 * Checks that AWS signed the instance identity document in the instance's Region, and that it is this instance's. Any
 * process on the instance can read the document, so it proves which instance answers, not where the key came from:
 * docs/security.md, "What an identity document proves".
 * Source: EC2 user guide, "Verify the instance identity document".
 * @throws IdentityRejected with the rule that is broken; IdentityPending for an answer of an earlier version's script;
 * IdentityOutdated for a document from before the launch
 */
export function requireOwnDocument(shown: ShownDocument, instance: Instance, trust: DocumentTrust): void {
  const reject = rejecting(instance.instanceId);
  requireSignature(shown, usableKeys(instance, trust), instance, reject);
  const document = readDocument(shown.document, reject);
  for (const name of ['instanceId', 'region'] as const) {
    if (document[name] !== instance[name])
      throw reject('document-other', `the ${name} of its identity document is not ${instance[name]}`);
  }
  requireOurAccount(document, instance, trust, reject);
  requireThisLaunch(document, instance);
}

/** Neither what the document says nor what EC2 says is enough alone. */
function requireOurAccount(
  document: IdentityDocument,
  instance: Instance,
  { accountId }: DocumentTrust,
  reject: Reject,
): void {
  if (document.accountId !== accountId)
    throw reject('document-account', `the accountId of its identity document is not ${accountId}, the stack's own`);
  if (instance.accountId !== accountId)
    throw reject('document-account', `EC2 does not show it as an instance of ${accountId}, the stack's own account`);
}

/** A stop and a start move the time of the launch, and the document follows. */
function requireThisLaunch({ pendingTime }: IdentityDocument, { instanceId, launchTime }: Instance): void {
  const oldest = launchTime === null ? Number.POSITIVE_INFINITY : Date.parse(launchTime) - NOTED_WITHIN_SECONDS * 1000;
  if (Date.parse(pendingTime) >= oldest) return;
  const since =
    launchTime === null ? 'EC2 does not say when it was launched' : `EC2 says that it was launched at ${launchTime}`;
  throw new IdentityOutdated(
    `The identity document of ${instanceId} is of ${pendingTime}, and ${since}. If the node still shows this document, ` +
      'stop and start the instance: its metadata service makes a new one.',
  );
}

/** The keys of a Region are of one kind: of 2048 bits where AWS has published one. */
function requireSignature(
  shown: ShownDocument,
  keys: readonly RegionKey[],
  { instanceId, region }: Instance,
  reject: Reject,
): void {
  const isOurs = keys.some(({ signer }) => signer !== undefined)
    ? isSignedInPkcs7(shown, keys, instanceId, reject)
    : keys.some((key) => isSignedAlone(shown, key));
  if (!isOurs)
    throw reject(
      'document-signature',
      `the signature of its identity document is not by AWS in ${region}, as far as ${FOLDER}/${region}.pem shows`,
    );
}

function isSignedInPkcs7(
  { document, rsa2048 }: ShownDocument,
  keys: readonly RegionKey[],
  instanceId: string,
  reject: Reject,
): boolean {
  if (rsa2048 === undefined)
    throw new IdentityPending(
      `${instanceId} answered as the script of an earlier version does, without the RSA-2048 signature of its identity ` +
        'document. It will be asked again.',
    );
  try {
    const read = readSignature(bytesOf(rsa2048), document);
    return keys.some((key) => isSignedBy(key, read, document));
  } catch (cause) {
    throw reject(
      'document-form',
      'the RSA-2048 signature of its identity document is not PKCS#7 as AWS writes it',
      cause,
    );
  }
}

/** One signature has one spelling, but for its lines. @throws SyntaxError */
function bytesOf(text: string): Buffer {
  const letters = text.replaceAll('\n', '');
  const bytes = Buffer.from(letters, 'base64');
  if (bytes.toString('base64') !== letters) throw new SyntaxError('it is not Base64');
  return bytes;
}

function isSignedAlone({ document, signature }: ShownDocument, key: RegionKey): boolean {
  try {
    return verify('sha256', Buffer.from(document), publicKeyOf(key), bytesOf(signature));
  } catch {
    return false;
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
      : `AWS's certificate of ${region} expired on ${last.at(-1)}: add the new one to ${file}, and deploy again`,
  );
}

function readDocument(text: string, reject: Reject): IdentityDocument {
  try {
    return IdentityDocument.parse(JSON.parse(text));
  } catch (cause) {
    throw reject('document-other', 'its identity document cannot be read', cause);
  }
}
