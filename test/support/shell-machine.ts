import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { it, onTestFinished } from 'vitest';
import { parse } from 'yaml';
import type { Instance } from '../../lib/instance.ts';
import { keysOf } from '../../services/identity/certificates.ts';
import { IdentitySigner } from '../../world/machines/identity.ts';

/** The scripts run in this machine's own shell, with its openssl, against a metadata service on loopback. */
const root = fileURLToPath(new URL('../../', import.meta.url));
const { Resources } = parse(readFileSync(join(root, 'resources/documents.yml'), 'utf8'));
export const collect = Resources.CollectIdentityDocument.Properties.Content;
export const install = Resources.InstallCredentialsDocument.Properties.Content;
export const installChef = Resources.InstallChefDocument.Properties.Content;

export const IDENTITY = {
  accountId: '123456789012',
  region: 'eu-west-1',
  instanceId: 'i-0123456789abcdef0',
  pendingTime: '2030-01-02T03:04:05Z',
  note: 'a\\b\t"c"',
};
export const INSTANCE = {
  ...IDENTITY,
  platform: 'ec2',
  nodeName: IDENTITY.instanceId,
  launchTime: IDENTITY.pendingTime,
} as unknown as Instance;
const SIGNER = await IdentitySigner.create(new Date());
const { document: DOCUMENT, signature, rsa2048 } = await SIGNER.sign(JSON.stringify(IDENTITY, null, 2));
export const SIGNATURE = signature;
export const POLICY = {
  keys: keysOf({ [IDENTITY.region]: SIGNER.certificatePem }),
  now: new Date().toISOString(),
  onlyRsa: true,
  accountId: IDENTITY.accountId,
};

/** A script as Systems Manager runs it: the parameters are written into its text. */
function scriptOf(content: typeof collect, parameters: Record<string, string>): string {
  const lines: string[] = content.mainSteps[0].inputs.runCommand.map((line: string) =>
    line.replace(/^\$\{file\((.+)\)\}$/, (_, file: string) => readFileSync(join(root, file), 'utf8')),
  );
  return lines.join('\n').replace(/\{\{ (\w+) \}\}/g, (_, name: string) => parameters[name] ?? '');
}

interface Machine {
  folder: string;
  puppetDir: string;
  chefDir: string;
  run: (content: typeof collect, parameters: Record<string, string>, path?: string) => Promise<Ended>;
}

/** The shells that a node's /bin/sh may be. */
export const SHELLS = { dash: ['/bin/dash'], bash: ['/bin/bash', '--norc'], busybox: ['/bin/busybox', 'sh'] } as const;
export type Shell = keyof typeof SHELLS;

export interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

interface MachineOptions {
  readonly hasPuppet?: boolean;
  /** How many requests the metadata service refuses first, for its rate. */
  readonly refusals?: number;
  readonly shell?: readonly string[];
  /** Further variables of the scripts' environment. */
  readonly env?: Readonly<Record<string, string>>;
}

export async function machine({
  hasPuppet = true,
  refusals = 0,
  shell: [program = '', ...applet] = ['/bin/sh'],
  env = {},
}: MachineOptions = {}): Promise<Machine> {
  const folder = mkdtempSync(join(tmpdir(), 'muster-node-'));
  const [puppetDir, chefDir] = [join(folder, 'puppet'), join(folder, 'chef')];
  if (hasPuppet) mkdirSync(puppetDir);
  const IMDS = await metadataService(refusals);
  const run: Machine['run'] = (content, parameters, PATH = process.env.PATH ?? '') =>
    promisify(execFile)(program, [...applet, '-c', scriptOf(content, parameters)], {
      env: {
        ...{ PATH, IMDS, PUPPET_DIR: puppetDir, CHEF_DIR: chefDir, FIRST_RUN_LOG: join(folder, 'first-run.log') },
        ...{ ETC: join(folder, 'etc'), ...env },
      },
    }).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      (error: Ended) => error,
    );
  return { folder, puppetDir, chefDir, run };
}

/** Answers only who brings the token that it gave: IMDSv2. */
async function metadataService(refusals: number): Promise<string> {
  let left = refusals;
  const pages: Record<string, string> = {
    '/latest/dynamic/instance-identity/document': DOCUMENT,
    '/latest/dynamic/instance-identity/signature': SIGNATURE,
    '/latest/dynamic/instance-identity/rsa2048': rsa2048,
  };
  const server = createServer((request, response) => {
    if (left-- > 0) return void response.writeHead(503).end();
    const hasToken = request.headers['x-aws-ec2-metadata-token'] === 'the-token';
    if (request.method === 'PUT' && request.url === '/latest/api/token') response.end('the-token');
    else if (hasToken && request.url && pages[request.url]) response.end(pages[request.url]);
    else response.writeHead(401).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

export const NodeName = INSTANCE.nodeName;

export const has = (tool: string) => spawnSync('/bin/sh', ['-c', `command -v ${tool}`]).status === 0;
/** A machine with Node alone runs every other test; what a node's image brings is needed for these. */
export const itWithTools = it.runIf(['openssl', 'curl', 'awk'].every(has));

/** What CollectIdentity is sent. */
export const identify = { NodeName, Agent: 'any' };

/** A CA, and its certificate for the key at `keyFile`. */
export function certify(keyFile: string) {
  const folder = mkdtempSync(join(tmpdir(), 'muster-ca-'));
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' }).toString();
  openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=CA');
  openssl('req', '-new', '-key', keyFile, '-subj', `/CN=${NodeName}`, '-out', 'node.csr');
  openssl(
    'x509',
    '-req',
    '-in',
    'node.csr',
    '-CA',
    'ca.pem',
    '-CAkey',
    'ca.key',
    '-CAcreateserial',
    '-out',
    'node.pem',
  );
  const read = (file: string) => readFileSync(join(folder, file), 'utf8');
  return {
    ...{ NodeName, Certificate: read('node.pem'), CaCertificate: read('ca.pem') },
    ...{ Server: '', ServerPort: '', Environment: '', FirstRun: 'none' },
  };
}

/** A machine whose key is made. */
export async function collected() {
  const own = await machine();
  await own.run(collect, identify);
  const key = join(own.puppetDir, `ssl/private_keys/${NodeName}.pem`);
  const certs = join(own.puppetDir, 'ssl/certs');
  return { ...own, key, certs };
}
