import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parse } from 'yaml';
import type { Instance } from '../../../lib/state.ts';
import { readIdentity } from '../../../services/identity.ts';

/** The scripts run in this machine's own shell, with its openssl, against a metadata service on loopback. */
const root = fileURLToPath(new URL('../../../', import.meta.url));
const { Resources } = parse(readFileSync(join(root, 'resources/documents.yml'), 'utf8'));
const collect = Resources.CollectIdentityDocument.Properties.Content;
const install = Resources.InstallCredentialsDocument.Properties.Content;

const IDENTITY = {
  accountId: '123456789012',
  region: 'eu-west-1',
  instanceId: 'i-0123456789abcdef0',
  note: 'a\\b\t"c"',
};
const INSTANCE = { ...IDENTITY, nodeName: IDENTITY.instanceId } as unknown as Instance;
const SIGNATURE = 'MIICiTCCAfICCQD6m7oRw0uXOjANBgkqhkiG9w0BAQUFADCBiDELMAkGA1UEBhMC\nVVMxCzAJBgNVBAgTAldB';

/** A script as Systems Manager runs it: the parameters are written into its text. */
function scriptOf(content: typeof collect, parameters: Record<string, string>): string {
  const lines: string[] = content.mainSteps[0].inputs.runCommand.map((line: string) =>
    line.replace(/^\$\{file\((.+)\)\}$/, (_, file: string) => readFileSync(join(root, file), 'utf8')),
  );
  return lines.join('\n').replace(/\{\{ (\w+) \}\}/g, (_, name: string) => parameters[name] ?? '');
}

interface Machine {
  puppetDir: string;
  chefDir: string;
  run: (content: typeof collect, parameters: Record<string, string>, path?: string) => Promise<Ended>;
}
interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

async function machine({ hasPuppet = true } = {}): Promise<Machine> {
  const folder = mkdtempSync(join(tmpdir(), 'muster-node-'));
  const [puppetDir, chefDir] = [join(folder, 'puppet'), join(folder, 'chef')];
  if (hasPuppet) mkdirSync(puppetDir);
  const IMDS = await metadataService();
  const run: Machine['run'] = (content, parameters, PATH = process.env.PATH ?? '') =>
    promisify(execFile)('/bin/sh', ['-c', scriptOf(content, parameters)], {
      env: { PATH, IMDS, PUPPET_DIR: puppetDir, CHEF_DIR: chefDir },
    }).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      (error: Ended) => error,
    );
  return { puppetDir, chefDir, run };
}

