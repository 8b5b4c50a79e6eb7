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

/**
 * A program that notes how it was called, and ends with `exitCode`: of several, the next at each call, and the last from then on.
 * @param prints what it writes as it ends with 1
 */
function fakeAgent(folder: string, name: string, exitCode: number | number[] = 0, prints = '') {
  const bin = join(folder, 'bin');
  mkdirSync(bin, { recursive: true });
  const log = join(folder, 'calls');
  const [codes, last] = [[exitCode].flat(), [exitCode].flat().at(-1) ?? 0];
  const script = `#!/bin/sh
echo "$@" >>'${log}'
N=$(wc -l <'${log}')
set -- ${codes.join(' ')}
[ "$N" -gt $# ] || shift $((N - 1))
[ "$N" -le ${codes.length} ] || set -- ${last}
[ "$1" != 1 ] || echo '${prints}'
exit $1
`;
  writeFileSync(join(bin, name), script, { mode: 0o755 });
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

  itWithTools('enables an agent that its image has disabled, and has it run then', async () => {
    const { run, folder, puppetDir, parameters } = await puppetNode();
    const { path, calls } = fakeAgent(folder, 'puppet', [1, 0], 'Skipping run; administratively disabled');
    expect(await run(install, { ...parameters, FirstRun: 'wait' }, path)).toMatchObject({ code: 0, stderr: '' });
    const [test, enable] = [`agent --test --confdir ${puppetDir}`, `agent --enable --confdir ${puppetDir}`];
    expect(calls()).toEqual([test, enable, test]);
  });

  itWithTools('says so when another run of the agent does not end', async () => {
    const { folder, parameters, puppetDir } = await puppetNode();
    const { path } = fakeAgent(folder, 'puppet', 1, 'Run of Puppet configuration client already in progress; skipping');
    const { run } = await machine({ env: { PUPPET_DIR: puppetDir, LOCKED_ATTEMPTS: '0' } });
    expect(await run(install, { ...parameters, FirstRun: 'wait' }, path)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^another run of Puppet's agent on i-\w+ does not end; /),
    });
  });

  itWithTools.each([
    ['none', 0, 0],
    ['wait', 2, 0],
    ['wait', 1, 1],
  ])('enables and starts the service after a first run of "%s" that ends with %d', async (FirstRun, exitCode, code) => {
    const { run, folder, puppetDir, parameters } = await puppetNode();
    const { path } = fakeAgent(folder, 'systemctl');
    const { calls } = fakeAgent(folder, 'puppet', FirstRun === 'none' ? 0 : [exitCode, 0]);
    expect(await run(install, { ...parameters, FirstRun, Service: 'enable' }, path)).toMatchObject({ code });
    expect(calls().filter((call) => !call.startsWith('agent --test'))).toEqual([
      `agent --enable --confdir ${puppetDir}`,
      'is-system-running',
      'enable puppet',
      'restart puppet',
    ]);
  });

  itWithTools('names a service that cannot be enabled', async () => {
    const { run, folder, parameters } = await puppetNode();
    fakeAgent(folder, 'puppet');
    const masked =
      '#!/bin/sh\n[ "$1" != enable ] || { echo "Failed to enable unit: Unit puppet.service is masked." >&2; exit 1; }\n';
    const { path } = fakeAgent(folder, 'systemctl');
    writeFileSync(join(folder, 'bin/systemctl'), masked);
    expect(await run(install, { ...parameters, Service: 'enable' }, path)).toMatchObject({
      code: 1,
      stderr: `Cannot enable the service puppet on ${NodeName}: Unit puppet.service is masked.\n`,
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

  itWithTools('keeps what the image wrote into client.rb, before our settings', async () => {
    const { run, read, chefDir } = await chefNode();
    const image =
      "chef_license 'accept'\nhttp_proxy 'http://proxy'\nchef_server_url 'https://old'\nif true\n  log_level :info\nend\n";
    writeFileSync(join(chefDir, 'client.rb'), image);
    for (const _ of ['once', 'twice']) await run(installChef, server);
    expect(read('client.rb')).toMatch(
      new RegExp(`^${image}# Written by Muster at every enrolment.\nchef_server_url '${server.ServerUrl}'\n`),
    );
    expect(read('client.rb').match(/Written by Muster/g)).toHaveLength(1);
    expect(read('client.rb.before-muster')).toBe(image);
    writeFileSync(join(chefDir, 'client.rb'), `${read('client.rb')}ohai.disabled_plugins = []\n`);
    await run(installChef, { ...server, Environment: 'prod' });
    expect(read('client.rb').startsWith(`${image}ohai.disabled_plugins = []\n# Written by Muster`)).toBe(true);
  });

  itWithTools('takes the image’s settings back from the copy that former versions made', async () => {
    const { run, read, chefDir } = await chefNode();
    await run(installChef, server);
    writeFileSync(join(chefDir, 'client.rb.before-muster'), "chef_license 'accept'\n");
    await run(installChef, server);
    expect(read('client.rb')).toMatch(/^chef_license 'accept'\n# Written by Muster/);
  });

  itWithTools('has the last word over client.d, where the image has files there', async () => {
    const { run, read, chefDir } = await chefNode();
    mkdirSync(join(chefDir, 'client.d'));
    await run(installChef, server);
    expect(readdirSync(join(chefDir, 'client.d'))).toEqual([]);
    writeFileSync(join(chefDir, 'client.d/zz.rb'), "chef_server_url 'https://old'\n");
    await run(installChef, server);
    expect(readdirSync(join(chefDir, 'client.d')).sort()).toEqual(['zz.rb', 'zzzz-muster.rb']);
    expect(read('client.d/zzzz-muster.rb')).toBe(read('client.rb'));
  });

  itWithTools('leaves no policy of the image beside a run list, and no environment beside a policy', async () => {
    const { run, read, chefDir } = await chefNode();
    writeFileSync(join(chefDir, 'client.rb'), "policy_name 'old'\npolicy_group 'old'\nenvironment 'old'\n");
    await run(installChef, { ...server, RunList: 'recipe[a]' });
    expect(read('client.rb')).toContain(
      `policy_name nil\npolicy_group nil\njson_attribs '${chefDir}/first-run.json'\n`,
    );
    await run(installChef, { ...server, PolicyName: 'web', PolicyGroup: 'prod' });
    expect(read('client.rb')).toMatch(/policy_name 'web'\npolicy_group 'prod'\nenvironment nil\n$/);
  });

  itWithTools('runs the client again that has upgraded itself, and takes a needed restart for success', async () => {
    const { run, folder } = await chefNode();
    const { path, calls } = fakeAgent(folder, 'chef-client', [213, 37]);
    expect(await run(installChef, { ...server, FirstRun: 'wait' }, path)).toMatchObject({ code: 0, stderr: '' });
    expect(calls()).toHaveLength(2);
  });

  itWithTools('runs the client again only after the restart that it has scheduled', async () => {
    const { folder, chefDir } = await chefNode();
    const { path, calls } = fakeAgent(folder, 'chef-client', [35, 0]);
    const BOOT_ID = join(folder, 'boot-id');
    writeFileSync(BOOT_ID, 'first\n');
    const { run } = await machine({ hasPuppet: false, env: { CHEF_DIR: chefDir, BOOT_ID } });
    const parameters = { ...server, FirstRun: 'wait' };
    const scheduled = '{"installed":false,"restart":"scheduled"}\n';
    for (const _ of ['once', 'twice'])
      expect(await run(installChef, parameters, path)).toEqual({ code: 0, stdout: scheduled, stderr: '' });
    expect(calls()).toHaveLength(1);
    writeFileSync(BOOT_ID, 'second\n');
    expect(await run(installChef, parameters, path)).toMatchObject({ code: 0, stdout: '{"installed":true}\n' });
    expect(calls()).toHaveLength(2);
  });

  itWithTools('says so when the client waits for its licence', async () => {
    const { run, folder } = await chefNode();
    const { path } = fakeAgent(folder, 'chef-client', 172);
    expect(await run(installChef, { ...server, FirstRun: 'wait' }, path)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('waits for its licence: add chef_license'),
    });
  });

  itWithTools('finds Cinc by its names and paths, and has it run by a timer', async () => {
    const { folder } = await machine({ hasPuppet: false });
    const { path } = fakeAgent(folder, 'cinc-client');
    const { calls } = fakeAgent(folder, 'systemctl');
    const cinc = join(folder, 'etc/cinc');
    const { run } = await machine({
      hasPuppet: false,
      env: { CHEF_DIR: '', ETC: join(folder, 'etc'), UNIT_DIRS: join(folder, 'units') },
    });
    expect(await run(collect, { NodeName, Agent: 'chef' }, path)).toMatchObject({ code: 0 });
    expect(await run(installChef, { ...server, FirstRun: 'wait', Service: 'enable' }, path)).toMatchObject({
      code: 0,
      stderr: '',
    });
    expect(readdirSync(cinc).sort()).toEqual(['client.pem', 'client.rb', 'trusted_certs']);
    const units = join(folder, 'etc/systemd/system');
    expect(readFileSync(join(units, 'cinc-client.service'), 'utf8')).toContain(
      `cinc-client --config ${cinc}/client.rb\n`,
    );
    expect(calls()).toEqual([
      ...[`--config ${cinc}/client.rb`, 'is-system-running', 'daemon-reload'],
      ...['enable cinc-client.timer', 'restart cinc-client.timer'],
    ]);
  });

  itWithTools('enables the unit that the image has', async () => {
    const { folder, chefDir } = await chefNode();
    const { path, calls } = fakeAgent(folder, 'systemctl');
    fakeAgent(folder, 'chef-client');
    mkdirSync(join(folder, 'units'));
    writeFileSync(join(folder, 'units/chef-client.service'), '');
    const { run } = await machine({ hasPuppet: false, env: { CHEF_DIR: chefDir, UNIT_DIRS: join(folder, 'units') } });
    expect(await run(installChef, { ...server, Service: 'enable' }, path)).toMatchObject({ code: 0, stderr: '' });
    expect(calls()).toEqual(['is-system-running', 'enable chef-client', 'restart chef-client']);
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
