/**
 * `npm run bench:servers`: enrolments a second against a real Puppet Server and a real Chef server, beside the same calls
 * made by hand: the fewest that are right, over one TLS session for each node. The two take turns, node by node, so that a
 * server that warms up, or a machine that has something else to do, is the same for both. Then a burst: all nodes at once at
 * the Puppet Server. `npm run servers:install` installs the servers.
 *
 * Exit code 1 when Muster has less than nine tenths of the rate of the calls made by hand, or when the burst takes more than
 * 1.3 attempts for each node.
 */
import { createHash, createPrivateKey, createPublicKey } from 'node:crypto';
import { Agent, request } from 'node:https';
import { setTimeout } from 'node:timers/promises';
import Table from 'cli-table3';
import { program } from 'commander';
import { ServerNotReady } from '../lib/errors.ts';
import { chefInfraServer } from '../services/config-servers/chef-infra/server.ts';
import { signatureHeaders } from '../services/config-servers/chef-infra/signature.ts';
import { connectPuppet } from '../test/support/connect-puppet.ts';
import { WEB } from '../test/support/instance.ts';
import type { ProvedNode } from '../test/support/make-node.ts';
import { chefProfile } from '../test/support/self-managed.ts';
import { startGoiardi } from '../test/support/servers/goiardi.ts';
import { startPuppetServer } from '../test/support/servers/puppet-server.ts';
import { freshKeys, publicKeyPem, RSA_2048 } from '../world/pki/keys.ts';
import * as x509 from '../world/pki/x509.ts';

/** @param agent keeps one TLS session */
type Enrol = (node: ProvedNode, agent: Agent) => Promise<unknown>;

program
  .name('npm run bench:servers --')
  .description('Measures enrolments a second against real Puppet and Chef servers, beside the same calls made by hand.')
  .option('--enrolments <number>', 'how many of each', '200')
  .parse();
const values = program.opts<{ enrolments: string }>();
const enrolments = Number(values.enrolments);
/** Before the clock starts: the server's compiler and its caches. */
const WARM_UP = 20;
const LEAST_SHARE = 0.9;
const MOST_ATTEMPTS = 1.3;
const { signal } = new AbortController();
const keys = await freshKeys();
const publicKey = await publicKeyPem(keys.publicKey);
let serial = 0;

let attempts = 0;
const puppet = await benchPuppet();
const chef = await benchChef();
const rows = [...puppet, ...chef];
const table = new Table({ head: ['', 'enrolments/s', 'p50, ms', 'p95, ms'], style: { head: [], border: [] } });
for (const { name, milliseconds } of rows)
  table.push([
    name,
    rate(milliseconds).toFixed(1),
    at(milliseconds, 0.5).toFixed(1),
    at(milliseconds, 0.95).toFixed(1),
  ]);
console.log(`${enrolments} enrolments each, one after another.\n${table}`);
for (const [muster, byHand] of [puppet, chef]) {
  const share = rate(muster.milliseconds) / rate(byHand.milliseconds);
  console.log(`${muster.name}: ${share.toFixed(2)} of the rate of the calls made by hand.`);
  if (share < LEAST_SHARE) process.exitCode = 1;
}
console.log(`${enrolments} at once at the Puppet Server: all enrolled, in ${attempts} attempts.`);
if (attempts > MOST_ATTEMPTS * enrolments) process.exitCode = 1;

async function benchPuppet() {
  const server = await startPuppetServer();
  const { url, caCertificate: ca, enrol } = server;
  const engine = connectPuppet(server);
  const tls = { ca, cert: enrol.certificate, key: enrol.privateKey };
  const asking =
    (agent: Agent) =>
    (method: string, path: string, body = '', type = 'text/plain') =>
      call(`${url}/puppet-ca/v1/${path}`, { method, headers: { 'content-type': type }, ...tls, agent }, body);
  try {
    const compared = await compare(
      'Puppet Server',
      (node) => engine.associate(node, signal),
      async ({ nodeName, identity }, agent) => {
        const ask = asking(agent);
        await ask('GET', `certificate_status/${nodeName}`);
        await ask('PUT', `certificate_request/${nodeName}`, identity.csr);
        await ask('PUT', `certificate_status/${nodeName}`, '{"desired_state":"signed"}', 'application/json');
        await ask('GET', `certificate/${nodeName}`);
      },
    );
    await burst((node) => engine.associate(node, signal));
    return compared;
  } finally {
    await server.stop();
  }
}

