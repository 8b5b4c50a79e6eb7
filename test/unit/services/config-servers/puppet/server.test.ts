import { X509Certificate } from 'node:crypto';
import * as fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { NEVER, NOT_YET } from '../../../../../lib/errors.ts';
import { freshKeys, publicKeyPem, RSA_2048 } from '../../../../../world/pki/keys.ts';
import * as x509 from '../../../../../world/pki/x509.ts';
import { type Interference, PuppetCa } from '../../../../../world/services/puppet-ca.ts';
import { alerting } from '../../../../support/alerting.ts';
import { connectPuppet } from '../../../../support/connect-puppet.ts';
import { makeNode, type ProvedNode, recordedAs } from '../../../../support/make-node.ts';

const { signal } = new AbortController();
const NAME = 'i-0123456789abcdef0';
const STATUS = `/puppet-ca/v1/certificate_status/${NAME}`;
const REQUEST = `/puppet-ca/v1/certificate_request/${NAME}`;
const CERTIFICATE = `/puppet-ca/v1/certificate/${NAME}`;

let ca: PuppetCa;
let node: ProvedNode;
let squatter: ProvedNode;

beforeAll(async () => {
  ca = await PuppetCa.start();
  node = await makeNode(NAME);
  squatter = await makeNode(NAME);
});
afterAll(() => ca.close());
beforeEach(startAfresh);

/** As if the CA had never heard of the name. */
function startAfresh() {
  ca.interfere = () => undefined;
  ca.reset();
  ca.heard.length = 0;
}

const connect = (changes: Partial<Parameters<typeof connectPuppet>[0]> = {}) => {
  const { url, caCertificate, enrol, retire } = ca;
  return connectPuppet({ url, caCertificate, enrol, retire, ...changes });
};
const associate = () => connect().associate(node, signal);
const disassociate = (whose = node) => connect().disassociate(recordedAs(whose), async () => {}, signal);

