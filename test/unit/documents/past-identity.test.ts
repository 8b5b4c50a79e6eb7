/** The key and the CSR of nodes whose disks have a past. */
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { canRun, keyFile, playedIn } from '../../support/past-node.ts';
import { collect, type Ended, machine, NodeName, SHELLS, type Shell } from '../../support/shell-machine.ts';
import { sized } from '../../support/size.ts';

const inShells = playedIn(sized({ small: false, full: true }));

describe.runIf(canRun)('the collection of an identity on a node with', () => {
  const arrange = async (shell: Shell, env: Record<string, string> = {}, agent = 'puppet') => {
    const own = await machine({ shell: SHELLS[shell], env });
    const key =
      agent === 'puppet' ? join(own.puppetDir, `ssl/private_keys/${NodeName}.pem`) : join(own.chefDir, 'client.pem');
    mkdirSync(join(key, '..'), { recursive: true });
    const ask = (path?: string): Promise<Ended> => own.run(collect, { NodeName, Agent: agent }, path);
    const isProved = ({ code, stdout, stderr }: Ended): void => {
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      const subject = { input: JSON.parse(stdout).csr, encoding: 'utf8' } as const;
      const shown = execFileSync('openssl', ['req', '-verify', '-noout', '-text'], subject);
      expect(shown).toContain(`CN = ${NodeName}`);
      expect(shown).not.toContain('DNS:');
      expect(statSync(key).mode & 0o7777).toBe(0o600);
    };
    return { ...own, key, ask, isProved };
  };

  it.each(
    inShells([
      ['an empty key', (key: string): void => writeFileSync(key, '')],
      ['a key that all may read', (key: string): void => writeFileSync(key, readFileSync(keyFile), { mode: 0o666 })],
      [
        'a key that is a link',
        (key: string): void => {
          copyFileSync(keyFile, `${key}.elsewhere`);
          symlinkSync(`${key}.elsewhere`, key);
        },
      ],
    ] as const),
  )('%s succeeds', async (_what, arranged, shell) => {
    const { key, ask, isProved } = await arrange(shell);
    arranged(key);
    isProved(await ask());
  });

  it.each(
    inShells([
      ['a folder as the key', (key: string): void => void mkdirSync(key), /\.pem on i-\w+ is a folder/],
      [
        'a key that leads nowhere',
        (key: string): void => symlinkSync('/gone', key),
        /is a link to \/gone, where nothing is/,
      ],
      [
        'a key that is none',
        (key: string): void => writeFileSync(key, 'garbage'),
        /openssl cannot read the key .*: remove it/,
      ],
      [
        'a key with a passphrase',
        (key: string): void =>
          void execFileSync('openssl', ['pkey', '-in', keyFile, '-aes128', '-passout', 'pass:x', '-out', key]),
        /openssl cannot read the key .*passphrase/,
      ],
      [
        'a file as the folder of keys',
        (key: string): void => {
          rmSync(join(key, '..'), { recursive: true });
          writeFileSync(join(key, '..'), '');
        },
        /private_keys on i-\w+ is a file, and a folder must be there/,
      ],
    ] as const),
  )('%s says so, and works once that is gone', async (_what, arranged, sentence, shell) => {
    const { key, ask, isProved } = await arrange(shell);
    arranged(key);
    const ended = await ask();
    expect(ended).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(sentence) });
    expect(ended.stderr.trimEnd().split('\n')).toHaveLength(1);
    const inTheWay = statSync(join(key, '..')).isDirectory() ? key : join(key, '..');
    rmSync(inTheWay, { recursive: true });
    isProved(await ask());
  });

  it.each(inShells([['configuration of its own for openssl and curl'] as const]))(
    '%s ignores it',
    async (_what, shell) => {
      const HOME = mkdtempSync(join(tmpdir(), 'muster-home-'));
      writeFileSync(join(HOME, '.curlrc'), 'include\nverbose\nwrite-out = "%{http_code}"\n');
      const OPENSSL_CONF = join(HOME, 'openssl.cnf');
      const extensions = 'req_extensions = x\n[x]\nsubjectAltName = DNS:other\n';
      writeFileSync(OPENSSL_CONF, `[req]\ndistinguished_name = n\nprompt = no\n${extensions}[n]\nCN = other\n`);
      const { ask, isProved } = await arrange(shell, { HOME, OPENSSL_CONF });
      isProved(await ask());
    },
  );

  it.each(inShells([['a disk on which openssl writes nothing'] as const]))('%s says so', async (_what, shell) => {
    const { folder, key, ask, isProved } = await arrange(shell);
    const bin = join(folder, 'bin');
    mkdirSync(bin);
    const openssl = `#!/bin/sh\n[ "$1" = genrsa ] && exit 0\nPATH=\${PATH#*:} exec openssl "$@"\n`;
    writeFileSync(join(bin, 'openssl'), openssl, { mode: 0o755 });
    expect(await ask(`${bin}:${process.env.PATH}`)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('the disk may be full'),
    });
    expect(readdirSync(join(key, '..'))).toEqual([]);
    isProved(await ask());
  });

  it.each(inShells([['an open umask'] as const, ['a closed umask'] as const]))(
    '%s never lets others read its key',
    async (what, shell) => {
      const { folder } = await arrange(shell);
      const [wrapper, bin] = [join(folder, 'umask'), join(folder, 'bin')];
      writeFileSync(wrapper, `umask ${what === 'an open umask' ? '000' : '777'}\nexec "$@"\n`);
      mkdirSync(bin);
      const seen = join(folder, 'seen');
      const openssl = `#!/bin/sh\nPATH=\${PATH#*:}\nopenssl "$@" || exit\n[ "$1" != genrsa ] || stat -c %a "$3" >>${seen}\n`;
      writeFileSync(join(bin, 'openssl'), openssl, { mode: 0o755 });
      const own = await machine({ shell: ['sh', wrapper, ...SHELLS[shell]] });
      const path = `${bin}:${process.env.PATH}`;
      expect(await own.run(collect, { NodeName, Agent: 'puppet' }, path)).toMatchObject({ code: 0, stderr: '' });
      expect(readFileSync(seen, 'utf8')).toBe('600\n');
      const key = join(own.puppetDir, `ssl/private_keys/${NodeName}.pem`);
      expect(statSync(key).mode & 0o7777).toBe(0o600);
    },
  );

  it.each(inShells([['the key of the node that its image was made from'] as const]))(
    '%s makes its own, and sets the other aside',
    async (_what, shell) => {
      const { key, chefDir, ask, isProved } = await arrange(shell, {}, 'chef');
      copyFileSync(keyFile, key);
      writeFileSync(join(chefDir, 'client.rb'), "node_name 'builder'\n");
      const first = await ask();
      isProved(first);
      expect(readFileSync(`${key}.of-builder`)).toEqual(readFileSync(keyFile));
      expect(readFileSync(key)).not.toEqual(readFileSync(keyFile));
      expect((await ask()).stdout).toBe(first.stdout);
    },
  );

  it.each(inShells([['few programs'] as const]))('%s names the one that is missing', async (_what, shell) => {
    const { folder, ask } = await arrange(shell);
    const bin = join(folder, 'few');
    mkdirSync(bin);
    for (const tool of ['openssl', 'curl', 'awk'])
      symlinkSync(execFileSync('sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' }).trim(), join(bin, tool));
    if (shell === 'busybox') return;
    expect(await ask(bin)).toMatchObject({ code: 1, stderr: expect.stringMatching(/^i-\w+ has no sed, .*\n$/) });
  });
});
