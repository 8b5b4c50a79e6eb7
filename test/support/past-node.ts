/** A node whose disk has a past, and what its agent is to have in the end. */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type Ended, has, machine, NodeName, SHELLS, type Shell } from './shell-machine.ts';

const shells = (Object.keys(SHELLS) as Shell[]).filter((shell) => has(SHELLS[shell][0]));
/** Obstacles need root, and what a node's image brings. */
export const canRun = ['openssl', 'curl', 'awk'].every(has) && process.getuid?.() === 0;
/** A key, its certificate and a list of revoked ones that serve all nodes here. Elliptic curves take no time. */
export const pki = mkdtempSync(join(tmpdir(), 'muster-pki-'));
export const keyFile = join(pki, 'node.key');
/** What Muster-InstallCredentials is sent for it. */
export const sent: Readonly<Record<string, string>> = canRun ? certified() : {};

function certified() {
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: pki, stdio: 'pipe' });
  for (const name of ['ca', 'node'])
    openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', `${name}.key`);
  openssl('req', '-x509', '-key', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=CA', '-days', '9');
  openssl('req', '-new', '-key', 'node.key', '-subj', `/CN=${NodeName}`, '-out', 'node.csr');
  openssl(
    'x509',
    '-req',
    '-in',
    'node.csr',
    '-CA',
    'ca.pem',
    '-CAkey',
    'ca.key',
    '-set_serial',
    '2',
    '-out',
    'node.pem',
  );
  writeFileSync(join(pki, 'index'), '');
  writeFileSync(join(pki, 'cnf'), '[ca]\ndefault_ca=d\n[d]\ndatabase=index\ndefault_md=sha256\ndefault_crl_days=9\n');
  openssl('ca', '-config', 'cnf', '-gencrl', '-keyfile', 'ca.key', '-cert', 'ca.pem', '-out', 'crl.pem');
  return {
    ...{ NodeName, Server: 'puppet.example', ServerPort: '8140', Environment: 'staging' },
    ...{ FirstRun: 'none', Service: 'leave' },
    Certificate: readFileSync(join(pki, 'node.pem'), 'utf8').trim(),
    CaCertificate: readFileSync(join(pki, 'ca.pem'), 'utf8').trim(),
  };
}

/** A node's disk. */
export interface Disk {
  readonly folder: string;
  readonly puppetDir: string;
  readonly ssl: string;
  readonly conf: string;
  readonly key: string;
}

export async function node(shell: Shell) {
  const own = await machine({ shell: SHELLS[shell] });
  const ssl = join(own.puppetDir, 'ssl');
  const key = join(ssl, 'private_keys', `${NodeName}.pem`);
  mkdirSync(join(ssl, 'private_keys'), { recursive: true });
  copyFileSync(keyFile, key);
  chmodSync(key, 0o600);
  return {
    ...own,
    disk: { folder: own.folder, puppetDir: own.puppetDir, ssl, conf: join(own.puppetDir, 'puppet.conf'), key },
  };
}

/** The value that Puppet's agent takes: of [agent], else of [main]; within a section the first. */
function effective(conf: string, name: string): string | undefined {
  let section = 'main';
  const values = new Map<string, string>();
  for (const line of readFileSync(conf, 'utf8').split(/\r?\n/)) {
    section = /^\s*\[(\w+)\]\s*$/.exec(line)?.[1] ?? section;
    const [, setting, value = ''] = /^\s*(\w+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (setting === name && !values.has(section)) values.set(section, value);
  }
  return values.get('agent') ?? values.get('main');
}

export function expectInstalled({ ssl, conf, key }: Disk, ended: Ended): void {
  expect({ ...ended, message: undefined }).toMatchObject({ code: 0, stdout: '{"installed":true}\n', stderr: '' });
  expect(readFileSync(join(ssl, `certs/${NodeName}.pem`), 'utf8').trim()).toBe(sent.Certificate?.trim());
  expect(readFileSync(join(ssl, 'certs/ca.pem'), 'utf8').trim()).toBe(sent.CaCertificate?.trim());
  expect(statSync(key).mode & 0o7777).toBe(0o600);
  expect(effective(conf, 'server')).toBe('puppet.example');
  expect(effective(conf, 'certname')).toBe(NodeName);
  expect(effective(conf, 'ssldir')).toBe(ssl);
  for (const name of ['server_list', 'ca_server', 'report_server', 'use_srv_records', 'hostcert', 'localcacert'])
    expect(effective(conf, name)).toBeUndefined();
  const left = execFileSync('find', [ssl, '-name', '.muster*'], { encoding: 'utf8' });
  expect(left).toBe('');
}

/** One obstacle in each shell, or each in one of them, by turns. */
export function playedIn(isEach: boolean) {
  return <const Row extends readonly [string, ...unknown[]]>(rows: readonly Row[]): [...Row, Shell][] =>
    rows.flatMap((row, index) => {
      const chosen = isEach ? shells : shells.slice(index % shells.length).slice(0, 1);
      return chosen.map((shell): [...Row, Shell] => [...row, shell]);
    });
}
