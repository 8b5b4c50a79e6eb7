/** The real agent of Puppet, on disks that have a past. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type Credentials, type RunningPuppetServer, startPuppetServer } from '../support/servers/puppet-server.ts';
import { type Ran, run } from '../support/servers/run.ts';

let puppet: RunningPuppetServer;
beforeAll(async () => {
  puppet = await startPuppetServer();
}, 240_000);
afterAll(() => puppet?.stop());

/** A node's disk, with a key that the CA has certified. Muster's rules take the names of instances from the CA's own commands. */
function disk(name: string, { certificate, privateKey }: Credentials) {
  const root = mkdtempSync(join(tmpdir(), 'muster-past-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  const puppetDir = join(root, 'puppet');
  const ssl = join(puppetDir, 'ssl');
  const key = join(ssl, `private_keys/${name}.pem`);
  mkdirSync(join(ssl, 'private_keys'), { recursive: true });
  writeFileSync(key, privateKey, { mode: 0o644 });
  const folders = ['vardir', 'rundir', 'logdir', 'publicdir'].map((folder) => `${folder} = ${join(root, folder)}`);
  const conf = `[main]\n${folders.join('\n')}\n`;
  writeFileSync(join(puppetDir, 'puppet.conf'), conf);
  /** Without HOME, as the Systems Manager agent may run it. */
  const install = (env: Record<string, string> = {}): Promise<Ran> => {
    const parameters = {
      ...{ NODE_NAME: name, CERTIFICATE: certificate.trim(), CA_CERTIFICATE: puppet.caCertificate.trim() },
      ...{
        SERVER: 'localhost',
        SERVER_PORT: String(puppet.port),
        ENVIRONMENT: '',
        FIRST_RUN: 'wait',
        SERVICE: 'leave',
      },
      ...{ PUPPET_DIR: puppetDir, FIRST_RUN_LOG: join(root, 'log'), PATH: process.env.PATH ?? '', ...env },
    };
    const variables = Object.entries(parameters).map(([variable, value]) => `${variable}=${value}`);
    return run('env', '-i', ...variables, 'sh', 'documents/install-credentials.sh');
  };
  const agent = (...args: string[]) => run('puppet', 'agent', ...args, '--confdir', puppetDir);
  const log = () => readFileSync(join(root, 'log'), 'utf8');
  return { root, puppetDir, ssl, key, conf, install, agent, log };
}

/** A list of revoked certificates by a CA that is gone, and its certificate. */
function earlierCa(): { certificate: string; list: string } {
  const folder = mkdtempSync(join(tmpdir(), 'muster-earlier-'));
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'key', '-out', 'ca', '-subj', '/CN=Earlier');
  writeFileSync(join(folder, 'index'), '');
  writeFileSync(
    join(folder, 'cnf'),
    '[ca]\ndefault_ca=d\n[d]\ndatabase=index\ndefault_md=sha256\ndefault_crl_days=9\n',
  );
  openssl('ca', '-config', 'cnf', '-gencrl', '-keyfile', 'key', '-cert', 'ca', '-out', 'crl');
  return { certificate: readFileSync(join(folder, 'ca'), 'utf8'), list: readFileSync(join(folder, 'crl'), 'utf8') };
}

describe('a real agent on a node with a past', () => {
  it('converges under the right server, whatever its image says', async () => {
    const name = 'past-a';
    const { root, puppetDir, ssl, key, conf, install, agent, log } = disk(name, await puppet.generate(name));
    await agent('--disable', 'by the image');
    const { certificate, list } = earlierCa();
    mkdirSync(join(ssl, 'certs'));
    writeFileSync(join(ssl, 'certs/ca.pem'), certificate);
    writeFileSync(join(ssl, 'crl.pem'), list);
    const outranking =
      'server_list = nowhere.invalid:1\nca_server = nowhere.invalid\nreport_server = nowhere.invalid\n';
    writeFileSync(join(root, 'image.conf'), `\ufeff${conf}server = old\r\n[agent]\n${outranking}hostcrl = /nowhere\n`);
    rmSync(join(puppetDir, 'puppet.conf'));
    symlinkSync('../image.conf', join(puppetDir, 'puppet.conf'));

    const { exitCode, output } = await install();
    expect({ exitCode, output }, log()).toEqual({ exitCode: 0, output: '{"installed":true}\n' });
    expect(log()).toContain(`converged by ${name}`);
    expect(statSync(key).mode & 0o7777).toBe(0o600);
    expect((await agent('--test')).exitCode).toBeOneOf([0, 2]);
    expect((await install()).exitCode).toBe(0);
  });
});
