import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { traitsOf } from '../../../lib/engines.ts';
import { Associate } from '../../../lib/servers.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const SECRETS = { caSecret: 'ca', keySecret: 'key', retireKeySecret: 'retire' };
const server = (fields: object) => Associate.parse(fields);
const puppet = (url: string, fields: object = {}) => server({ engine: 'puppet', url, ...SECRETS, ...fields });
const chef = (url: string, fields: object = {}) =>
  server({ engine: 'chef-infra', url, clientName: 'v', retireClientName: 'r', ...SECRETS, ...fields });
const managed = (fields: object) => server({ engine: 'opsworks-cm', serverName: 'S', ...fields });

describe('the identity of a server', () => {
  it.each([
    ['slashes at the end', puppet('https://p.example:8140'), puppet('https://p.example:8140//')],
    ['the case of the host', puppet('https://p.example'), puppet('https://P.Example')],
    ['the default port', puppet('https://p.example'), puppet('https://p.example:443')],
    [
      'its secrets and its CA',
      puppet('https://p.example'),
      puppet('https://p.example', { caSecret: 'ca-2', keySecret: 'k' }),
    ],
    ['the agent’s settings', puppet('https://p.example'), puppet('https://p.example', { firstRun: 'wait' })],
    [
      'where the organization stands',
      chef('https://c.example/organizations/o'),
      chef('https://c.example', { organization: 'o' }),
    ],
    ['the default organization', managed({}), managed({ chefOrganization: 'default' })],
  ])('is the same whatever %s', (_, one, other) => {
    expect(traitsOf(one).serverId).toBe(traitsOf(other).serverId);
  });

  it.each([
    ['engine', puppet('https://s.example'), chef('https://s.example')],
    ['host', puppet('https://p.example'), puppet('https://q.example')],
    ['port', puppet('https://p.example'), puppet('https://p.example:8140')],
    ['path', puppet('https://p.example/a'), puppet('https://p.example/A')],
    ['organization', chef('https://c.example/organizations/o'), chef('https://c.example/organizations/p')],
    ['organization under OpsWorks CM', managed({}), managed({ chefOrganization: 'shop' })],
    ['name', managed({}), managed({ serverName: 'T' })],
  ])('is another for another %s', (_, one, other) => {
    expect(traitsOf(one).serverId).not.toBe(traitsOf(other).serverId);
  });
});

const BRANCHES = [
  /\b(engine|serverEngine)\s*[!=]==?/,
  /[!=]==?\s*'(opsworks-cm|puppet|chef-infra|Puppet|ChefAutomate)'/,
  /\bcase '(opsworks-cm|puppet|chef-infra|Puppet|ChefAutomate)'/,
  /\bswitch \([^)]*engine\)/i,
  /'\w+' in (associate|server)\b/,
];
const OWN_FILES =
  /^(lib\/(engines|servers)|local\/doubles|services\/config-servers\/(index|chef-infra\/.*|opsworks-cm\/.*|puppet\/.*))\.ts$/;

describe('the name of an engine', () => {
  it.each([
    "if (associate.engine === 'puppet') return;",
    "associate.serverEngine !== 'Puppet'",
    'switch (associate.engine) {',
    "case 'chef-infra':",
    "associate && 'keySecret' in associate",
  ])('is found to be branched on in %s', (code) => {
    expect(BRANCHES.some((branch) => branch.test(code))).toBe(true);
  });

  it('is branched on in no file but the engines’ own', () => {
    const folders = '{cli,console,events,functions,lib,local,profiles,services,stack,story,sweep}';
    const files = globSync(`${folders}/**/*.ts`, { cwd: root }).filter((file) => !OWN_FILES.test(file));
    expect(files.length).toBeGreaterThan(100);
    const lines = files.flatMap((file) =>
      readFileSync(`${root}/${file}`, 'utf8')
        .split('\n')
        .map((text, index) => ({ at: `${file}:${index + 1}`, text })),
    );
    expect(lines.filter(({ text }) => BRANCHES.some((branch) => branch.test(text)))).toEqual([]);
  });
});
