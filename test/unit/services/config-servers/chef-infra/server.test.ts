import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { describe, expect, it, onTestFinished } from 'vitest';
import { chefServerUrl } from '../../../../../lib/engines.ts';
import type { ChefInfraServer } from '../../../../../lib/servers.ts';
import type { ChefOptions } from '../../../../../services/config-servers/chef-infra/api.ts';
import { chefInfraServer } from '../../../../../services/config-servers/chef-infra/server.ts';
import { ChefInfra, type ChefInfraOptions } from '../../../../../world/services/chef-infra/chef-infra.ts';
import { answering } from '../../../../support/answering.ts';
import { makeNode, recordedAs } from '../../../../support/make-node.ts';

const { signal } = new AbortController();
const begin = async () => {};
const NAME = 'i-0123456789abcdef0';
const node = await makeNode(NAME);
const other = await makeNode(NAME);

const PROFILE: ChefInfraServer = {
  engine: 'chef-infra',
  url: 'https://chef.example.com/organizations/shop',
  caSecret: 'ca',
  keySecret: 'validator',
  retireKeySecret: 'admin',
  retireClientName: 'muster-retire',
  firstRun: 'none',
};

/** The double, and the engine that speaks to it. */
async function shop(options: ChefInfraOptions = {}) {
  const chef = await ChefInfra.start(options);
  onTestFinished(() => chef.close());
  const secrets: Record<string, string> = {
    ca: chef.certificate,
    validator: chef.validator.privateKey,
    admin: chef.admin.privateKey,
  };
  const at = (changes: Partial<ChefInfraServer> = {}, more: ChefOptions = {}) =>
    chefInfraServer({ ...PROFILE, url: chef.url, ...changes }, async (name) => secrets[name] ?? '', more);
  return { chef, secrets, at, server: at() };
}

const keys = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
});

type Said = [status: number, body: unknown, headers?: Record<string, string>];

/** The engine in front of a server that says something odd, request by request; the last answer stands. */
async function oddShop(...answers: Said[]) {
  let next = 0;
  const { port, certificate } = await answering((_, response) => {
    const [status, body, headers = {}] = answers[Math.min(next++, answers.length - 1)] ?? [500, ''];
    response.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body));
  });
  const secrets = async (name: string) => (name === 'ca' ? certificate : keys.privateKey);
  const url = `https://127.0.0.1:${port}/organizations/shop`;
  return chefInfraServer({ ...PROFILE, url }, secrets);
}

const EXISTS: Said = [409, { error: ['Client already exists'] }];
const GONE: Said = [404, { not_found: 'principal', error: `Cannot find principal ${NAME}` }];
const principal = (key: string, type = 'client') => ({
  name: NAME,
  type,
  public_key: key,
  authz_id: '',
  org_member: true,
});

