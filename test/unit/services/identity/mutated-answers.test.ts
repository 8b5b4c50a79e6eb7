import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { expect, it } from 'vitest';
import { IdentityPending, IdentityRejected } from '../../../../lib/errors.ts';
import type { Identity } from '../../../../lib/state.ts';
import { keysOf, type RegionKeys } from '../../../../services/identity/certificates.ts';
import { readIdentity } from '../../../../services/identity/index.ts';
import { seededRandom } from '../../../../world/kernel/random.ts';
import { IdentitySigner, identityDocument } from '../../../../world/machines/identity.ts';
import { derOf, INSTANCE, pemOf, requestOf } from '../../../support/certificate-requests.ts';
import { mutator } from '../../../support/mutations.ts';
import { sized } from '../../../support/size.ts';

const MUTATIONS = sized({ small: 3000, full: 20_000, whole: 100_000 });

const NOW = new Date('2030-01-02T03:04:05Z');
const signer = await IdentitySigner.create(NOW);
const stranger = await IdentitySigner.create(NOW);
const weak = generateKeyPairSync('rsa', { modulusLength: 1024 });
const STRONG = keysOf({ [INSTANCE.region]: signer.certificatePem });
const WEAK: RegionKeys = {
  [INSTANCE.region]: [{ publicKey: spkiOf(weak.publicKey).toString('base64'), validTo: '2040' }],
};

const DOCUMENT = identityDocument({
  instanceId: INSTANCE.instanceId,
  imageId: INSTANCE.imageId ?? '',
  instanceType: 't3.micro',
  architecture: 'x86_64',
  availabilityZone: 'eu-west-1a',
  privateIp: '10.0.0.1',
  launchedAt: NOW,
});

interface Answer {
  csr: string;
  identityDocument: string;
  identitySignature: string;
  identityRsa2048?: string | undefined;
}

/** What two nodes answer, one with an RSA key and one with a curve, in a Region with a strong key, and one with a weak one. */
async function seeds(): Promise<{ answer: Answer; keys: RegionKeys; said: string }[]> {
  const { rsa2048 } = await signer.sign(DOCUMENT);
  const identitySignature = sign('sha256', Buffer.from(DOCUMENT), weak.privateKey).toString('base64');
  const pairs = [
    generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ];
  return pairs.flatMap(({ privateKey, publicKey }) => {
    const csr = pemOf(requestOf({ privateKey, spki: spkiOf(publicKey) }));
    const answer = { csr, identityDocument: DOCUMENT, identitySignature, identityRsa2048: rsa2048 };
    return [STRONG, WEAK].map((keys) => ({ answer, keys, said: meaning(answer, keys) }));
  });
}

function spkiOf(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' });
}

/** All that counts of an answer, whatever its lines, its spaces, and the name of its algorithm are. */
function meaning({ csr, identityDocument, identitySignature, identityRsa2048 }: Answer, keys: RegionKeys): string {
  const signature = keys === STRONG ? withoutName(identityRsa2048 ?? '') : identitySignature.replaceAll('\n', '');
  return JSON.stringify([csr.replaceAll('\r\n', '\n').trim(), identityDocument, signature]);
}

/** The algorithm has two names, rsaEncryption and sha256WithRSAEncryption, and AWS has written both: pkcs7.ts takes either. */
function withoutName(rsa2048: string): string {
  return Buffer.from(rsa2048, 'base64').toString('hex').replaceAll('06092a864886f70d01010b', '06092a864886f70d010101');
}

function mutationsOf(by: IdentitySigner, { below, pick, bytes, tree, text }: ReturnType<typeof mutator>) {
  const inBase64 = (before: string, change: (bytes: Buffer) => Buffer) =>
    change(Buffer.from(before, 'base64')).toString('base64');
  /** The signer and what is signed: of definite lengths, within the indefinite ones. */
  const inSigner = (before: Buffer) => {
    const at = before.indexOf(Buffer.of(0x31, 0x82), before.indexOf('}'));
    const end = at + 4 + before.readUInt16BE(at + 2);
    return Buffer.concat([before.subarray(0, at), tree(before.subarray(at, end)), before.subarray(end)]);
  };
  const rsa2048 = (change: (bytes: Buffer) => Buffer) => (answer: Answer) => {
    return { ...answer, identityRsa2048: inBase64(answer.identityRsa2048 ?? '', change) };
  };
  const signed = async (answer: Answer) => {
    const shown = await by.sign(pick([answer.identityDocument, text(answer.identityDocument)]));
    return {
      ...answer,
      identityDocument: shown.document,
      identitySignature: shown.signature,
      identityRsa2048: shown.rsa2048,
    };
  };
  const kinds: ((answer: Answer) => Answer | Promise<Answer>)[] = [
    (answer) => ({ ...answer, csr: text(answer.csr) }),
    (answer) => ({ ...answer, csr: pemOf(bytes(derOf(answer.csr))) }),
    (answer) => ({ ...answer, csr: pemOf(tree(derOf(answer.csr))) }),
    (answer) => ({ ...answer, identityDocument: text(answer.identityDocument) }),
    (answer) => ({ ...answer, identityDocument: bytes(Buffer.from(answer.identityDocument)).toString() }),
    (answer) => ({ ...answer, identitySignature: inBase64(answer.identitySignature, bytes) }),
    (answer) => ({ ...answer, identitySignature: text(answer.identitySignature) }),
    (answer) => ({ ...answer, identityRsa2048: text(answer.identityRsa2048 ?? '') }),
    rsa2048(bytes),
    rsa2048(inSigner),
    rsa2048(inSigner),
  ];
  return async (answer: Answer): Promise<string> => {
    // A signature takes as long as many mutations.
    if (below(100) === 0) return JSON.stringify(await signed(answer));
    return below(8) === 0 ? text(JSON.stringify(answer)) : JSON.stringify(await pick(kinds)(answer));
  };
}

/** What is accepted. Any error but a refusal is thrown on. */
function accepted(output: string, keys: RegionKeys): Identity | undefined {
  const policy = { keys, now: NOW.toISOString(), accountId: INSTANCE.accountId, onlyRsa: false };
  try {
    return readIdentity(output, INSTANCE, policy);
  } catch (error) {
    if (error instanceof IdentityPending) expect(JSON.parse(output)).not.toHaveProperty('identityRsa2048');
    else if (!(error instanceof IdentityRejected) || error.rule === 'unexpected') throw error;
    return undefined;
  }
}

it(
  `accepts none of ${MUTATIONS} answers whose document, signature or CSR is mutated, and fails on none`,
  async () => {
    const all = await seeds();
    const tools = mutator(seededRandom(2));
    const mutate = mutationsOf(stranger, tools);
    for (const { answer, keys } of all) expect(accepted(JSON.stringify(answer), keys)).toBeDefined();
    const wrong: string[] = [];
    let [refused, respelt] = [0, 0];
    while (refused < MUTATIONS && wrong.length === 0) {
      const { answer, keys, said } = tools.pick(all);
      const output = await mutate(answer);
      const identity = accepted(output, keys);
      if (!identity) refused += 1;
      // Only lines and spaces are others, or what does not count in the Region.
      else if (meaning(JSON.parse(output), keys) === said) respelt += 1;
      else wrong.push(output);
    }
    expect(wrong).toEqual([]);
    expect(refused).toBe(MUTATIONS);
    expect(respelt).toBeLessThan(MUTATIONS);
  },
  60_000 + 60 * MUTATIONS,
);
