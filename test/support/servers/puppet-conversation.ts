import { exchange } from '../../../services/config-servers/https.ts';
import { freshKeys, RSA_2048 } from '../../../world/pki/keys.ts';
import * as x509 from '../../../world/pki/x509.ts';
import type { Credentials } from './puppet-server.ts';

/** A CA, real or double, and who may speak to it. */
export interface Partner {
  readonly url: string;
  readonly caCertificate: string;
  readonly enrol: Credentials;
  readonly stranger: Credentials;
}

/** The requests that everybody makes of the two whose answers are compared. */
export type Requests = Readonly<Record<'plain' | 'alternative' | 'authorization' | 'unknown' | 'broken', string>>;

const NAME = 'i-0c000001';
const OTHER = 'i-0c000002';

export async function makeRequests(): Promise<Requests> {
  const keys = await freshKeys();
  const pem = async (commonName: string, ...extensions: x509.Extension[]) => {
    const request = { name: [{ CN: [commonName] }], keys, signingAlgorithm: RSA_2048, extensions };
    return (await x509.Pkcs10CertificateRequestGenerator.create(request)).toString('pem');
  };
  const text = Buffer.from([0x0c, 0x01, 0x61]);
  return {
    plain: await pem(NAME),
    alternative: await pem(OTHER, new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: 'puppet' }])),
    authorization: await pem(OTHER, new x509.Extension('1.3.6.1.4.1.34380.1.3.1', false, text)),
    unknown: await pem(OTHER, new x509.Extension('1.2.3.4', false, text)),
    broken: withBrokenSignature(await pem(OTHER)),
  };
}

/** Says the same things to a CA in the same order, and writes its answers down: a line each. */
export async function converse(partner: Partner, requests: Requests): Promise<string[]> {
  const lines: string[] = [];

  async function say(what: string, method: string, path: string, body = '', who: Credentials | null = partner.enrol) {
    const contentType = body.startsWith('{') ? 'application/json' : 'text/plain';
    const peer = { url: partner.url, ca: partner.caCertificate, timeoutMilliseconds: 10_000, ...who };
    const call = { method, path, headers: body ? { 'content-type': contentType } : {}, body };
    const { status, text } = await exchange(peer, call, new AbortController().signal);
    lines.push(`${what}: ${status} ${remarkable(status, text)}`.trim());
  }
  const look = (name: string) => say('look', 'GET', `/puppet-ca/v1/certificate_status/${name}`);
  const fetch = (name: string) => say('fetch', 'GET', `/puppet-ca/v1/certificate/${name}`);
  const submit = (name: string, csr: string) => say('submit', 'PUT', `/puppet-ca/v1/certificate_request/${name}`, csr);
  const decide = (name: string, state: string) =>
    say(state, 'PUT', `/puppet-ca/v1/certificate_status/${name}`, JSON.stringify({ desired_state: state }));
  const remove = (name: string) => say('remove', 'DELETE', `/puppet-ca/v1/certificate_status/${name}`);

  await look(NAME);
  await fetch(NAME);
  await decide(NAME, 'signed');
  await decide(NAME, 'revoked');
  await remove(NAME);
  await submit(NAME, requests.plain);
  await submit(NAME, requests.plain);
  await look(NAME);
  await fetch(NAME);
  await decide(NAME, 'revoked');
  await decide(NAME, 'signed');
  await decide(NAME, 'signed');
  await look(NAME);
  await fetch(NAME);
  await submit(NAME, requests.plain);
  await decide(NAME, 'revoked');
  await decide(NAME, 'revoked');
  await look(NAME);
  await submit(NAME, requests.plain);
  await remove(NAME);
  await look(NAME);
  for (const csr of [requests.alternative, requests.authorization, requests.unknown, requests.broken]) {
    await submit(OTHER, csr);
    await decide(OTHER, 'signed');
    await remove(OTHER);
  }
  await submit(OTHER, requests.plain);
  await submit(OTHER, 'nonsense');
  const status = `/puppet-ca/v1/certificate_status/${NAME}`;
  await say('look as nobody', 'GET', status, '', null);
  await say('look as a stranger', 'GET', status, '', partner.stranger);
  await say('look at the CA’s own', 'GET', '/puppet-ca/v1/certificate_status/localhost');
  await say('ask for something else', 'GET', '/puppet-ca/v1/nothing');
  await say('ask elsewhere', 'GET', '/elsewhere/puppet-ca/v1/certificate_status/i-0c000001');
  return lines;
}

/** Of an answer what can be the same in two CAs: the state, or the beginning of the reason. */
function remarkable(status: number, text: string): string {
  if (text.startsWith('{')) return (JSON.parse(text) as { state: string }).state;
  if (text.startsWith('<')) return 'HTML';
  return [400, 404, 409].includes(status) ? text.slice(0, 48) : '';
}

function withBrokenSignature(pem: string): string {
  const der = Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64');
  const last = der.length - 1;
  der[last] = (der[last] ?? 0) ^ 1;
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE REQUEST-----', ...lines, '-----END CERTIFICATE REQUEST-----', ''].join('\n');
}