describe('enrolling with a Chef Infra Server', () => {
  it('makes the client with the node’s key, and never the node object', async () => {
    const { chef, server } = await shop();
    await server.associate(node, signal);
    expect(createPublicKey(chef.publicKeyOf(NAME) ?? '').equals(createPublicKey(node.identity.publicKey))).toBe(true);
    expect(chef.nodes).toEqual([]);
    expect(chef.heard).toEqual(['POST /organizations/shop/clients']);
  });

  it('asks only for the client’s key when the name is taken', async () => {
    const { chef, server } = await shop();
    await server.associate(node, signal);
    await server.associate(node, signal);
    expect(chef.heard.slice(1)).toEqual([
      'POST /organizations/shop/clients',
      `GET /organizations/shop/principals/${NAME}`,
    ]);
  });

  it('signs as the validator of the organization, or as whom the profile names', async () => {
    const { at } = await shop();
    await expect(at({ clientName: 'nobody' }).associate(node, signal)).rejects.toMatchObject({
      name: 'PermissionDenied',
      message: expect.stringContaining('does not know nobody by the key in the secret validator'),
    });
    await expect(at({ clientName: 'shop-validator' }).associate(node, signal)).resolves.toMatchObject({});
    await expect(at().associate(node, signal)).resolves.toMatchObject({});
  });

  it('falls back to version 1.1 of the signature for a server that knows no 1.3, and stays with it', async () => {
    const { chef, server } = await shop({ signatureVersions: ['1.0', '1.1'] });
    await server.associate(node, signal);
    await server.associate(await makeNode('i-00000000'), signal);
    expect(chef.clients).toEqual([NAME, 'i-00000000']);
    expect(chef.heard.filter((heard) => heard.startsWith('POST'))).toHaveLength(3);
  });

  it('takes the first refusal for the reason when the older signature is refused too', async () => {
    const server = await oddShop([401, { error: ['Invalid signature'] }], [400, { error: ['Unsupported version'] }]);
    await expect(server.associate(node, signal)).rejects.toMatchObject({
      name: 'PermissionDenied',
      message: expect.stringContaining('Invalid signature'),
    });
  });

  it.each([
    ['ahead', 20],
    ['behind', -20],
  ])('says that the clocks differ when the server’s is %s', async (_, minutes) => {
    const { at } = await shop();
    const now = () => new Date(Date.now() - minutes * 60_000);
    await expect(at({}, { now }).associate(node, signal)).rejects.toMatchObject({
      name: 'PermissionDenied',
      message: expect.stringContaining('20 minutes apart'),
    });
  });

  it('refuses keys that Chef would not use', async () => {
    const { chef, server } = await shop();
    const elliptic = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;
    const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey;
    for (const key of [elliptic, short]) {
      const publicKey = String(key.export({ type: 'spki', format: 'pem' }));
      const hostile = { ...node, identity: { ...node.identity, publicKey } };
      await expect(server.associate(hostile, signal)).rejects.toMatchObject({ name: 'IdentityRejected' });
    }
    expect(chef.heard).toEqual([]);
  });

  it('of two keys for one name at the same moment takes one, and tells the other', async () => {
    const { server } = await shop();
    const results = await Promise.allSettled(
      [node, other].map(async (one) => server.confirm(one, await server.associate(one, signal), signal)),
    );
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(results).toContainEqual(
      expect.objectContaining({ reason: expect.objectContaining({ name: 'AssociationFailed' }) }),
    );
  });

  it('asks again for a client that was there and is not', async () => {
    const { server } = await shop();
    const association = await server.associate(node, signal);
    await server.disassociate(recordedAs(node), begin, signal);
    await expect(server.confirm(node, association, signal)).rejects.toMatchObject({ name: 'ServerNotReady' });
    const racing = await oddShop(EXISTS, GONE);
    await expect(racing.associate(node, signal)).rejects.toMatchObject({ name: 'ServerNotReady' });
  });
});

describe('what a Chef server may say of a name that is taken', () => {
  const pkcs1 = String(createPublicKey(node.identity.publicKey).export({ type: 'pkcs1', format: 'pem' }));
  const theirs = other.identity.publicKey;

  it.each([
    ['version 1 of the API', { principals: [principal(node.identity.publicKey)] }],
    ['version 0 of the API', principal(node.identity.publicKey)],
    ['the key in another spelling', principal(pkcs1)],
    ['a user of the same name beside the client', { principals: [principal(theirs, 'user'), principal(pkcs1)] }],
  ])('is ours: %s', async (_, body) => {
    const server = await oddShop(EXISTS, [200, body]);
    await expect(server.associate(node, signal)).resolves.toMatchObject({ statusToken: null });
  });

  it.each([
    ['another key', { principals: [principal(theirs)] }],
    ['what is no key', principal('-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n')],
    ['what is no principal', { principals: 'none' }],
  ])('is not ours: %s', async (_, body) => {
    const server = await oddShop(EXISTS, [200, body]);
    await expect(server.associate(node, signal)).rejects.toMatchObject({ name: 'AssociationFailed' });
  });

  it('is no client’s when only a user bears it', async () => {
    const server = await oddShop(EXISTS, [200, { principals: [principal(node.identity.publicKey, 'user')] }]);
    await expect(server.associate(node, signal)).rejects.toMatchObject({ name: 'ServerNotReady' });
  });
});

