import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { expect, it } from 'vitest';
import { IdentityRejected } from '../../../../lib/errors.ts';
import { checkRequest } from '../../../../services/identity/csr.ts';
import { encode, Tag } from '../../../../services/identity/der.ts';
import { type Random, seededRandom } from '../../../../world/kernel/random.ts';
import * as x509 from '../../../../world/pki/x509.ts';
import * as requests from '../../../support/certificate-requests.ts';
import { mutator } from '../../../support/mutations.ts';
import { sized } from '../../../support/size.ts';

const { INSTANCE, derOf, extension, extensionRequest, hasOpenssl, infoOf, opensslOn, pemOf, puppetOid, signed } =
  requests;

const MUTATIONS = sized({ small: 2000, full: 20_000 });

interface Seed {
  readonly privateKey: KeyObject;
  readonly info: Buffer;
}

function seedOf(
  { privateKey, publicKey }: { privateKey: KeyObject; publicKey: KeyObject },
  extensions: Buffer[],
): Seed {
  const attributes = encode(Tag.CONTEXT_0, ...(extensions.length > 0 ? [extensionRequest(...extensions)] : []));
  return { privateKey, info: infoOf({ spki: publicKey.export({ type: 'spki', format: 'der' }), attributes }) };
}

const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const KNOWN = [
  extension(puppetOid(2), INSTANCE.instanceId),
  extension(puppetOid(3), INSTANCE.imageId ?? ''),
  extension(puppetOid(18), INSTANCE.region),
];
const SEEDS = [seedOf(ec, []), seedOf(ec, KNOWN), seedOf(ec, KNOWN.slice(0, 1)), seedOf(rsa, KNOWN)];
const GOOD = SEEDS.map((seed) => signed(seed.info, seed));

/** A curve signs the same differently each time, and each of these would be another request to ask openssl about. */
const signedBefore = new Map<string, Buffer>();
function signedOnce(info: Buffer, seed: Seed): Buffer {
  const key = info.toString('latin1');
  const known = signedBefore.get(key) ?? signed(info, seed);
  signedBefore.set(key, known);
  return known;
}

function requestMutator(random: Random) {
  const { below, pick, bytes, tree, text } = mutator(random);

  /** A request: its text, its bytes, or, the most dangerous, what its own key then signs. */
  return (): string => {
    const index = below(SEEDS.length);
    const [seed, good] = [SEEDS[index] as Seed, GOOD[index] as Buffer];
    // An RSA signature takes as long as all the rest of a hundred mutations.
    const resigned = () => pemOf(signedOnce(tree(seed.info), seed));
    const kinds = [() => text(pemOf(good)), () => pemOf(bytes(good)), () => pemOf(tree(good)), resigned, resigned];
    return pick(seed.privateKey.asymmetricKeyType === 'rsa' ? kinds.slice(0, 3) : kinds)();
  };
}

/** What the policy takes, by the request's text. Whatever else happens than a refusal is thrown on. */
function taken(pem: string): string | undefined {
  try {
    return checkRequest(pem, INSTANCE, { onlyRsa: false }).csr;
  } catch (error) {
    if (error instanceof IdentityRejected) return undefined;
    throw error;
  }
}

const ALLOWED = [2, 3, 18].map((number) => `1.3.6.1.4.1.34380.1.1.${number}`);

it.runIf(hasOpenssl)(
  `takes none of ${MUTATIONS} mutations that openssl, another reader or the policy refuses`,
  () => {
    const mutate = requestMutator(seededRandom(1));
    const accepted = new Map<string, string>();
    for (let count = 0; count < MUTATIONS; count++) {
      const shown = mutate();
      const csr = taken(shown);
      if (csr !== undefined) accepted.set(derOf(csr).toString('base64'), csr);
    }
    // Mutations of the text alone leave every request as it was; the seeds are among what is taken.
    expect(accepted.size).toBeGreaterThanOrEqual(SEEDS.length);
    for (const csr of accepted.values()) {
      const subject = `CN=${INSTANCE.nodeName}`;
      const text = expect.stringMatching(/Signature Algorithm: (ecdsa-with-SHA256|sha256WithRSAEncryption)/);
      expect(opensslOn(csr)).toMatchObject({ accepts: true, subject, text });
      const request = new x509.Pkcs10CertificateRequest(csr);
      expect(request.subject).toBe(subject);
      expect(request.attributes.length).toBeLessThanOrEqual(1);
      const types = request.extensions.map(({ type }) => type);
      expect(types.filter((type) => !ALLOWED.includes(type))).toEqual([]);
      expect(new Set(types).size).toBe(types.length);
    }
  },
  60_000 + 2 * MUTATIONS,
);
