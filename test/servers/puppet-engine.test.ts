import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Node } from '../../services/config-servers/contract.ts';
import { PuppetCa } from '../../world/services/puppet-ca.ts';
import { describeConfigServer, type Stage } from '../support/config-server-contract.ts';
import { connectPuppet, type Reached } from '../support/connect-puppet.ts';
import { makeNode, recordedAs } from '../support/make-node.ts';
import { type Detour, startDetour } from '../support/servers/detour.ts';
import { converse, makeRequests } from '../support/servers/puppet-conversation.ts';
import { type RunningPuppetServer, startPuppetServer } from '../support/servers/puppet-server.ts';
import { handIn } from '../support/servers/puppet-stranger.ts';
import { mustRun } from '../support/servers/run.ts';

const { signal } = new AbortController();

/** Names that the contract suite does not use. */
const names = (function* () {
  for (let count = 1; ; count++) yield `i-0a${count.toString(16).padStart(6, '0')}`;
})();
const freshNode = () => makeNode(names.next().value);

let puppet: RunningPuppetServer;
let detour: Detour;
let reached: Reached;

beforeAll(async () => {
  puppet = await startPuppetServer();
  detour = await startDetour(puppet.port);
  const { caCertificate, enrol, retire } = puppet;
  reached = { url: `https://localhost:${detour.port}`, caCertificate, enrol, retire };
}, 240_000);

afterAll(async () => {
  await detour?.close();
  await puppet?.stop();
});

describeConfigServer('a real Puppet Server', {
  start: async (): Promise<Stage> => ({
    server: connectPuppet(reached),
    unknownServer: connectPuppet({ ...reached, url: `${reached.url}/elsewhere` }),
    asStranger: async () => connectPuppet({ ...reached, enrol: puppet.stranger, retire: puppet.stranger }),
    makeNode,
    managedNodes: async () => puppet.signedNames(),
    settle: async () => {},
    makeBusy: () => detour.close(),
    makeReady: () => detour.open(),
    // It looks, hands the request in, and signs.
    loseAnswer: async () => detour.loseAnswer(3),
    close: async () => {},
  }),
  notReady: ['ServerNotReady'],
  issuesCertificates: true,
  takesTime: false,
  showsKey: true,
  canBeHopeless: false,
  hasRate: false,
});

describe('a real Puppet Server', () => {
  /** As the state machine does it: what is "not yet" is tried again. Answers how often it had to be. */
  async function enrolPatiently(node: Node): Promise<number> {
    const server = connectPuppet(reached);
    const giveUpAt = Date.now() + 120_000;
    for (let retries = 0; ; retries++) {
      try {
        await server.associate(node, signal);
        return retries;
      } catch (error) {
        if ((error as Error).name !== 'ServerNotReady' || Date.now() > giveUpAt) throw error;
        await sleep(100);
      }
    }
  }

  it('is told that another request stands in the place of the node’s, which is replaced and never signed', async () => {
    const node = await freshNode();
    const squatter = await makeNode(node.nodeName);
    expect(await handIn(puppet, node.nodeName, squatter.identity.csr)).toMatch(/^200/);
    const { certificate } = await connectPuppet(reached).associate(node, signal);
    expect(keyOf(certificate)).toBe(node.identity.publicKey.trim());
    expect(puppet.issued(node.nodeName)).toBe(1);
  });

  it('takes the request from Muster where it takes none from anybody else', async () => {
    const node = await makeNode('i-f0000001');
    expect(await handIn(puppet, node.nodeName, node.identity.csr)).toMatch(/^403/);
    const { certificate } = await connectPuppet(reached).associate(node, signal);
    expect(keyOf(certificate)).toBe(node.identity.publicKey.trim());
  });

  it('issues one certificate to executions that enrol the same node at the same moment', async () => {
    const node = await freshNode();
    await Promise.all(Array.from({ length: 4 }, () => enrolPatiently(node)));
    expect(puppet.issued(node.nodeName)).toBe(1);
  });

  it('issues one certificate whichever of its answers is lost', async () => {
    for (const connection of [1, 2, 3, 4]) {
      const node = await freshNode();
      detour.loseAnswer(connection);
      await enrolPatiently(node);
      expect(puppet.issued(node.nodeName), `with answer ${connection} lost`).toBe(1);
    }
  });

  it('revokes before it deletes, whichever of its answers is lost', async () => {
    for (const connection of [1, 2, 3, 4]) {
      const node = await freshNode();
      const server = connectPuppet(reached);
      const { certificate } = await server.associate(node, signal);
      detour.loseAnswer(connection);
      await server
        .disassociate(recordedAs(node), async () => {}, signal)
        .catch((error: Error) => expect(error.name).toBe('ServerNotReady'));
      await server.disassociate(recordedAs(node), async () => {}, signal);
      expect(puppet.signedNames()).not.toContain(node.nodeName);
      expect(await isRevoked(certificate), `with answer ${connection} lost`).toBe(true);
    }
  });

  it('survives a reload in the middle of enrolments', async () => {
    const nodes = await Promise.all(Array.from({ length: 6 }, freshNode));
    let retries = 0;
    for (const [index, node] of nodes.entries()) {
      if (index === 2) puppet.reload();
      retries += await enrolPatiently(node);
    }
    await puppet.ready();
    expect(retries).toBeGreaterThan(0);
    expect(nodes.map(({ nodeName }) => puppet.issued(nodeName))).toEqual(nodes.map(() => 1));
  });

  it('lets a revoked credential do nothing more', async () => {
    const { certificate, privateKey } = await puppet.generate('short-lived');
    await puppet.revoke('short-lived');
    const server = connectPuppet({ ...reached, enrol: { certificate, privateKey } });
    const node = await freshNode();
    const refusal = () => server.associate(node, signal).catch((error: Error) => `${error.name}: ${error.message}`);
    // It looks for a new revocation list every second or so.
    await expect
      .poll(refusal, { timeout: 20_000 })
      .toMatch(/^PermissionDenied: .* does not accept the certificate of short-lived/);
  });

  it('takes nothing for a name that its auth.conf does not give to Muster, and says so', async () => {
    const refused = connectPuppet(reached).associate(await makeNode('localhost'), signal);
    await expect(refused).rejects.toMatchObject({
      name: 'PermissionDenied',
      message: expect.stringMatching(/muster-enrol GET .*certificate_status\/localhost.*auth\.conf/),
    });
  });

  it('answers as its double does', async () => {
    const double = await PuppetCa.start();
    const requests = await makeRequests();
    const answers = await converse(double, requests).finally(() => double.close());
    expect(answers).toEqual(await converse(puppet, requests));
  });

  /** By the revocation list that the CA hands to everybody. */
  async function isRevoked(certificate: string | null): Promise<boolean> {
    const { serialNumber } = new X509Certificate(certificate ?? '');
    const list = await mustRun('openssl', 'crl', '-in', join(puppet.root, 'puppet/ca/ca_crl.pem'), '-noout', '-text');
    return new RegExp(`Serial Number: 0*${serialNumber.replace(/^0+/, '')}\\b`, 'i').test(list);
  }
});

function keyOf(certificate: string | null): string {
  const { publicKey } = new X509Certificate(certificate ?? '');
  return String(publicKey.export({ type: 'spki', format: 'pem' })).trim();
}