describe('an answer that says something of the server', () => {
  it.each<[string, Said]>([
    ['ServerNotReady', [500, { error: ['internal service error'] }]],
    ['ServerNotReady', [502, '<html>Bad Gateway</html>']],
    ['ServerNotReady', [503, '']],
    ['ServerNotReady', [408, '']],
    ['Throttled', [429, '']],
    ['PermissionDenied', [401, { error: ['Invalid signature'] }]],
    ['PermissionDenied', [403, { error: ['missing create permission'] }]],
    ['ServerNotFound', [406, { error: 'invalid-x-ops-server-api-version', min_version: 2, max_version: 3 }]],
    ['DependencyMissing', [404, { error: ["organization 'shop' does not exist."] }]],
    ['ServerNotFound', [404, '<html>Not Found</html>']],
    ['ServerNotFound', [200, '']],
    ['ServerNotFound', [200, '<html>Welcome</html>']],
    ['ServerNotFound', [201, 'created']],
    ['ServerNotFound', [302, '', { location: 'https://chef.example.com' }]],
    ['ServerNotFound', [405, { error: ['Method not allowed'] }]],
    ['AssociationFailed', [400, { error: ["Field 'public_key' invalid"] }]],
    ['AssociationFailed', [200, {}]],
  ])('is %s: %j', async (name, said) => {
    const server = await oddShop(said);
    const refusal: unknown = await server.associate(node, signal).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ name });
    expect(String(refusal)).toMatch(/[.)]$/);
  });

  it('never quotes a key', async () => {
    const server = await oddShop([400, { error: [`Public key does not validate: ${node.identity.publicKey}`] }]);
    const refusal: unknown = await server.associate(node, signal).catch((error: unknown) => error);
    expect(String(refusal)).not.toContain('BEGIN');
  });
});

describe('retiring from a Chef Infra Server', () => {
  const OURS: Said = [200, principal(node.identity.publicKey)];

  it('deletes nothing of a client with another key, or of a node without a client', async () => {
    const { chef, server } = await shop();
    expect(await server.disassociate(recordedAs(node), begin, signal)).toMatchObject({ outcome: 'missing' });
    await server.associate(other, signal);
    expect(await server.disassociate(recordedAs(node), begin, signal)).toMatchObject({ outcome: 'anothers' });
    expect(chef.heard.filter((one) => one.startsWith('DELETE'))).toEqual([]);
    expect(chef.clients).toEqual([NAME]);
  });

  it('deletes the node that is left of a removal that had begun', async () => {
    const { chef, server } = await shop();
    const removal = await server.disassociate(recordedAs(node, true), begin, signal);
    expect(chef.heard).toContain(`DELETE /organizations/shop/nodes/${NAME}`);
    // That the removal had begun does not prove that it came as far as the client.
    expect(removal).toMatchObject({ outcome: 'missing' });
  });

  it('does not take a client for deleted that the server has shown, and then does not know', async () => {
    const server = await oddShop(OURS, [404, { error: ['Cannot load client'] }], GONE);
    expect(await server.disassociate(recordedAs(node), begin, signal)).toMatchObject({ outcome: 'missing' });
  });

  it('deletes the client first, so that a run in progress cannot save the node again, and then the node', async () => {
    const { chef, server } = await shop();
    await server.associate(node, signal);
    chef.heard.length = 0;
    await server.disassociate(recordedAs(node), begin, signal);
    expect(chef.heard).toEqual([
      `GET /organizations/shop/principals/${NAME}`,
      `DELETE /organizations/shop/clients/${NAME}`,
      `GET /organizations/shop/principals/${NAME}`,
      `DELETE /organizations/shop/nodes/${NAME}`,
    ]);
  });

  it('does not take a missing organization for a missing client', async () => {
    const { chef, at } = await shop();
    const elsewhere = at({ url: chef.url.replace(/shop$/, 'nowhere') });
    await expect(elsewhere.disassociate(recordedAs(node), begin, signal)).rejects.toMatchObject({
      name: 'DependencyMissing',
    });
  });

  it.each<[string, Said[]]>([
    ['ServerNotFound', [[404, '<html>Not Found</html>']]],
    ['ServerNotFound', [[200, '']]],
    ['ServerNotReady', [OURS, [200, {}], OURS]],
    ['AssociationFailed', [OURS, [400, { error: ['no'] }]]],
    ['PermissionDenied', [OURS, [200, {}], GONE, [403, { error: ['missing delete permission'] }]]],
  ])('is %s when it may not have happened', async (name, answers) => {
    const server = await oddShop(...answers);
    await expect(server.disassociate(recordedAs(node), begin, signal)).rejects.toMatchObject({ name });
  });

  it('is denied to the key that enrols', async () => {
    const { chef, at } = await shop();
    await at().associate(node, signal);
    const validator = { retireKeySecret: 'validator', retireClientName: chef.validator.clientName };
    await expect(at(validator).disassociate(recordedAs(node), begin, signal)).rejects.toMatchObject({
      name: 'PermissionDenied',
      message: expect.stringContaining('it must be allowed to delete clients and nodes'),
    });
    expect(chef.clients).toEqual([NAME]);
  });
});

