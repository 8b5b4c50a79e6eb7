import { createPrivateKey, createPublicKey } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chefInfraServer } from '../../services/config-servers/chef-infra/server.ts';
import { signatureHeaders } from '../../services/config-servers/chef-infra/signature.ts';
import type { Node } from '../../services/config-servers/contract.ts';
import { exchange } from '../../services/config-servers/https.ts';
import { freshKeys, privateKeyPem } from '../../world/pki/keys.ts';
import { selfSigned } from '../../world/pki/self-signed.ts';
import { makeNode, recordedAs } from '../support/make-node.ts';
import { chefProfile } from '../support/self-managed.ts';
import { chefClient } from '../support/servers/chef-client.ts';
import { type Goiardi, startGoiardi } from '../support/servers/goiardi.ts';

const ROUNDS = 20;
const { signal } = new AbortController();

let goiardi: Goiardi;
beforeAll(async () => {
  goiardi = await startGoiardi();
});
afterAll(() => goiardi.close());

/** A server as a warm function has it: every call makes another. */
function engine({ now, ca }: { now?: () => Date; ca?: string } = {}) {
  const { associate, secrets } = chefProfile(goiardi);
  const read = async (name: string) => (name === 'chef/ca' && ca) || secrets[name as keyof typeof secrets];
  return chefInfraServer(associate, read, now && { now });
}

async function enrol(node: Node) {
  const server = engine();
  return server.confirm(node, await server.associate(node, signal), signal);
}

describe('a client that was registered with a real Chef server', () => {
  it('makes, reads and saves its own node, signed by Chef itself, until it is retired', async () => {
    const keys = await freshKeys();
    const node = await makeNode('i-0123456789abcdef0', keys);
    await enrol(node);
    const asNode = chefClient(goiardi, { clientName: node.nodeName, privateKey: await privateKeyPem(keys.privateKey) });
    const path = `/nodes/${node.nodeName}`;
    const content = { name: node.nodeName, chef_type: 'node', json_class: 'Chef::Node', run_list: [] };

    expect(await asNode('GET', path)).toMatchObject({ status: 404 });
    expect(await asNode('POST', '/nodes', content)).toMatchObject({ status: 201 });
    const saved = { ...content, automatic: { platform: 'debian' } };
    expect(await asNode('PUT', path, saved)).toMatchObject({ status: 200 });
    expect(await asNode('GET', path)).toMatchObject({ status: 200, body: { automatic: { platform: 'debian' } } });

    await engine().disassociate(recordedAs(node), async () => {}, signal);
    expect(await asNode('GET', path)).toMatchObject({ status: 401 });
    expect(await chefClient(goiardi, goiardi.admin)('GET', '/nodes')).toMatchObject({ body: {} });
  });

  it('has the key that the node made, and no rights beyond a client’s', async () => {
    const node = await makeNode('i-0123456789abcdef1');
    await enrol(node);
    const { body } = await chefClient(goiardi, goiardi.admin)('GET', `/clients/${node.nodeName}`);
    expect(body).toMatchObject({ admin: false, validator: false });
    const { public_key: key } = body as { public_key: string };
    expect(createPublicKey(key).equals(createPublicKey(node.identity.publicKey))).toBe(true);
  });
});

describe('two that enrol one node at the same moment', () => {
  it('with the same key are both right, and there is one client', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const node = await makeNode(`i-${round.toString(16).padStart(8, '0')}`);
      await Promise.all([enrol(node), enrol(node), enrol(node)]);
    }
    const { body } = await chefClient(goiardi, goiardi.admin)('GET', '/clients');
    expect(Object.keys(body as object).filter((name) => /^i-[0-9a-f]{8}$/.test(name))).toHaveLength(ROUNDS);
  });

  it('with two keys are never both right', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const name = `i-1${round.toString(16).padStart(16, '0')}`;
      const results = await Promise.allSettled([await makeNode(name), await makeNode(name)].map(enrol));
      expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
      expect(results.find(({ status }) => status === 'rejected')).toMatchObject({
        reason: { name: 'AssociationFailed' },
      });
    }
  });
});

describe('a real Chef server', () => {
  it.each([
    ['ahead', 20],
    ['behind', -20],
  ])('whose clock is %s is told from one that does not know the key', async (_, minutes) => {
    const now = () => new Date(Date.now() - minutes * 60_000);
    const node = await makeNode('i-0123456789abcdef2');
    await expect(engine({ now }).associate(node, signal)).rejects.toMatchObject({
      name: 'PermissionDenied',
      message: expect.stringContaining('20 minutes apart'),
    });
  });

  it('with another certificate than the secret’s is told nothing', async () => {
    const { certificate } = await selfSigned();
    const node = await makeNode('i-0123456789abcdef3');
    await expect(engine({ ca: certificate }).associate(node, signal)).rejects.toMatchObject({ name: 'ServerNotFound' });
  });

  it.each(['1.0', '1.1', '1.3'] as const)('knows who signed with version %s', async (version) => {
    const { clientName: userId, privateKey } = goiardi.admin;
    const request = { method: 'GET', path: '/clients', body: '', timestamp: new Date(), userId, apiVersion: '1' };
    const signature = signatureHeaders(request, createPrivateKey(privateKey), version);
    const headers = { ...signature, Accept: 'application/json', 'X-Ops-Server-API-Version': '1' };
    const peer = { url: goiardi.url, ca: goiardi.certificate, timeoutMilliseconds: 5_000 };
    expect(await exchange(peer, { ...request, headers }, signal)).toMatchObject({ status: 200 });
    const forged = { ...headers, 'X-Ops-Userid': 'chef-validator' };
    expect(await exchange(peer, { ...request, headers: forged }, signal)).toMatchObject({ status: 401 });
  });
});
