import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import {
  certify,
  collect,
  collected,
  has,
  install,
  installChef,
  itWithTools,
  machine,
  NodeName,
} from '../../support/shell-machine.ts';

/** A program that notes how it was called, and ends with `exitCode`. */
function fakeAgent(folder: string, name: string, exitCode = 0): { path: string; calls: () => string[] } {
  const bin = join(folder, 'bin');
  mkdirSync(bin, { recursive: true });
  const log = join(folder, 'calls');
  writeFileSync(join(bin, name), `#!/bin/sh\necho "$@" >>'${log}'\nexit ${exitCode}\n`, { mode: 0o755 });
  const calls = () => (existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : []);
  return { path: `${bin}:${process.env.PATH}`, calls };
}

/** Until a program that nobody waits for has run. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}

describe('Muster-InstallCredentials, with a server', () => {
  async function puppetNode(conf?: string) {
    const own = await collected();
    if (conf !== undefined) writeFileSync(join(own.puppetDir, 'puppet.conf'), conf);
    const server = { Server: 'puppet.example', ServerPort: '8140', Environment: 'staging' };
    const ours = [
      ...['server = puppet.example', 'serverport = 8140', `certname = ${NodeName}`],
      ...[`ssldir = ${join(own.puppetDir, 'ssl')}`, 'environment = staging'],
    ];
    const written = () => readFileSync(join(own.puppetDir, 'puppet.conf'), 'utf8').trimEnd().split('\n');
    return { ...own, conf: written, ours, parameters: { ...certify(own.key), ...server } };
  }

  itWithTools('tells the agent its server, its name and its environment', async () => {
    const { run, parameters, conf, ours } = await puppetNode();
    expect(await run(install, parameters)).toEqual({ code: 0, stdout: '{"installed":true}\n', stderr: '' });
    expect(conf()).toEqual(['[main]', ...ours]);
    await run(install, parameters);
    expect(conf()).toEqual(['[main]', ...ours]);
  });

  itWithTools('leaves what the image says of anything else', async () => {
    const before =
      '# server = a comment\n[server]\nenvironment = theirs\n[main]\n  server=old\nruninterval = 30m\n[agent]\ncertname = other\nreport = true\n';
    const { run, parameters, conf, ours } = await puppetNode(before);
    await run(install, parameters);
    expect(conf()).toEqual([
      ...['# server = a comment', '[server]', 'environment = theirs', '[main]', ...ours, 'runinterval = 30m'],
      ...['[agent]', 'report = true'],
    ]);
  });

  itWithTools('leaves puppet.conf alone where it is told no server', async () => {
    const { run, puppetDir, parameters } = await puppetNode();
    await run(install, { ...parameters, Server: '', Environment: '' });
    expect(existsSync(join(puppetDir, 'puppet.conf'))).toBe(false);
  });

  itWithTools.each([0, 2])('waits for a first run, and takes exit code %d for success', async (exitCode) => {
    const { run, folder, puppetDir, parameters } = await puppetNode();
    const { path, calls } = fakeAgent(folder, 'puppet', exitCode);
    expect(await run(install, { ...parameters, FirstRun: 'wait' }, path)).toMatchObject({ code: 0 });
    expect(calls()).toEqual([`agent --test --confdir ${puppetDir}`]);
  });

  itWithTools.each([1, 4, 6])('fails by a first run that ends with exit code %d', async (exitCode) => {
    const { run, folder, parameters } = await puppetNode();
    const { path } = fakeAgent(folder, 'puppet', exitCode);
    expect(await run(install, { ...parameters, FirstRun: 'wait' }, path)).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining(`ended with exit code ${exitCode}; `),
    });
  });

  itWithTools('starts a first run without waiting for it', async () => {
    const { run, folder, parameters } = await puppetNode();
    const { path, calls } = fakeAgent(folder, 'puppet', 1);
    expect(await run(install, { ...parameters, FirstRun: 'start' }, path)).toMatchObject({ code: 0 });
    await until(() => calls().length === 1);
  });
});

describe('Muster-InstallChef', () => {
  const server = {
    ...{ NodeName, ServerUrl: 'https://chef.example/organizations/shop', TrustedCertificates: '' },
    ...{ RunList: '', PolicyName: '', PolicyGroup: '', Environment: '', FirstRun: 'none' },
  };

  async function chefNode() {
    const own = await machine({ hasPuppet: false });
    await own.run(collect, { NodeName, Agent: 'chef' });
    const read = (file: string) => readFileSync(join(own.chefDir, file), 'utf8');
    return { ...own, read };
  }

  itWithTools('tells the client its server, its name and its key, and may run again', async () => {
    const { run, chefDir, read } = await chefNode();
    for (const _ of ['once', 'twice'])
      expect(await run(installChef, server)).toEqual({ code: 0, stdout: '{"installed":true}\n', stderr: '' });
    expect(read('client.rb').trimEnd().split('\n').slice(1)).toEqual([
      "chef_server_url 'https://chef.example/organizations/shop'",
      `node_name '${NodeName}'`,
      `client_key '${chefDir}/client.pem'`,
      `trusted_certs_dir '${chefDir}/trusted_certs'`,
      'ssl_verify_mode :verify_peer',
    ]);
    expect(readdirSync(chefDir).sort()).toEqual(['client.pem', 'client.rb', 'trusted_certs']);
  });

  itWithTools('has a run list converged by the first run', async () => {
    const { run, folder, chefDir, read } = await chefNode();
    const { path, calls } = fakeAgent(folder, 'chef-client');
    const parameters = { ...server, RunList: 'recipe[web::default],role[db]', Environment: 'prod', FirstRun: 'wait' };
    expect(await run(installChef, parameters, path)).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(read('first-run.json'))).toEqual({ run_list: ['recipe[web::default]', 'role[db]'] });
    expect(calls()).toEqual([`--config ${chefDir}/client.rb --json-attributes ${chefDir}/first-run.json`]);
    expect(read('client.rb')).toContain("environment 'prod'\n");
  });

  itWithTools('has a policy converged', async () => {
    const { run, folder, chefDir, read } = await chefNode();
    const { path, calls } = fakeAgent(folder, 'chef-client');
    await run(installChef, { ...server, PolicyName: 'web', PolicyGroup: 'prod', FirstRun: 'wait' }, path);
    expect(read('client.rb')).toContain("policy_name 'web'\npolicy_group 'prod'\n");
    expect(calls()).toEqual([`--config ${chefDir}/client.rb`]);
  });

  itWithTools('trusts each certificate that it is sent, and no longer the ones before', async () => {
    const { run, read, chefDir } = await chefNode();
    const { Certificate, CaCertificate } = certify(join(chefDir, 'client.pem'));
    await run(installChef, { ...server, TrustedCertificates: `${Certificate}${CaCertificate}` });
    expect(readdirSync(join(chefDir, 'trusted_certs'))).toEqual(['muster-1.crt', 'muster-2.crt']);
    expect(read('trusted_certs/muster-2.crt').trim()).toBe(CaCertificate.trim());
    await run(installChef, { ...server, TrustedCertificates: CaCertificate });
    expect(readdirSync(join(chefDir, 'trusted_certs'))).toEqual(['muster-1.crt']);
    expect(read('trusted_certs/muster-1.crt').trim()).toBe(CaCertificate.trim());
  });

  itWithTools('keeps a client.rb that was there before', async () => {
    const { run, read, chefDir } = await chefNode();
    writeFileSync(join(chefDir, 'client.rb'), 'log_level :info\n');
    for (const _ of ['once', 'twice']) await run(installChef, server);
    expect(read('client.rb.before-muster')).toBe('log_level :info\n');
    expect(read('client.rb')).toContain('chef_server_url');
  });

  itWithTools('fails by a first run that fails', async () => {
    const { run, folder } = await chefNode();
    const { path } = fakeAgent(folder, 'chef-client', 1);
    expect(await run(installChef, { ...server, FirstRun: 'wait' }, path)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('ended with exit code 1; '),
    });
  });

  it('says when the identity was never collected', async () => {
    const { run } = await machine({ hasPuppet: false });
    expect(await run(installChef, server)).toMatchObject({ code: 1, stderr: expect.stringContaining('has no key') });
  });

  it('takes only text in which a shell finds nothing to do', () => {
    const { parameters } = installChef as { parameters: Record<string, { allowedPattern: string }> };
    for (const [name, { allowedPattern }] of Object.entries(parameters))
      for (const text of ["a'b", 'a"b', 'a`b', 'a$b', 'a\\b', 'a;b', 'a b', 'a\nb'])
        expect(text, name).not.toMatch(new RegExp(allowedPattern));
    expect('recipe[web::default],role[db],recipe[a@1.2.3]').toMatch(
      new RegExp(parameters.RunList?.allowedPattern ?? ''),
    );
  });
});

describe('the scripts', () => {
  it.runIf(has('shellcheck')).each(readdirSync('documents'))(
    'documents/%s is what shellcheck asks for',
    async (file) => {
      const run = promisify(execFile)('shellcheck', ['--shell=sh', join('documents', file)]);
      await expect(run).resolves.toMatchObject({ stdout: '' });
    },
  );
});
