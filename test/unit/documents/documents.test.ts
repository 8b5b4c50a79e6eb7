import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readIdentity } from '../../../services/identity/index.ts';
import {
  certify,
  collect,
  collected,
  IDENTITY,
  INSTANCE,
  identify,
  install,
  itWithTools,
  machine,
  NodeName,
  POLICY,
  SIGNATURE,
} from '../../support/shell-machine.ts';

describe('Muster-CollectIdentity', () => {
  itWithTools('prints one line that enrolment takes as the identity of the node', async () => {
    const { run } = await machine();
    const { stdout, stderr } = await run(collect, identify);
    expect(stderr).toBe('');
    expect(stdout.trimEnd().split('\n')).toHaveLength(1);
    const identity = readIdentity(stdout, INSTANCE, POLICY);
    expect(JSON.parse(identity.document)).toEqual(IDENTITY);
    expect(identity.signature).toBe(SIGNATURE);
  });

  itWithTools('asks the metadata service again where it refuses for its rate', async () => {
    const { run } = await machine({ refusals: 2 });
    const { code, stdout } = await run(collect, identify);
    expect(code).toBe(0);
    expect(readIdentity(stdout, INSTANCE, POLICY).signature).toBe(SIGNATURE);
  });

  itWithTools('keeps the key that is there, and keeps it to root', async () => {
    const { run, puppetDir } = await machine();
    const first = await run(collect, identify);
    const key = join(puppetDir, `ssl/private_keys/${NodeName}.pem`);
    expect(statSync(key).mode & 0o777).toBe(0o600);
    expect((await run(collect, identify)).stdout).toBe(first.stdout);
  });

  itWithTools('agrees on one key when two commands run at once', async () => {
    const { run, puppetDir } = await machine();
    const [one, other] = await Promise.all([run(collect, identify), run(collect, identify)]);
    expect(one.stdout).toBe(other.stdout);
    expect(readdirSync(join(puppetDir, 'ssl/private_keys'))).toEqual([`${NodeName}.pem`]);
  });

  itWithTools("uses Chef's key where Puppet's agent is not installed", async () => {
    const { run, chefDir } = await machine({ hasPuppet: false });
    expect((await run(collect, identify)).code).toBe(0);
    expect(existsSync(join(chefDir, 'client.pem'))).toBe(true);
  });

  itWithTools('uses the key of the agent that it is told', async () => {
    const { run, chefDir, puppetDir } = await machine();
    expect((await run(collect, { NodeName, Agent: 'chef' })).code).toBe(0);
    expect([existsSync(join(chefDir, 'client.pem')), existsSync(join(puppetDir, 'ssl'))]).toEqual([true, false]);
  });

  itWithTools('refuses an agent that it does not know, and makes no key', async () => {
    const { run, chefDir, puppetDir } = await machine();
    const { code, stdout, stderr } = await run(collect, { NodeName, Agent: 'salt' });
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('There is no agent salt: the document Muster-CollectIdentity takes puppet, chef or any.');
    expect([existsSync(join(chefDir, 'client.pem')), existsSync(join(puppetDir, 'ssl'))]).toEqual([false, false]);
  });

  it('says what the image lacks', async () => {
    const { run } = await machine();
    expect(await run(collect, identify, '/nowhere')).toMatchObject({
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
    const parameters = { NodeName, Certificate: '', CaCertificate: '', FirstRun: 'none' };
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
