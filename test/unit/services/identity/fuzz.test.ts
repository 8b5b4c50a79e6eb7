import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { expect, it } from 'vitest';
import { IdentityRejected } from '../../../../lib/errors.ts';
import { checkRequest } from '../../../../services/identity/csr.ts';
import { encode, Tag } from '../../../../services/identity/der.ts';
import { type Random, seededRandom } from '../../../../world/kernel/random.ts';
import * as x509 from '../../../../world/pki/x509.ts';
import * as requests from '../../../support/certificate-requests.ts';
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

/** Octets that mean something in DER, and one in a name. */
const TELLING = [0, 1, 2, 3, 5, 6, 0x0c, 0x13, 0x1f, 0x30, 0x31, 0x7f, 0x80, 0x81, 0x82, 0xa0, 0xff, 0x2d];
const WORDS = ['\n', '\r\n', ' ', '=', '-----', 'A', '\t', '\0', '-----BEGIN CERTIFICATE REQUEST-----\n', 'é'];

/** A curve signs the same differently each time, and each of these would be another request to ask openssl about. */
const signedBefore = new Map<string, Buffer>();
function signedOnce(info: Buffer, seed: Seed): Buffer {
  const key = info.toString('latin1');
  const known = signedBefore.get(key) ?? signed(info, seed);
  signedBefore.set(key, known);
  return known;
}

function mutator(random: Random) {
  const below = (limit: number) => Math.floor(random() * limit);
  const pick = <Item>(items: readonly Item[]) => items[below(items.length)] as Item;

  /** Changes, adds, drops, doubles or moves some octets; now and then with all lengths around them made right again. */
  function bytes(before: Buffer): Buffer {
    const at = below(before.length);
    const until = Math.min(before.length, at + 1 + below(8));
    const [head, middle, tail] = [before.subarray(0, at), before.subarray(at, until), before.subarray(until)];
    const flipped = Buffer.from(middle);
    flipped[0] = (flipped[0] ?? 0) ^ (1 << below(8));
    const told = Buffer.from(middle);
    told[0] = pick(TELLING);
    const choices = [flipped, told, Buffer.alloc(0), Buffer.concat([middle, middle]), Buffer.concat([middle, told])];
    return Buffer.concat([head, pick(choices), tail]);
  }

  /** One element of the tree, at any depth, changed within; the lengths around it are right. */
  function tree(before: Buffer): Buffer {
    const [tag = 0, length = 0] = before;
    const start = length < 0x80 ? 2 : 2 + (length & 0x7f);
    const parts = tag & 0x20 || tag === Tag.OCTET_STRING ? elements(before.subarray(start)) : [];
    if (parts.length === 0 || below(8) === 0) return bytes(before);
    const at = below(parts.length);
    const part = parts[at] as Buffer;
    const changed = [() => tree(part), () => tree(part), () => Buffer.alloc(0), () => Buffer.concat([part, part])];
    return encode(tag, ...parts.with(at, pick(changed)()));
  }

  function text(before: string): string {
    const at = below(before.length);
    const rest = before.slice(at + below(3));
    return pick([
      before.slice(0, at) + pick(WORDS) + rest,
      before.replaceAll('\n', pick(['\r\n', '\n\n', '\n '])),
      pick(WORDS) + before,
      before + pick(WORDS),
      before + before,
    ]);
  }

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

/** The elements one after the other; none where these are no elements. */
function elements(content: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let rest = content; rest.length > 0; ) {
    const [, length = 0] = rest;
    const octets = length < 0x80 ? 0 : length & 0x7f;
    if (octets > 2 || rest.length < 2 + octets) return [];
    const end = 2 + octets + (octets === 0 ? length : rest.readUIntBE(2, octets));
    if (end > rest.length) return [];
    found.push(rest.subarray(0, end));
    rest = rest.subarray(end);
  }
  return found;
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
    const mutate = mutator(seededRandom(1));
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
