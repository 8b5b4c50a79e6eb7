import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ENROL, HOST, RETIRE, STRANGER, writeConfiguration } from './puppet-configuration.ts';
import { freePort, mustRun } from './run.ts';

/** A small heap and the quick compiler: up in half the time, with half the memory. */
const JAVA = [
  '-Xms256m',
  '-Xmx256m',
  '-XX:TieredStopAtLevel=1',
  '-XX:+UseSerialGC',
  '-Djruby.lib=/usr/share/jruby/lib',
];
const START_WITHIN_SECONDS = 180;

/** A client certificate: PEM, both. */
export interface Credentials {
  readonly certificate: string;
  readonly privateKey: string;
}

/** A real Puppet Server of this machine's packages, with a CA of its own, in a folder of its own. */
export interface RunningPuppetServer {
  readonly root: string;
  readonly port: number;
  readonly url: string;
  /** The CA's certificates, PEM: the one that signs, and the root. */
  readonly caCertificate: string;
  readonly enrol: Credentials;
  readonly retire: Credentials;
  /** Signed by the CA, allowed nothing. */
  readonly stranger: Credentials;
  /** Makes a client certificate, or revokes one, with Puppet's own commands. */
  generate(certname: string): Promise<Credentials>;
  revoke(certname: string): Promise<void>;
  /** The names of the nodes for which a signed certificate lies in the CA's folder. */
  signedNames(): string[];
  /** How many certificates the CA has ever issued for a name. */
  issued(name: string): number;
  /** SIGHUP: the server closes its port, reads its configuration again, and opens it. */
  reload(): void;
  /** Waits until it answers. */
  ready(): Promise<void>;
  stop(): Promise<void>;
}

/** @throws Error with the server's own log when it does not come up */
export async function startPuppetServer(): Promise<RunningPuppetServer> {
  const root = mkdtempSync(join(tmpdir(), 'muster-puppet-server-'));
  const port = await freePort();
  writeConfiguration(root, port);
  const config = join(root, 'puppet/conf/puppet.conf');
  await mustRun('puppetserver', 'ca', 'setup', '--config', config);
  const logFile = join(root, 'server.log');
  const java = launch(root, logFile);
  const ssl = join(root, 'puppet/conf/ssl');
  const caCertificate = readFileSync(join(ssl, 'certs/ca.pem'), 'utf8');
  const credentialsOf = (name: string): Credentials => ({
    certificate: readFileSync(join(ssl, 'certs', `${name}.pem`), 'utf8'),
    privateKey: readFileSync(join(ssl, 'private_keys', `${name}.pem`), 'utf8'),
  });

  const certify = (command: 'generate' | 'revoke', certnames: string) =>
    mustRun('puppetserver', 'ca', command, '--certname', certnames, '--config', config);

  async function ready(): Promise<void> {
    const giveUpAt = Date.now() + START_WITHIN_SECONDS * 1000;
    while ((await simpleStatus(port, caCertificate)) !== 'running') {
      if (java.exitCode !== null || Date.now() > giveUpAt)
        throw new Error(`Puppet Server does not run:\n${readFileSync(logFile, 'utf8').slice(-4000)}`);
      await sleep(200);
    }
  }

  async function stop(): Promise<void> {
    await terminate(java);
    rmSync(root, { recursive: true, force: true });
  }

  try {
    await ready();
    await certify('generate', [ENROL, RETIRE, STRANGER].join());
  } catch (error) {
    await stop();
    throw error;
  }
  const own = new Set([HOST, ENROL, RETIRE, STRANGER]);
  return {
    ...{ root, port, caCertificate, ready, stop },
    url: `https://${HOST}:${port}`,
    enrol: credentialsOf(ENROL),
    retire: credentialsOf(RETIRE),
    stranger: credentialsOf(STRANGER),
    generate: async (certname) => {
      await certify('generate', certname);
      return credentialsOf(certname);
    },
    revoke: async (certname) => void (await certify('revoke', certname)),
    signedNames: () =>
      readdirSync(join(root, 'puppet/ca/signed'))
        .map((file) => file.replace(/\.pem$/, ''))
        .filter((name) => !own.has(name)),
    // A line of the inventory: serial number, from, until, /CN=name.
    issued: (name) =>
      readFileSync(join(root, 'puppet/ca/inventory.txt'), 'utf8')
        .split('\n')
        .filter((line) => line.endsWith(`/CN=${name}`)).length,
    reload: () => java.kill('SIGHUP'),
  };
}

/** The kernel ends the server with whoever started it, so that nothing is left over even of a test that was killed. */
function launch(root: string, logFile: string): ChildProcess {
  const log = openSync(logFile, 'a');
  const server = ['-jar', '/usr/share/puppetserver/puppetserver.jar', '--config', join(root, 'tk/conf.d')];
  const files = ['--bootstrap-config', join(root, 'tk/services.d'), '--restart-file', join(root, 'restart')];
  const java = spawn('setpriv', ['--pdeathsig', 'KILL', 'java', ...JAVA, ...server, ...files], {
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  return java;
}

async function terminate(java: ChildProcess): Promise<void> {
  if (java.exitCode !== null || java.signalCode !== null) return;
  const ended = once(java, 'exit');
  java.kill('SIGTERM');
  const isSlow = setTimeout(() => java.kill('SIGKILL'), 15_000);
  await ended;
  clearTimeout(isSlow);
}

/** What the server says of itself; undefined while it does not answer. */
function simpleStatus(port: number, ca: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const asked = request({ host: HOST, port, ca, path: '/status/v1/simple', agent: false, timeout: 5_000 });
    asked.on('timeout', () => asked.destroy(new Error('Puppet Server does not answer.')));
    asked.on('error', () => resolve(undefined));
    asked.on('response', async (response) => {
      let text = '';
      for await (const chunk of response.setEncoding('utf8')) text += chunk;
      resolve(text);
    });
    asked.end();
  });
}