describe('the secrets of a Chef Infra Server', () => {
  it('are read only for what is done, and once', async () => {
    const { chef, secrets } = await shop();
    const read: string[] = [];
    const server = chefInfraServer({ ...PROFILE, url: chef.url }, async (name) => {
      read.push(name);
      return secrets[name] ?? '';
    });
    expect(read).toEqual([]);
    await server.associate(node, signal);
    await server.associate(node, signal);
    expect(read.sort()).toEqual(['ca', 'validator']);
    await server.disassociate(recordedAs(node), begin, signal);
    expect(read.sort()).toEqual(['admin', 'ca', 'ca', 'validator']);
  });

  it.each([
    ['validator', 'not a key'],
    ['validator', node.identity.publicKey],
    ['validator', keys.privateKey.replaceAll('\n', ' ')],
    [
      'validator',
      generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }),
    ],
    [
      'validator',
      generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey.export({ type: 'pkcs1', format: 'pem' }),
    ],
    ['ca', keys.publicKey],
    ['ca', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'],
  ])('are named, and not quoted, when they are not what they should be: %s', async (name, text) => {
    const { chef, secrets } = await shop();
    const texts: Record<string, string> = { ...secrets, [name]: String(text) };
    const server = chefInfraServer({ ...PROFILE, url: chef.url }, async (secret) => texts[secret] ?? '');
    const refusal: unknown = await server.associate(node, signal).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ name: 'InvalidRequest', message: expect.stringContaining(`secret ${name}`) });
    expect(String(refusal)).not.toContain(String(text).slice(0, 40));
    expect(chef.heard).toEqual([]);
  });
});

describe('the address of a Chef Infra Server', () => {
  it.each([
    ['https://chef.example.com', undefined, 'https://chef.example.com'],
    ['https://chef.example.com/', 'shop', 'https://chef.example.com/organizations/shop'],
    ['https://chef.example.com/organizations/shop', undefined, 'https://chef.example.com/organizations/shop'],
    ['https://chef.example.com/organizations/shop/', 'shop', 'https://chef.example.com/organizations/shop'],
  ])('%s with the organization %s is %s', (url, organization, expected) => {
    expect(chefServerUrl({ ...PROFILE, url, ...(organization && { organization }) })).toBe(expected);
  });

  it('cannot have two organizations', () => {
    const at = () => chefInfraServer({ ...PROFILE, organization: 'warehouse' }, async () => '');
    expect(at).toThrow(/two Chef organizations/);
  });
});
