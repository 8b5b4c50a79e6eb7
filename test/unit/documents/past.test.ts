/** Nodes whose disks have a past: each obstacle ends with an agent that is set up, or with one sentence that names it. */
import { spawnSync } from 'node:child_process';
import {
  chownSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { IN_THE_WAY, OVERCOME, write } from '../../support/obstacles.ts';
import { canRun, expectInstalled, node, pki, playedIn, sent } from '../../support/past-node.ts';
import { install, machine, NodeName, SHELLS, type Shell } from '../../support/shell-machine.ts';
import { sized } from '../../support/size.ts';

const inShells = playedIn(sized({ small: false, full: true }));
/** Whether this user may mount a small disk of its own. */
const canMount = spawnSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', tmpdir()]).status === 0;

describe.runIf(canRun)('an installation on a node with', () => {
  it.each(inShells(OVERCOME))('%s sets up its agent all the same', async (_what, arrange, shell) => {
    const { disk, run } = await node(shell);
    arrange(disk);
    for (const _ of ['once', 'twice']) expectInstalled(disk, await run(install, sent));
  });

  it.each(inShells(IN_THE_WAY.filter(([, , , , canTry = true]) => canTry)))(
    '%s says so, and works once that is gone',
    async (_what, arrange, sentence, mend, ...rest) => {
      const { disk, run } = await node(rest.at(-1) as Shell);
      arrange(disk);
      const ended = await run(install, sent);
      expect(ended).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(sentence) });
      expect(ended.stderr.trimEnd().split('\n')).toHaveLength(1);
      mend(disk);
      expectInstalled(disk, await run(install, sent));
    },
  );

  it.each(inShells([['what is not ours'] as const]))('%s leaves it byte for byte', async (_what, shell) => {
    const { disk, run } = await node(shell);
    const before = [
      ...['# a comment \u00e4\r', '[server]', 'server = theirs', '', '[main]', 'server = old', 'vardir = /x\t'],
      ...['[agent]', 'server_list = a', 'report=true', '', '', '[user]', 'server = theirs too'],
    ].join('\n');
    writeFileSync(disk.conf, before, { mode: 0o640 });
    chownSync(disk.conf, 0, 65534);
    expectInstalled(disk, await run(install, sent));
    const ours = /^(server = puppet\.example|serverport = .*|certname = .*|ssldir = .*|environment = staging)\n/gm;
    expect(readFileSync(disk.conf, 'utf8').replace(ours, '')).toBe(
      before.replace('server = old\n', '').replace('server_list = a\n', ''),
    );
    expect([statSync(disk.conf).mode & 0o7777, statSync(disk.conf).gid]).toEqual([0o640, 65534]);
  });

  it.each(inShells([['a link'] as const]))('%s keeps it, and what it is a link to', async (_what, shell) => {
    const { disk, run } = await node(shell);
    write(join(disk.folder, 'bundle.pem'), 'the host’s own');
    mkdirSync(join(disk.ssl, 'certs'));
    symlinkSync(join(disk.folder, 'bundle.pem'), join(disk.ssl, 'certs/ca.pem'));
    write(join(disk.folder, 'image/puppet.conf'), '[main]\n');
    symlinkSync('../image/puppet.conf', disk.conf);
    expectInstalled(disk, await run(install, sent));
    expect(lstatSync(disk.conf).isSymbolicLink()).toBe(true);
    expect(readFileSync(join(disk.folder, 'bundle.pem'), 'utf8')).toBe('the host’s own');
  });

  it.each(inShells([['the list that the same CA has issued'] as const]))('%s keeps it', async (_what, shell) => {
    const { disk, run } = await node(shell);
    const list = join(disk.ssl, 'crl.pem');
    const isKept = async () => {
      copyFileSync(join(pki, 'crl.pem'), list);
      expect(await run(install, sent)).toMatchObject({ code: 0, stderr: '' });
      return existsSync(list);
    };
    write(join(disk.ssl, 'certs/ca.pem'), 'an earlier CA');
    expect(await isKept(), 'beside another CA').toBe(false);
    expect(await isKept(), 'beside the same CA').toBe(true);
  });

  it.runIf(canMount).each(inShells([['a full disk'] as const]))(
    '%s says so, changes nothing by halves, and works once there is room',
    async (_what, shell) => {
      const { disk } = await node(shell);
      writeFileSync(disk.conf, `[main]\nserver = old\n${'# a long comment\n'.repeat(600)}`);
      const wrapper = join(disk.folder, 'small-disk');
      writeFileSync(wrapper, SMALL_DISK);
      const { run } = await machine({
        shell: ['unshare', '-m', 'sh', wrapper, ...SHELLS[shell]],
        env: { PUPPET_DIR: disk.puppetDir, FIRST_RUN_LOG: join(disk.folder, 'log') },
      });
      const { stdout } = await run(install, sent);
      const outcomes = stdout.trimEnd().split('\n');
      expect(outcomes).toHaveLength(9);
      for (const outcome of outcomes.slice(0, -1))
        expect(outcome).toMatch(/^(old|new) (Cannot .* on i-\w+: No space left on device\.|\{"installed":true\})$/);
      expect(outcomes[0]).toMatch(/^old Cannot /);
      expect(outcomes.at(-1)).toBe('new {"installed":true}');
    },
  );

  it.each(inShells([['a death in the middle'] as const]))('%s works when it is run again', async (_what, shell) => {
    const { disk, run } = await node(shell);
    writeFileSync(disk.conf, '[main]\nserver = old\n');
    const [wrapper, bin, pid] = ['wrapper', 'bin', 'pid'].map((name) => join(disk.folder, name)) as [
      string,
      string,
      string,
    ];
    mkdirSync(bin);
    writeFileSync(wrapper, `echo $$ >${pid}\nexec "$@"\n`);
    const killed = await machine({ shell: ['sh', wrapper, ...SHELLS[shell]], env: { PUPPET_DIR: disk.puppetDir } });
    // Before each file in turn: puppet.conf, the CA's certificate, the node's.
    for (const file of ['puppet.conf', 'ca.pem', `${NodeName}.pem`]) {
      const mv = `#!/bin/sh\ncase "$*" in *${file}) kill -9 $(cat ${pid}); exit 1 ;; esac\nexec /bin/mv "$@"\n`;
      writeFileSync(join(bin, 'mv'), mv, { mode: 0o755 });
      expect(await killed.run(install, sent, `${bin}:${process.env.PATH}`)).toMatchObject({
        signal: 'SIGKILL',
        stdout: '',
      });
      expect(existsSync(join(disk.ssl, `certs/${NodeName}.pem`))).toBe(false);
    }
    expectInstalled(disk, await run(install, sent));
  });
});

/** Runs the script on a small disk that has more room each time, at last enough; says what puppet.conf is and what was printed. */
const SMALL_DISK = `
cp -a "$PUPPET_DIR" "$PUPPET_DIR.saved"
for FREE in 0 1 2 3 4 5 6 8 40; do
  mount -t tmpfs -o size=256k tmpfs "$PUPPET_DIR"
  cp -a "$PUPPET_DIR.saved/." "$PUPPET_DIR"
  dd if=/dev/zero of="$PUPPET_DIR/filler" bs=4k 2>/dev/null || true
  truncate -s "-$((FREE * 4096))" "$PUPPET_DIR/filler"
  PRINTED=$("$@" 2>&1) || true
  if grep -q 'server = old' "$PUPPET_DIR/puppet.conf"; then STATE=old; else STATE=new; fi
  [ "$(grep -c '^# a long comment$' "$PUPPET_DIR/puppet.conf")" = 600 ] || STATE=half
  echo "$STATE $PRINTED"
  umount "$PUPPET_DIR"
done
`;