describe('an enrolment with a Puppet Server', () => {
  it('takes four calls on a good day, all in the name of the certificate that enrols', async () => {
    await associate();
    expect(ca.heard).toEqual([
      `muster-enrol GET ${STATUS}`,
      `muster-enrol PUT ${REQUEST}`,
      `muster-enrol PUT ${STATUS}`,
      `muster-enrol GET ${CERTIFICATE}`,
    ]);
  });

  it('changes nothing about a node that it has', async () => {
    const first = await associate();
    ca.heard.length = 0;
    expect(await associate()).toEqual(first);
    expect(ca.heard).toEqual([`muster-enrol GET ${STATUS}`, `muster-enrol GET ${CERTIFICATE}`]);
  });

  it('does not ask again for what it has brought', async () => {
    const association = await associate();
    ca.heard.length = 0;
    expect(await connect().confirm(node, association, signal)).toEqual(association);
    expect(ca.heard).toEqual([]);
  });

  it('replaces a request that another client submitted first', async () => {
    ca.plant(NAME, squatter.identity.csr);
    const { certificate } = await associate();
    expect(keyOf(certificate)).toBe(node.identity.publicKey.trim());
  });

  it('is not ready while another client puts another request in its place again and again, and signs none of them', async () => {
    ca.interfere = (request) => {
      if (request === `GET ${STATUS}`) ca.plant(NAME, squatter.identity.csr);
      return undefined;
    };
    await expect(associate()).rejects.toMatchObject({
      name: 'ServerNotReady',
      message: expect.stringContaining('certificate_request'),
    });
    expect(ca.signed).toEqual([]);
  });

  it('revokes what it has signed when the request was exchanged in that very moment', async () => {
    ca.interfere = (request) => {
      if (request === `PUT ${STATUS}` && ca.signed.length === 0) ca.plant(NAME, squatter.identity.csr);
      if (request === `GET ${CERTIFICATE}`) ca.interfere = () => undefined;
      return undefined;
    };
    await expect(associate()).rejects.toMatchObject({
      name: 'AssociationFailed',
      message: expect.stringContaining('was exchanged while it was signed'),
    });
    expect(ca.signed).toEqual([]);
  });

  it('leaves a certificate for another key alone, and says what a person can do', async () => {
    await connect().associate(squatter, signal);
    await expect(associate()).rejects.toMatchObject({
      name: 'AssociationFailed',
      message: expect.stringContaining(`puppetserver ca clean --certname ${NAME}`),
    });
    expect(ca.signed).toEqual([NAME]);
  });

  it('leaves it alone too where another client signed it while we were about to', async () => {
    ca.interfere = async (request) => {
      if (request !== `PUT ${STATUS}`) return undefined;
      ca.interfere = () => undefined;
      ca.plant(NAME, squatter.identity.csr);
      await connect().associate(squatter, signal);
      return undefined;
    };
    await expect(associate()).rejects.toMatchObject({
      name: 'AssociationFailed',
      message: expect.stringContaining('another key'),
    });
    expect(ca.signed).toEqual([NAME]);
  });

  it('leaves a revoked name to a person', async () => {
    await associate();
    const isDelete = (request: string) => request.startsWith('DELETE');
    ca.interfere = (request) => (isDelete(request) ? { status: 503, body: '' } : undefined);
    await expect(disassociate()).rejects.toMatchObject({ name: 'ServerNotReady' });
    ca.interfere = () => undefined;
    await expect(associate()).rejects.toMatchObject({
      name: 'AssociationFailed',
      message: expect.stringContaining('is revoked'),
    });
  });

  it('hands on the CA’s reason where it does not sign', async () => {
    const refused = await nodeWithAlternativeName();
    await expect(connect().associate(refused, signal)).rejects.toMatchObject({
      name: 'AssociationFailed',
      message: expect.stringContaining('subject alternative names'),
    });
    // Once more after a look, because another client may have signed it in between.
    expect(ca.heard.filter((one) => one.includes(`PUT ${STATUS}`))).toHaveLength(2);
  });

  it('hands on the CA’s reason where it takes no request', async () => {
    const other = { ...node, identity: (await makeNode('i-0123456789abcdef1')).identity };
    await expect(connect().associate(other, signal)).rejects.toMatchObject({
      name: 'AssociationFailed',
      message: expect.stringContaining('does not match requested key'),
    });
  });

  it('stops when it is told to in the middle of its work', async () => {
    const controller = new AbortController();
    ca.interfere = (request) => {
      if (request === `PUT ${STATUS}`) controller.abort();
      return undefined;
    };
    await expect(connect().associate(node, controller.signal)).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('reads the state again when the CA fails at a signature, as it does when two sign at once', async () => {
    let failures = 0;
    ca.interfere = (request) =>
      request === `PUT ${STATUS}` && failures++ === 0 ? { status: 500, body: 'Internal Server Error' } : undefined;
    expect(keyOf((await associate()).certificate)).toBe(node.identity.publicKey.trim());
  });
});

describe('a retirement from a Puppet Server', () => {
  it('revokes, and then deletes, in the name of the certificate that retires', async () => {
    await associate();
    ca.heard.length = 0;
    await disassociate();
    expect(ca.heard.filter((one) => !one.includes('GET'))).toEqual([
      `muster-retire PUT ${STATUS}`,
      `muster-retire DELETE ${STATUS}`,
    ]);
    expect(ca.heard.every((one) => one.startsWith('muster-retire '))).toBe(true);
  });

  it('deletes its request that was never signed', async () => {
    ca.plant(NAME, node.identity.csr);
    await disassociate();
    expect(ca.heard).toEqual([
      `muster-retire GET ${STATUS}`,
      `muster-retire GET ${REQUEST}`,
      `muster-retire DELETE ${STATUS}`,
      `muster-retire GET ${STATUS}`,
    ]);
  });

  it('leaves a request and a certificate for another key as they are', async () => {
    ca.plant(NAME, squatter.identity.csr);
    expect(await disassociate()).toMatchObject({ outcome: 'anothers' });
    ca.reset();
    await associate();
    expect(await disassociate(squatter)).toMatchObject({ outcome: 'anothers' });
    expect(ca.signed).toEqual([NAME]);
    expect(ca.heard.filter((one) => one.startsWith('muster-retire') && !one.includes(' GET '))).toEqual([]);
  });

  it('never deletes a certificate that it could not revoke', async () => {
    await associate();
    ca.interfere = (request) => (request === `PUT ${STATUS}` ? { status: 500, body: 'no' } : undefined);
    await expect(disassociate()).rejects.toMatchObject({ name: 'ServerNotReady' });
    expect(ca.signed).toEqual([NAME]);
    expect(ca.heard.some((one) => one.includes('DELETE'))).toBe(false);
  });
});

describe('what answers in the place of a Puppet Server’s CA', () => {
  const html = '<html><body><h2>HTTP ERROR</h2></body></html>';
  it.each([
    [200, html, 'ServerNotFound'],
    [200, '{"state":"unheard of"}', 'ServerNotFound'],
    [204, '', 'ServerNotFound'],
    [301, '', 'ServerNotFound'],
    [400, html, 'ServerNotFound'],
    [404, html, 'ServerNotFound'],
    [405, html, 'ServerNotFound'],
    [401, '', 'PermissionDenied'],
    [403, 'Forbidden request', 'PermissionDenied'],
    [408, '', 'ServerNotReady'],
    [429, '', 'Throttled'],
    [500, html, 'ServerNotReady'],
    [502, html, 'ServerNotReady'],
    [503, '', 'ServerNotReady'],
  ])('with HTTP %i %s is %s', async (status, body, name) => {
    ca.interfere = () => ({ status, body });
    await expect(associate()).rejects.toMatchObject({ name });
    await expect(disassociate()).rejects.toMatchObject({ name });
  });

  it('is said to be a wrong address where it is a Puppet Server without a CA', async () => {
    ca.interfere = () => ({ status: 404, body: html });
    await expect(associate()).rejects.toThrow(/not to a compile server/);
  });

  it('is told which rule of auth.conf is missing, and for whom', async () => {
    const stranger = connect({ enrol: ca.stranger });
    await expect(stranger.associate(node, signal)).rejects.toThrow(
      `does not let stranger GET ${STATUS} (HTTP 403). Add a rule to the server's auth.conf`,
    );
  });

  it('is not let in when it is hidden behind a name that its certificate does not have', async () => {
    const server = connect({ url: ca.url.replace('localhost', '127.0.0.1') });
    await expect(server.associate(node, signal)).rejects.toMatchObject({ name: 'ServerNotFound' });
    expect(ca.heard).toEqual([]);
  });

  it.each([
    ['certificate_revoked', 'PermissionDenied'],
    ['certificate_expired', 'PermissionDenied'],
    ['bad_certificate', 'PermissionDenied'],
    ['unknown_ca', 'PermissionDenied'],
    ['protocol_version', 'ServerNotFound'],
    ['internal_error', 'ServerNotReady'],
    ['user_canceled', 'ServerNotReady'],
  ] as const)('with the TLS alert %s is %s', async (alert, name) => {
    const server = connect({ url: `https://127.0.0.1:${await alerting(alert)}` });
    await expect(server.associate(node, signal)).rejects.toMatchObject({ name });
    await expect(server.disassociate(recordedAs(node), async () => {}, signal)).rejects.toMatchObject({ name });
  });

  it('is not ready when it takes longer than a call may', async () => {
    ca.interfere = (request) => (request === `PUT ${REQUEST}` ? new Promise(() => {}) : undefined);
    const server = connect({ timeoutMilliseconds: 300 });
    await expect(server.associate(node, signal)).rejects.toMatchObject({ name: 'ServerNotReady' });
  });
});

describe('a Puppet Server in bad weather', () => {
  const troubles: Record<string, () => Interference> = {
    none: () => undefined,
    'lost request': () => 'lose request',
    'lost answer': () => 'lose answer',
    failure: () => ({ status: 500, body: 'Internal Server Error' }),
    squatter: () => {
      ca.plant(NAME, squatter.identity.csr);
      return undefined;
    },
  };

  it('gives the node its own certificate or an error that the state machine knows', async () => {
    const known = new Set<string>([...NOT_YET, ...NEVER]);
    const trouble = fc.constantFrom('none', 'none', 'none', ...Object.keys(troubles));
    await fc.assert(
      fc.asyncProperty(fc.array(trouble, { minLength: 1, maxLength: 10 }), async (plan) => {
        await startAfresh();
        const left = [...plan];
        ca.interfere = () => troubles[left.shift() ?? 'none']?.();
        const association = await associate().catch((error: Error) => error);
        if (association instanceof Error) expect(known).toContain(association.name);
        else expect(keyOf(association.certificate)).toBe(node.identity.publicKey.trim());
      }),
      { numRuns: 50 },
    );
  });
});

function keyOf(certificate: string | null): string {
  const { publicKey } = new X509Certificate(certificate ?? '');
  return String(publicKey.export({ type: 'spki', format: 'pem' })).trim();
}

async function nodeWithAlternativeName(): Promise<ProvedNode> {
  const keys = await freshKeys();
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [{ CN: [NAME] }],
    keys,
    signingAlgorithm: RSA_2048,
    extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: 'puppet' }])],
  });
  const identity = { ...node.identity, csr: csr.toString('pem'), publicKey: await publicKeyPem(keys.publicKey) };
  return { ...node, identity };
}
