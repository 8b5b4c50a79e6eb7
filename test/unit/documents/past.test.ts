/** Nodes whose disks have a past: each obstacle ends with an agent that is set up, or with one sentence that names it. */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  lstatSync,
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
import { beforeAll, describe, expect, it } from 'vitest';
import {
  collect,
  type Ended,
  has,
  install,
  machine,
  NodeName,
  SHELLS,
  type Shell,
} from '../../support/shell-machine.ts';
import { sized } from '../../support/size.ts';

const shells = (Object.keys(SHELLS) as Shell[]).filter((shell) => has(SHELLS[shell][0]));
const canRun = ['openssl', 'curl', 'awk'].every(has) && process.getuid?.() === 0;
const canFreeze = (() => {
  const file = join(mkdtempSync(join(tmpdir(), 'muster-frozen-')), 'file');
  writeFileSync(file, '');
  const isFrozen = spawnSync('chattr', ['+i', file]).status === 0;
  spawnSync('chattr', ['-i', file]);
  return isFrozen;
})();
/** Whether this user may mount a small disk of its own. */
const canMount = spawnSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', tmpdir()]).status === 0;

/** A key, its certificate and a list of revoked ones that serve all nodes here. Elliptic curves take no time. */
const pki = mkdtempSync(join(tmpdir(), 'muster-pki-'));
const keyFile = join(pki, 'node.key');
let sent: Record<string, string>;
beforeAll(() => {
  if (!canRun) return;
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
  sent = {
    ...{ NodeName, Server: 'puppet.example', ServerPort: '8140', Environment: 'staging' },
    ...{ FirstRun: 'none', Service: 'leave' },
    Certificate: readFileSync(join(pki, 'node.pem'), 'utf8').trim(),
    CaCertificate: readFileSync(join(pki, 'ca.pem'), 'utf8').trim(),
  };
});

/** A node's disk. */
interface Disk {
  readonly folder: string;
  readonly puppetDir: string;
  readonly ssl: string;
  readonly conf: string;
  readonly key: string;
}