/** Answers only who brings the token that it gave: IMDSv2. */
async function metadataService(): Promise<string> {
  const pages: Record<string, string> = {
    '/latest/dynamic/instance-identity/document': JSON.stringify(IDENTITY, null, 2),
    '/latest/dynamic/instance-identity/signature': SIGNATURE,
  };
  const server = createServer((request, response) => {
    const hasToken = request.headers['x-aws-ec2-metadata-token'] === 'the-token';
    if (request.method === 'PUT' && request.url === '/latest/api/token') response.end('the-token');
    else if (hasToken && request.url && pages[request.url]) response.end(pages[request.url]);
    else response.writeHead(401).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const NodeName = INSTANCE.nodeName;

const has = (tool: string) => spawnSync('/bin/sh', ['-c', `command -v ${tool}`]).status === 0;
/** A machine with Node alone runs every other test; what a node's image brings is needed for these. */
const itWithTools = it.runIf(['openssl', 'curl', 'awk'].every(has));

describe('Muster-CollectIdentity', () => {
  itWithTools('prints one line that enrolment takes as the identity of the node', async () => {
    const { run } = await machine();
    const { stdout, stderr } = await run(collect, { NodeName });
    expect(stderr).toBe('');
    expect(stdout.trimEnd().split('\n')).toHaveLength(1);
    const identity = await readIdentity(stdout, INSTANCE);
    expect(JSON.parse(identity.document)).toEqual(IDENTITY);
    expect(identity.signature).toBe(SIGNATURE);
  });

  itWithTools('keeps the key that is there, and keeps it to root', async () => {
    const { run, puppetDir } = await machine();
    const first = await run(collect, { NodeName });
    const key = join(puppetDir, `ssl/private_keys/${NodeName}.pem`);
    expect(statSync(key).mode & 0o777).toBe(0o600);
    expect((await run(collect, { NodeName })).stdout).toBe(first.stdout);
  });

  itWithTools('agrees on one key when two commands run at once', async () => {
    const { run, puppetDir } = await machine();
    const [one, other] = await Promise.all([run(collect, { NodeName }), run(collect, { NodeName })]);
    expect(one.stdout).toBe(other.stdout);
    expect(readdirSync(join(puppetDir, 'ssl/private_keys'))).toEqual([`${NodeName}.pem`]);
  });

  itWithTools("uses Chef's key where Puppet's agent is not installed", async () => {
    const { run, chefDir } = await machine({ hasPuppet: false });
    expect((await run(collect, { NodeName })).code).toBe(0);
    expect(existsSync(join(chefDir, 'client.pem'))).toBe(true);
  });

  it('says what the image lacks', async () => {
    const { run } = await machine();
    expect(await run(collect, { NodeName }, '/nowhere')).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining(`${NodeName} has no openssl`),
    });
  });

  it('takes only names in which a shell finds nothing to do', () => {
    const allowed = new RegExp(collect.parameters.NodeName.allowedPattern);
    for (const name of [NodeName, 'web-1', 'web.example_1', 'a']) expect(name).toMatch(allowed);
    fc.assert(
      fc.property(
        fc.string(),
        fc.constantFrom("'", '"', '$', '`', '\\', '\n', ';', ' ', '/'),
        fc.string(),
        (a, bad, b) => {
          expect(`${a}${bad}${b}`).not.toMatch(allowed);
        },
      ),
    );
  });
});

describe('Muster-InstallCredentials', () => {
  /** A CA, and its certificate for the key at `keyFile`. */
  function certify(keyFile: string) {
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
    return { NodeName, Certificate: read('node.pem'), CaCertificate: read('ca.pem') };
  }

  async function collected() {
    const own = await machine();
    await own.run(collect, { NodeName });
    const key = join(own.puppetDir, `ssl/private_keys/${NodeName}.pem`);
    const certs = join(own.puppetDir, 'ssl/certs');
    return { ...own, key, certs };
  }

  itWithTools("gives Puppet's agent its certificate and its CA, and may run again", async () => {
    const { run, key, certs } = await collected();
    const parameters = certify(key);
    expect(await run(install, parameters)).toEqual({ code: 0, stdout: '{"installed":true}\n', stderr: '' });
    expect(await run(install, parameters)).toMatchObject({ code: 0 });
    expect(readdirSync(certs).sort()).toEqual(['ca.pem', `${NodeName}.pem`]);
    expect(readFileSync(join(certs, `${NodeName}.pem`), 'utf8').trim()).toBe(parameters.Certificate.trim());
    expect(statSync(join(certs, `${NodeName}.pem`)).mode & 0o777).toBe(0o644);
  });

  itWithTools.each([
    ['a certificate for another key', 'is not for the key'],
    ['a certificate by another CA', 'is not signed by the CA certificate'],
    ['no certificate', 'cannot be read'],
  ])('refuses %s, with nothing changed', async (what, sentence) => {
    const { run, key, certs } = await collected();
    const right = certify(key);
    const wrong = {
      'a certificate for another key': certify((await collected()).key),
      'a certificate by another CA': { ...right, CaCertificate: certify(key).CaCertificate },
      'no certificate': { ...right, Certificate: 'nonsense' },
    }[what];
    const ended = await run(install, wrong ?? {});
    expect(ended).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining(sentence) });
    expect(readdirSync(certs)).toEqual([]);
  });

  it('says when the identity was never collected', async () => {
    const { run } = await machine();
    const parameters = { NodeName, Certificate: '', CaCertificate: '' };
    expect(await run(install, parameters)).toMatchObject({ code: 1, stderr: expect.stringContaining('has no key') });
  });

  itWithTools('takes PEM, several blocks of it, and nothing else', async () => {
    const { key } = await collected();
    const { Certificate, CaCertificate } = certify(key);
    const allowed = new RegExp(install.parameters.Certificate.allowedPattern);
    for (const pem of [Certificate, `${Certificate}${CaCertificate}`, Certificate.replaceAll('\n', '\r\n')])
      expect(pem).toMatch(allowed);
    for (const text of ['', `${Certificate}'; reboot; '`, Certificate.replace('BEGIN', "BEGIN'"), "'"])
      expect(text).not.toMatch(allowed);
  });
});
