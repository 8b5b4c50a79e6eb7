/** What a node's disk may have in the way of its enrolment. */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Disk } from './past-node.ts';
import { NodeName } from './shell-machine.ts';

const canFreeze = (() => {
  const file = join(mkdtempSync(join(tmpdir(), 'muster-frozen-')), 'file');
  writeFileSync(file, '');
  const isFrozen = spawnSync('chattr', ['+i', file]).status === 0;
  spawnSync('chattr', ['-i', file]);
  return isFrozen;
})();

export type Arrange = (disk: Disk) => void;
export const write = (file: string, text: string, mode = 0o644) => {
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, text, { mode });
};

/** What an installation overcomes. */
export const OVERCOME: readonly (readonly [what: string, arrange: Arrange])[] = [
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
      write(join(folder, 'image/puppet.conf'), '[main]\nserver = old\n');
      symlinkSync(join(folder, 'image/puppet.conf'), conf);
    },
  ],
  [
    'a puppet.conf that is a chain of relative links',
    ({ conf, folder, puppetDir }) => {
      write(join(folder, 'image/puppet.conf'), '[main]\nserver = old\n');
      symlinkSync('../image/puppet.conf', join(puppetDir, 'link'));
      symlinkSync('link', conf);
    },
  ],
  [
    'a puppet.conf that is a link to a file that is not there yet',
    ({ conf, folder }) => {
      mkdirSync(join(folder, 'image'));
      symlinkSync('../image/puppet.conf', conf);
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

/** What it names, and works without. */
export const IN_THE_WAY: readonly (readonly [
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