async function node(shell: Shell) {
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

function expectInstalled({ ssl, conf, key }: Disk, ended: Ended): void {
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

/** One obstacle in each shell; by default each in one of them, by turns. */
function inShells<const Row extends readonly [string, ...unknown[]]>(rows: readonly Row[]): [...Row, Shell][] {
  return rows.flatMap((row, index) => {
    const chosen = sized({ small: false, full: true }) ? shells : shells.slice(index % shells.length).slice(0, 1);
    return chosen.map((shell): [...Row, Shell] => [...row, shell]);
  });
}

type Arrange = (disk: Disk) => void;
const write = (file: string, text: string, mode = 0o644) => {
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, text, { mode });
};

const OVERCOME: readonly (readonly [what: string, arrange: Arrange])[] = [
  ['nothing', () => {}],
  [
    'an earlier CA and its list of revoked certificates',
    ({ ssl }) => {
      write(join(ssl, 'certs/ca.pem'), 'an earlier CA');
      write(join(ssl, 'crl.pem'), 'its list');
    },
  ],
  ['an earlier certificate', ({ ssl }) => write(join(ssl, `certs/${NodeName}.pem`), 'an earlier certificate')],
  [
    'settings that outrank ours, in [agent]',
    ({ conf }) =>
      write(
        conf,
        '[agent]\nserver_list = a:8140,b\nuse_srv_records = true\nsrv_domain = c\nca_server = d\nreport_server = e\nhostcert = /f\n',
      ),
  ],
  [
    'settings that outrank ours, in [main]',
    ({ conf }) => write(conf, '[main]\nserver_list=a\nlocalcacert=/b\n[agent]\n'),
  ],
  ['settings before any section', ({ conf }) => write(conf, 'server = old\nserver_list = a\n')],
  [
    'sections out of order',
    ({ conf }) => write(conf, '[agent]\nserver = a\n[main]\nserver = b\n[agent]\ncertname = c\n'),
  ],
  [
    'a section that is there twice',
    ({ conf }) => write(conf, '[main]\nserver = a\n[main]\nserver = b\nserver_list = c\n'),
  ],
  ['settings that are there twice', ({ conf }) => write(conf, '[main]\nserver = a\nserver=b\n\tserver\t=c\n')],
  ['settings that are comments', ({ conf }) => write(conf, '# server = a\n[main]\n#server = b\n  # certname = c\n')],
  ['a byte order mark', ({ conf }) => write(conf, '\ufeff[main]\nserver = old\n')],
  ['line ends of Windows', ({ conf }) => write(conf, '[main]\r\nserver = old\r\n[agent]\r\nserver_list = a\r\n')],
  ['a text without a last line break', ({ conf }) => write(conf, '[main]\nruninterval = 30m')],
  ['an empty puppet.conf', ({ conf }) => write(conf, '')],
  [
    'a puppet.conf that is a link',
    ({ conf, folder }) => {
      write(join(folder, 'shared/puppet.conf'), '[main]\nserver = old\n');
      symlinkSync(join(folder, 'shared/puppet.conf'), conf);
    },
  ],
  [
    'a puppet.conf that is a chain of relative links',
    ({ conf, folder, puppetDir }) => {
      write(join(folder, 'shared/puppet.conf'), '[main]\nserver = old\n');
      symlinkSync('../shared/puppet.conf', join(puppetDir, 'link'));
      symlinkSync('link', conf);
    },
  ],
  [
    'a puppet.conf that is a link to a file that is not there yet',
    ({ conf, folder }) => {
      mkdirSync(join(folder, 'shared'));
      symlinkSync('../shared/puppet.conf', conf);
    },
  ],
  [
    'a ca.pem that is a link',
    ({ ssl, folder }) => {
      write(join(folder, 'bundle.pem'), 'the host’s own');
      mkdirSync(join(ssl, 'certs'), { recursive: true });
      symlinkSync(join(folder, 'bundle.pem'), join(ssl, 'certs/ca.pem'));
    },
  ],
  ['a key that all may read', ({ key }) => chmodSync(key, 0o644)],
  [
    'a key of another user',
    ({ key }) => {
      chmodSync(key, 0o660);
      chownSync(key, 65534, 65534);
    },
  ],
  ['what an interrupted script left', ({ ssl }) => write(join(ssl, 'certs/.muster.abc123/ca.pem'), 'half')],
];

const IN_THE_WAY: readonly (readonly [
  what: string,
  arrange: Arrange,
  sentence: RegExp,
  mend: Arrange,
  canTry?: boolean,
])[] = [
  [
    'a folder as puppet.conf',
    ({ conf }) => void mkdirSync(conf),
    /puppet\.conf on i-\w+ is a folder/,
    ({ conf }) => rmSync(conf, { recursive: true }),
  ],
  [
    'a pipe as puppet.conf',
    ({ conf }) => void execFileSync('mkfifo', [conf]),
    /puppet\.conf on i-\w+ is no ordinary file/,
    ({ conf }) => rmSync(conf),
  ],
  [
    'a puppet.conf that is a link to itself',
    ({ conf }) => symlinkSync('puppet.conf', conf),
    /puppet\.conf on i-\w+ is a link that leads back to itself/,
    ({ conf }) => rmSync(conf),
  ],
  [
    'a puppet.conf that is a link into a folder that is gone',
    ({ conf }) => symlinkSync('/gone/puppet.conf', conf),
    /puppet\.conf on i-\w+ is a link to \/gone\/puppet\.conf, whose folder does not exist/,
    ({ conf }) => rmSync(conf),
  ],
  [
    'a line that Puppet cannot read',
    ({ conf }) => write(conf, '[main]\n\nserver: old\n'),
    /Puppet cannot read line 3 of .*puppet\.conf/,
    ({ conf }) => writeFileSync(conf, '[main]\n'),
  ],
  [
    'a section that Puppet does not know',
    ({ conf }) => write(conf, '[main]\n[production]\n'),
    /Puppet cannot read line 2 of .*puppet\.conf/,
    ({ conf }) => writeFileSync(conf, '[main]\n'),
  ],
  [
    'a file as the folder of certificates',
    ({ ssl }) => write(join(ssl, 'certs'), ''),
    /ssl\/certs on i-\w+ is a file, and a folder must be there/,
    ({ ssl }) => rmSync(join(ssl, 'certs')),
  ],
  [
    'a folder of certificates that is a dangling link',
    ({ ssl }) => symlinkSync('/gone', join(ssl, 'certs')),
    /ssl\/certs on i-\w+ is a link to \/gone, where no folder is/,
    ({ ssl }) => rmSync(join(ssl, 'certs')),
  ],
  [
    'a folder as ca.pem',
    ({ ssl }) => void mkdirSync(join(ssl, 'certs/ca.pem'), { recursive: true }),
    /certs\/ca\.pem on i-\w+ is a folder/,
    ({ ssl }) => rmSync(join(ssl, 'certs/ca.pem'), { recursive: true }),
  ],
  [
    'an immutable puppet.conf',
    ({ conf }) => {
      write(conf, '[main]\nserver = old\n');
      execFileSync('chattr', ['+i', conf]);
    },
    /Cannot replace .*puppet\.conf on i-\w+: Operation not permitted/,
    ({ conf }) => void execFileSync('chattr', ['-i', conf]),
    canFreeze,
  ],
  [
    'an immutable key that all may read',
    ({ key }) => {
      chmodSync(key, 0o644);
      execFileSync('chattr', ['+i', key]);
    },
    /Cannot keep the key .* to root: Operation not permitted/,
    ({ key }) => void execFileSync('chattr', ['-i', key]),
    canFreeze,
  ],
  [
    'an immutable list of revoked certificates',
    ({ ssl }) => {
      write(join(ssl, 'crl.pem'), 'of an earlier CA');
      execFileSync('chattr', ['+i', join(ssl, 'crl.pem')]);
    },
    /Cannot remove .*crl\.pem on i-\w+: Operation not permitted/,
    ({ ssl }) => void execFileSync('chattr', ['-i', join(ssl, 'crl.pem')]),
    canFreeze,
  ],
];

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
    write(join(disk.folder, 'shared/puppet.conf'), '[main]\n');
    symlinkSync('../shared/puppet.conf', disk.conf);
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