async function benchChef() {
  const server = await startGoiardi();
  try {
    const { associate, secrets } = chefProfile(server);
    const texts = new Map(Object.entries(secrets));
    const engine = chefInfraServer(associate, async (name) => texts.get(name) ?? '');
    const key = createPrivateKey(server.validator.privateKey);
    const of = { method: 'POST', path: '/clients', userId: server.validator.clientName, apiVersion: '1' };
    return await compare(
      'Chef Infra Server',
      (node) => engine.associate(node, signal),
      async ({ nodeName }, agent) => {
        const body = JSON.stringify({ name: nodeName, public_key: publicKey, validator: false });
        const signature = signatureHeaders({ ...of, body, timestamp: new Date() }, key, '1.3');
        const headers = { ...signature, 'X-Ops-Server-API-Version': '1', 'X-Chef-Version': '18.0.0' };
        const types = { Accept: 'application/json', 'Content-Type': 'application/json' };
        const options = { method: 'POST', headers: { ...headers, ...types }, ca: server.certificate, agent };
        await call(`${server.url}/clients`, options, body);
      },
    );
  } finally {
    await server.close();
  }
}

async function compare(server: string, muster: Enrol, byHand: Enrol) {
  const measured = [
    { name: `${server}, Muster`, enrol: muster, milliseconds: [] as number[] },
    { name: `${server}, by hand`, enrol: byHand, milliseconds: [] as number[] },
  ] as const;
  for (let turn = 0; turn < WARM_UP + enrolments; turn++)
    for (const { enrol, milliseconds } of measured) {
      const node = await makeNode();
      const agent = new Agent({ keepAlive: false, maxCachedSessions: 1 });
      const startedAt = performance.now();
      await enrol(node, agent);
      agent.destroy();
      if (turn >= WARM_UP) milliseconds.push(performance.now() - startedAt);
    }
  return measured;
}

/** Enrols all nodes at once. What is not ready is tried again some seconds later, as the state machine does. */
async function burst(enrol: (node: ProvedNode) => Promise<unknown>): Promise<void> {
  const nodes = await Promise.all(Array.from({ length: enrolments }, makeNode));
  await Promise.all(
    nodes.map(async (node) => {
      for (;;) {
        attempts++;
        try {
          return await enrol(node);
        } catch (error) {
          if (!(error instanceof ServerNotReady)) throw error;
          await setTimeout(Math.random() * 40_000);
        }
      }
    }),
  );
}

/** All with one key: prime numbers say nothing about enrolment. */
async function makeNode(): Promise<ProvedNode> {
  const nodeName = `i-0b${(++serial).toString(16).padStart(6, '0')}`;
  const name = [{ CN: [nodeName] }];
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({ name, keys, signingAlgorithm: RSA_2048 });
  const spki = createPublicKey(publicKey).export({ type: 'spki', format: 'der' });
  const publicKeyFingerprint = createHash('sha256').update(spki).digest('hex');
  const identity = { csr: csr.toString('pem'), publicKey, publicKeyFingerprint, document: '', signature: '' };
  return { nodeName, instance: { ...WEB, instanceId: nodeName, nodeName }, identity };
}

/** One call. A 404 is an answer: nothing is there yet. */
function call(url: string, options: object, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request(url, options);
    asked.on('error', reject).on('response', async (response) => {
      let text = '';
      for await (const chunk of response.setEncoding('utf8')) text += chunk;
      const { statusCode = 0 } = response;
      if (statusCode < 400 || statusCode === 404) resolve(text);
      else reject(new Error(`${url} answered ${statusCode}: ${text}`));
    });
    asked.end(body);
  });
}

function rate(milliseconds: readonly number[]): number {
  return (1000 * milliseconds.length) / milliseconds.reduce((sum, one) => sum + one, 0);
}

/** The value below which the share of them lies. */
function at(milliseconds: readonly number[], share: number): number {
  return milliseconds.toSorted((a, b) => a - b)[Math.floor(milliseconds.length * share)] ?? Number.NaN;
}
