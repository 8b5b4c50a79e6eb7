import { execFileSync, spawnSync } from 'node:child_process';
import { type KeyObject, sign } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { type Instance, NO_ROOT_VOLUME } from '../../lib/instance.ts';
import { encode, Tag } from '../../services/identity/der.ts';

export const INSTANCE: Instance = {
  platform: 'ec2',
  instanceId: 'i-0123456789abcdef0',
  nodeName: 'i-0123456789abcdef0',
  accountId: '123456789012',
  region: 'eu-west-1',
  imageId: 'ami-0fedcba9876543210',
  launchTime: '2030-01-02T03:04:05Z',
  createdTime: null,
  arn: null,
  privateIpAddress: null,
  publicIpAddress: null,
  autoScalingGroupName: null,
  tags: {},
  metadataOptions: { state: null, httpTokens: null, httpEndpoint: null, httpPutResponseHopLimit: null },
  ...NO_ROOT_VOLUME,
};

export const root = fileURLToPath(new URL('../../', import.meta.url));

export const hasOpenssl = spawnSync('openssl', ['version']).status === 0;

export const pemOf = (der: Buffer, label = 'CERTIFICATE REQUEST') =>
  `-----BEGIN ${label}-----\n${der
    .toString('base64')
    .match(/.{1,64}/g)
    ?.join('\n')}\n-----END ${label}-----\n`;

export const derOf = (pem: string) => Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64');

/** Openssl in an empty folder of its own, which goes with the test. */
export function workshop() {
  const cwd = mkdtempSync(join(tmpdir(), 'muster-csr-'));
  onTestFinished(() => rmSync(cwd, { recursive: true, force: true }));
  return {
    openssl: (...args: string[]) => execFileSync('openssl', args, { cwd, stdio: 'pipe' }).toString(),
    read: (file: string) => readFileSync(join(cwd, file), 'utf8'),
    readBytes: (file: string) => readFileSync(join(cwd, file)),
    write: (file: string, content: string | Buffer) => writeFileSync(join(cwd, file), content),
  };
}

/** What openssl says of a request: whether it can be read and is signed by its key, and what is in it. */
export function opensslOn(pem: string): { accepts: boolean; subject: string; text: string } {
  const args = ['req', '-verify', '-noout', '-text', '-subject', '-nameopt', 'RFC2253'];
  const { status, stdout, stderr } = spawnSync('openssl', args, { input: pem, encoding: 'utf8' });
  const accepts = status === 0 && /verify OK/.test(`${stdout}${stderr}`);
  return { accepts, subject: /^subject=(.*)$/m.exec(stdout)?.[1] ?? '', text: stdout };
}

interface Parts {
  readonly privateKey: KeyObject;
  readonly spki: Buffer;
  readonly version?: Buffer;
  readonly subject?: Buffer;
  /** In the place of `[0]`, whole. */
  readonly attributes?: Buffer;
  readonly algorithm?: Buffer;
}

const oid = (...octets: number[]) => Buffer.of(Tag.OBJECT_IDENTIFIER, octets.length, ...octets);

const CN = oid(0x55, 4, 3);
const EXTENSION_REQUEST = oid(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 14);
const SHA256_WITH_RSA = oid(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11);
const SHA256_WITH_ECDSA = oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2);
/** Puppet's registered extensions, by their last number: 2 pp_instance_id, 3 pp_image_name, 18 pp_region. */
export const puppetOid = (number: number) => oid(0x2b, 6, 1, 4, 1, 0x82, 0x8c, 0x4c, 1, 1, number);

export const NULL = Buffer.of(Tag.NULL, 0);
export const name = (...values: string[]) =>
  encode(
    Tag.SEQUENCE,
    ...values.map((value) => encode(Tag.SET, encode(Tag.SEQUENCE, CN, encode(Tag.UTF8_STRING, Buffer.from(value))))),
  );
export const extension = (type: Buffer, value: string, ...between: Buffer[]) =>
  encode(Tag.SEQUENCE, type, ...between, encode(Tag.OCTET_STRING, encode(Tag.UTF8_STRING, Buffer.from(value))));
export const extensionRequest = (...extensions: Buffer[]) =>
  encode(Tag.SEQUENCE, EXTENSION_REQUEST, encode(Tag.SET, encode(Tag.SEQUENCE, ...extensions)));

/** The part of a request that is signed. What is left out is as the policy wants it. */
export function infoOf({ spki, version, subject, attributes }: Omit<Parts, 'privateKey'>): Buffer {
  return encode(
    Tag.SEQUENCE,
    version ?? encode(Tag.INTEGER, Buffer.of(0)),
    subject ?? name(INSTANCE.nodeName),
    spki,
    attributes ?? encode(Tag.CONTEXT_0),
  );
}

/** A request that its key has signed with SHA-256, whatever is in it. */
export function signed(info: Buffer, { privateKey, algorithm }: Pick<Parts, 'privateKey' | 'algorithm'>): Buffer {
  const isRsa = privateKey.asymmetricKeyType === 'rsa';
  const known = isRsa ? encode(Tag.SEQUENCE, SHA256_WITH_RSA, NULL) : encode(Tag.SEQUENCE, SHA256_WITH_ECDSA);
  const signature = encode(Tag.BIT_STRING, Buffer.of(0), sign('sha256', info, privateKey));
  return encode(Tag.SEQUENCE, info, algorithm ?? known, signature);
}

export const requestOf = (parts: Parts) => signed(infoOf(parts), parts);
