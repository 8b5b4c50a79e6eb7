import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, exchange } from '../../../services/config-servers/https.ts';
import { selfSigned } from '../../../world/pki/self-signed.ts';
import { freePort } from './run.ts';

const HOST = '127.0.0.1';
const START_WITHIN_SECONDS = 30;

/** Writes its data to disk every second where they have changed, so that they outlive a restart. */
const FREEZE_SECONDS = 1;

/** A real Chef server of this machine's packages, with data of its own, in a folder of its own. It has no organizations. */
export interface Goiardi {
  readonly url: string;
  /** Its own, PEM. */
  readonly certificate: string;
  readonly validator: { readonly clientName: string; readonly privateKey: string };
  readonly admin: { readonly clientName: string; readonly privateKey: string };
  /** Ends the process and keeps the data, until `restart`. */
  stop(): Promise<void>;
  restart(): Promise<void>;
  /** Ends the process and removes everything. */
  close(): Promise<void>;
}

/** @throws Error with the server's own log when it does not come up */
export async function startGoiardi(): Promise<Goiardi> {
  const root = mkdtempSync(join(tmpdir(), 'muster-goiardi-'));
  const port = await freePort();
  const { certificate, privateKey } = await selfSigned();
  writeFileSync(join(root, 'server.crt'), certificate);
  writeFileSync(join(root, 'server.key'), privateKey, { mode: 0o600 });
  const peer = { url: `https://${HOST}:${port}`, ca: certificate, timeoutMilliseconds: 2_000 };
  let server = launch(root, port);

  async function ready(): Promise<void> {
    const giveUpAt = Date.now() + START_WITHIN_SECONDS * 1000;
    while (!(await ask(peer))) {
      if (server.exitCode !== null || Date.now() > giveUpAt)
        throw new Error(`goiardi does not run:\n${readFileSync(join(root, 'server.log'), 'utf8').slice(-4000)}`);
      await sleep(50);
    }
  }

  async function close(): Promise<void> {
    await terminate(server);
    rmSync(root, { recursive: true, force: true });
  }

  try {
    await ready();
  } catch (error) {
    await close();
    throw error;
  }
  return {
    ...{ url: peer.url, certificate, close },
    validator: credentials(root, 'chef-validator'),
    admin: credentials(root, 'admin'),
    stop: () => terminate(server),
    restart: async () => {
      server = launch(root, port);
      await ready();
    },
  };
}

/** The kernel ends the server with whoever started it, so that nothing is left over even of a test that was killed. */
function launch(root: string, port: number): ChildProcess {
  const log = openSync(join(root, 'server.log'), 'a');
  const place = ['-I', HOST, '-H', 'localhost', '-P', String(port), '--conf-root', root];
  const tls = ['--use-ssl', '--ssl-cert', 'server.crt', '--ssl-key', 'server.key'];
  const data = ['-i', join(root, 'index.bin'), '-D', join(root, 'data.bin'), '-F', String(FREEZE_SECONDS)];
  const files = ['--local-filestore-dir', root];
  const options = ['--use-auth', '--disable-webui', ...place, ...tls, ...data, ...files];
  const server = spawn('setpriv', ['--pdeathsig', 'KILL', 'goiardi', ...options], { stdio: ['ignore', log, log] });
  closeSync(log);
  return server;
}

async function terminate(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const ended = once(server, 'exit');
  server.kill('SIGTERM');
  const isSlow = setTimeout(() => server.kill('SIGKILL'), 10_000);
  await ended;
  clearTimeout(isSlow);
}

/** Its answer to anything; undefined while it does not give one. */
function ask(peer: Parameters<typeof exchange>[0]): Promise<Answer | undefined> {
  const call = { method: 'GET', path: '/principals/admin', headers: {}, body: '' };
  return exchange(peer, call, new AbortController().signal).then(
    (answer) => (answer.status === 200 ? answer : undefined),
    () => undefined,
  );
}

/** The keys that it made for itself when it first started. */
function credentials(root: string, clientName: string) {
  return { clientName, privateKey: readFileSync(join(root, `${clientName}.pem`), 'utf8') };
}
