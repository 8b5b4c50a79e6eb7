import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type SignatureVersion, signatureHeaders } from '../../../../services/config-servers/chef-infra/signature.ts';
import { exchange } from '../../../../services/config-servers/https.ts';
import {
  type ChefCredentials,
  ChefInfra,
  type ChefInfraOptions,
} from '../../../../world/services/chef-infra/chef-infra.ts';

const { publicKey, privateKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
});
const NODE: ChefCredentials = { clientName: 'web-1', privateKey };

interface Asked {
  by: ChefCredentials;
  method?: string;
  path: string;
  content?: object;
  /** What is sent in the place of the body that was signed. */
  forged?: string;
  version?: SignatureVersion;
  timestamp?: Date;
  organization?: string;
}

async function shop(options: ChefInfraOptions = {}) {
  const chef = await ChefInfra.start(options);
  onTestFinished(() => chef.close());
  const ask = async ({ by, method = 'GET', path, content, organization = 'shop', ...how }: Asked) => {
    const { version = '1.3', timestamp = new Date(), forged } = how;
    const body = content ? JSON.stringify(content) : '';
    const full = `/organizations/${organization}${path}`;
    const signed = { method, path: full, body, timestamp, userId: by.clientName, apiVersion: '1' };
    const headers = {
      'X-Ops-Server-API-Version': '1',
      ...signatureHeaders(signed, createPrivateKey(by.privateKey), version),
    };
    const peer = { url: new URL(chef.url).origin, ca: chef.certificate, timeoutMilliseconds: 5_000 };
    const call = { method, path: full, headers, body: forged ?? body };
    const { status, text } = await exchange(peer, call, new AbortController().signal);
    return { status, body: JSON.parse(text) };
  };
  const introduce = () =>
    ask({ by: chef.validator, method: 'POST', path: '/clients', content: { name: 'web-1', public_key: publicKey } });
  return { chef, ask, introduce };
}

describe('the double of a Chef Infra Server', () => {
  it.each(['1.0', '1.1', '1.3'] as const)('knows who signed with version %s', async (version) => {
    const { chef, ask } = await shop();
    const content = { name: 'web-1', public_key: publicKey };
    const request = { method: 'POST', path: '/clients', content, version };
    expect(await ask({ by: { ...chef.validator, privateKey }, ...request })).toMatchObject({ status: 401 });
    expect(await ask({ by: chef.validator, ...request, forged: '{}' })).toMatchObject({ status: 401 });
    expect(await ask({ by: chef.validator, ...request })).toMatchObject({ status: 201 });
    expect(chef.clients).toEqual(['web-1']);
  });

  it('refuses versions that it does not know, old requests, strangers and other organizations', async () => {
    const { chef, ask } = await shop({ signatureVersions: ['1.1'] });
    const request = { by: chef.admin, path: '/nodes/web-1', version: '1.1' } as const;
    expect(await ask({ ...request, version: '1.3' })).toMatchObject({ status: 400 });
    expect(await ask({ ...request, timestamp: new Date(Date.now() - 16 * 60_000) })).toMatchObject({ status: 401 });
    expect(await ask({ ...request, by: NODE })).toMatchObject({ status: 401 });
    expect(await ask({ ...request, organization: 'nowhere' })).toMatchObject({ status: 404 });
    expect(await ask(request)).toMatchObject({ status: 404, body: { error: ["node 'web-1' not found"] } });
  });

  it.each([
    ['15 minutes late', -15 * 60_000, 404],
    ['more than 15 minutes late', -15 * 60_000 - 1000, 401],
    ['15 minutes early', 15 * 60_000, 404],
    ['more than 15 minutes early', 15 * 60_000 + 1000, 401],
  ])('compares the timestamp with its own clock: %s', async (_what, skew, status) => {
    const now = new Date('2031-05-06T07:08:09Z');
    const { chef, ask } = await shop({ now: () => now });
    const timestamp = new Date(now.getTime() + skew);
    expect(await ask({ by: chef.admin, path: '/nodes/web-1', timestamp })).toMatchObject({ status });
  });

  it('refuses a timestamp that is no date', async () => {
    const { chef } = await shop();
    const peer = { url: new URL(chef.url).origin, ca: chef.certificate, timeoutMilliseconds: 5_000 };
    const headers = { 'X-Ops-Sign': 'algorithm=sha256;version=1.3;', 'X-Ops-Userid': 'muster-retire' };
    const call = { method: 'GET', path: '/organizations/shop/nodes/web-1', body: '' };
    const answer = await exchange(
      peer,
      { ...call, headers: { ...headers, 'X-Ops-Timestamp': 'yesterday' } },
      new AbortController().signal,
    );
    expect(answer).toMatchObject({ status: 401, text: expect.stringContaining('Synchronize the clock') });
  });

  it('lets a validator make clients that are none, once for each name, and nothing else', async () => {
    const { chef, ask, introduce } = await shop();
    const by = chef.validator;
    const make = (content: object) => ask({ by, method: 'POST', path: '/clients', content });
    expect(await make({ name: 'evil', public_key: publicKey, validator: true })).toMatchObject({ status: 403 });
    expect(await make({ name: 'evil', public_key: 'no key' })).toMatchObject({ status: 400 });
    expect(await make({ name: '../evil', public_key: publicKey })).toMatchObject({ status: 400 });
    expect(await introduce()).toMatchObject({ status: 201 });
    expect(await introduce()).toMatchObject({ status: 409 });
    expect(await ask({ by, method: 'DELETE', path: '/clients/web-1' })).toMatchObject({ status: 403 });
    expect(await ask({ by, method: 'POST', path: '/nodes', content: { name: 'web-1' } })).toMatchObject({
      status: 403,
    });
  });

  it('tells anybody whose key a name has', async () => {
    const { ask, introduce } = await shop();
    await introduce();
    expect(await ask({ by: NODE, path: '/principals/web-1' })).toMatchObject({
      body: { principals: [{ name: 'web-1', type: 'client', public_key: publicKey }] },
    });
    expect(await ask({ by: NODE, path: '/principals/web-2' })).toMatchObject({ body: { not_found: 'principal' } });
    expect(await ask({ by: NODE, path: '/principals/web-1', organization: 'x' })).toMatchObject({
      status: 404,
      body: { not_found: 'org' },
    });
  });

  it('keeps a node object for who made it', async () => {
    const { chef, ask, introduce } = await shop();
    await introduce();
    const content = { name: 'web-1', run_list: [] };
    const save = () => ask({ by: NODE, method: 'PUT', path: '/nodes/web-1', content });
    expect(await ask({ by: chef.admin, method: 'POST', path: '/nodes', content })).toMatchObject({ status: 201 });
    expect(await save()).toMatchObject({ status: 403 });
    expect(await ask({ by: chef.admin, method: 'DELETE', path: '/nodes/web-1' })).toMatchObject({ status: 200 });
    expect(await ask({ by: NODE, method: 'POST', path: '/nodes', content })).toMatchObject({ status: 201 });
    expect(await save()).toMatchObject({ status: 200, body: content });
    expect(await ask({ by: chef.admin, method: 'DELETE', path: '/clients/web-1' })).toMatchObject({ status: 200 });
    expect(await save()).toMatchObject({ status: 401 });
    expect(chef.nodes).toEqual(['web-1']);
  });
});
