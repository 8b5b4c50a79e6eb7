import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { InvalidRequest } from '../../../lib/errors.ts';
import { exemptionsRunningOut, readProfiles, readProfilesFile } from '../../../profiles/file.ts';
import { profileVersion } from '../../../profiles/version.ts';

const folder = mkdtempSync(join(tmpdir(), 'muster-profiles-'));
let files = 0;
function file(text: string): string {
  const path = join(folder, `profiles-${files++}.yml`);
  writeFileSync(path, text);
  return path;
}

/** The sentence with which a file is refused. */
function refusal(text: string): string {
  try {
    readProfiles(file(text));
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidRequest);
    return (error as Error).message;
  }
  throw new Error('The file was accepted.');
}

const profile = (extra: string) =>
  `profiles:\n  - name: web\n    match: { autoScalingGroup: "web-*" }\n    metadata: { httpTokens: required }\n${extra}`;

const STACK = '4c1c3e2a-8d0e-4c56-9d3e-6f0f5b3f7a11';
const puppet =
  '    associate: { engine: puppet, url: "https://p.example:8140", caSecret: c, keySecret: k, retireKeySecret: r, firstRun: wait }\n';
const chef =
  '    associate: { engine: chef-infra, url: "https://c.example/organizations/shop", keySecret: k, retireKeySecret: r, retireClientName: n, firstRun: none }\n';

describe('the former servers of a profiles file', () => {
  const SERVER = { engine: 'puppet', url: 'https://old.example', caSecret: 'c', keySecret: 'k', retireKeySecret: 'r' };

  it('are read as a message writes them, with what they leave out filled in', () => {
    const written = `formerServers: [${JSON.stringify(SERVER)}]\n`;
    const { formerServers } = readProfilesFile(file(`${profile('')}${written}`));
    expect(formerServers).toEqual([{ ...SERVER, firstRun: 'none' }]);
    expect(readProfilesFile(file(profile(''))).formerServers).toBeUndefined();
  });

  it.each([
    ['an engine that there is not', { ...SERVER, engine: 'salt' }, /formerServers\[0\]\.engine: /],
    ['a field of another engine', { ...SERVER, serverName: 'Old' }, /formerServers\[0\].*serverName/],
    [
      'no secret for its retirements',
      { ...SERVER, retireKeySecret: undefined },
      /formerServers\[0\]\.retireKeySecret: /,
    ],
    ['a plain http URL', { ...SERVER, url: 'http://old.example' }, /formerServers\[0\]\.url: .*https/],
  ])('are refused with %s', (_what, server, says) => {
    expect(refusal(`${profile('')}${stringify({ formerServers: [server] })}`)).toMatch(says);
  });

  it('are refused unless they are a list', () => {
    expect(refusal(`${profile('')}${stringify({ formerServers: SERVER })}`)).toMatch(/formerServers: /);
  });
});

describe('a profiles file that would match wider than it is written', () => {
  const matching = (tags: string) =>
    `profiles:\n  - name: web\n    match: { tags: ${tags} }\n    metadata: { httpTokens: required }\n`;

  it.each([
    ['{ __proto__: x }', '"__proto__" cannot be a key: rename it.'],
    ['{ __proto__: { team: shop } }', '"__proto__" cannot be a key: rename it.'],
    ['{ constructor: x }', '"constructor" cannot be a key: rename it.'],
    ['&t { team: *t }', '&t contains itself through *t: write out what is meant.'],
    ['{ <<: x, team: shop }', '<< merges maps only: give it an alias of a map, or a list of them.'],
    ['{ 1: x }', 'a key must be a string: write "1", in quotes.'],
  ])('is refused, with its line: %s', (tags, sentence) => {
    expect(refusal(matching(tags))).toMatch(/profiles-\d+\.yml:3: /);
    expect(refusal(matching(tags))).toContain(sentence);
  });
});

describe('reading a profiles file', () => {
  it.each([
    ['a Puppet Server', puppet, { engine: 'puppet', firstRun: 'wait' }],
    ['a Chef Infra Server', chef, { engine: 'chef-infra', firstRun: 'none' }],
    [
      'a Chef Infra Server with its organization beside its URL',
      chef.replace(
        '/organizations/shop"',
        '", organization: shop, runList: ["recipe[web::default]", "role[db]", plain]',
      ),
      { organization: 'shop', runList: ['recipe[web::default]', 'role[db]', 'plain'] },
    ],
    ['a Lightsail instance for a server', puppet, {}],
  ])('takes %s', (what, text, associate) => {
    const lines = what.includes('Lightsail')
      ? profile(`    csrFrom: request\n${text}`).replace('autoScalingGroup', 'lightsail')
      : profile(text);
    expect(readProfiles(file(lines))).toMatchObject([{ associate }]);
  });

  it('reads the file that the repository ships', () => {
    expect(readProfiles('profiles.yml').map(({ name }) => name)).toEqual(['web', 'database', 'batch', 'lightsail']);
  });

  it.each(['eu-west-1', 'ap-southeast-2', 'us-gov-west-1', 'us-iso-east-1', 'cn-north-1', 'eusc-de-east-1'])(
    'takes the Region %s',
    (region) => {
      expect(readProfiles(file(profile(`    regions: [${region}]\n`)))).toMatchObject([{ regions: [region] }]);
    },
  );

  it('fills in what a profile leaves out', () => {
    const [read] = readProfiles(file(profile('')));
    expect(read).toMatchObject({
      onFailure: 'hold',
      enrolWithinMinutes: 60,
      metadata: { onFailure: 'continue', lookBackDays: 14, canary: '10%' },
    });
  });

  it.each([
    [
      'a field that does not exist',
      profile('    onFail: hold\n'),
      /:5 profiles\[0\]\.onFail: there is no such field: write onFailure\.$/,
    ],
    [
      'a field that is like no other',
      profile('    colour: red\n'),
      /:5 profiles\[0\]\.colour: there is no such field: remove it, or write one of regions, lifecycleHook, .*abandonLimit\.$/,
    ],
    [
      'two fields that do not exist',
      profile('    hook: x\n    lifecycle-hook: y\n'),
      /:5 profiles\[0\]\.hook: .*\n\S*:6 profiles\[0\]\["lifecycle-hook"\]: .*: write lifecycleHook\.$/,
    ],
    [
      'a misspelt field, and not what would be there without the mistake',
      profile('').replace('autoScalingGroup:', 'autoScalingGrp:'),
      /^\S*:3 profiles\[0\]\.match\.autoScalingGrp: there is no such field: write autoScalingGroup\.$/,
    ],
    [
      'a field without a value',
      profile('    lifecycleHook:\n'),
      /:5 profiles\[0\]\.lifecycleHook: it has no value: give it a string\.$/,
    ],
    [
      'a map for a text, with a name that objects have by themselves',
      profile('    lifecycleHook: { toString: false }\n'),
      /:5 profiles\[0\]\.lifecycleHook: it must be a string, not \{"toString":false\}\.$/,
    ],
    [
      'a number for a text',
      profile('    match: { tags: { release: 2 } }\n').replace('    match: { autoScalingGroup: "web-*" }\n', ''),
      /:4 profiles\[0\]\.match\.tags\.release: it must be a string, not 2: write "2", in quotes\.$/,
    ],
    [
      'a profile without a match',
      profile('').replace('    match: { autoScalingGroup: "web-*" }\n', ''),
      /:2 profiles\[0\]\.match: it is missing: give it an object \(fields: autoScalingGroup, lightsail, tags\)\.$/,
    ],
    [
      'a server of no known engine',
      profile('    associate: { engine: chef }\n'),
      /:5 profiles\[0\]\.associate\.engine: it must be "opsworks-cm" or "puppet" or "chef-infra", not "chef"\.$/,
    ],
    [
      'a server without an engine',
      profile('    associate: { serverName: S }\n'),
      /:5 profiles\[0\]\.associate\.engine: it is missing: give it "opsworks-cm" or "puppet" or "chef-infra"\.$/,
    ],
    [
      'a file of nothing',
      '',
      /:1: it has no value: give it an object \(fields: profiles, exemptions, formerServers, sweep\)\.$/,
    ],
    ['a value that is none of its choices', profile('    onFailure: retry\n'), /:5 profiles\[0\]\.onFailure: .*"hold"/],
    [
      'a group and a Lightsail name at once',
      profile('').replace('"web-*"', '"web-*", lightsail: "w"'),
      /never in an Auto Scaling group/,
    ],
    [
      'a match of nothing',
      profile('').replace('{ autoScalingGroup: "web-*" }', '{}'),
      /:3 profiles\[0\]\.match: Say at least one/,
    ],
    [
      'a profile that asks for nothing',
      'profiles:\n  - name: web\n    match: { lightsail: "*" }\n',
      /asks for nothing/,
    ],
    [
      'a name that is used twice',
      `${profile('')}${profile('').replace('profiles:\n', '')}`,
      /:5 profiles\[1\]\.name: "web" is the name of another profile too: give each its own\./,
    ],
    [
      'a hop limit of none',
      profile('').replace('required', 'required, httpPutResponseHopLimit: 0'),
      /httpPutResponseHopLimit/,
    ],
    ...['0', '-3', '1.5', '456', 'soon'].map((days): [string, string, RegExp] => [
      `a look-back of ${days} days`,
      profile('').replace('required', `required, lookBackDays: ${days}`),
      /:4 profiles\[0\]\.metadata\.lookBackDays: /,
    ]),
    ...['0%', '101%', '10', 'ten', '5.5%'].map((share): [string, string, RegExp] => [
      `a canary of ${share}`,
      profile('').replace('required', `required, canary: ${share}`),
      /:4 profiles\[0\]\.metadata\.canary: /,
    ]),
    [
      'metadata options without httpTokens',
      profile('').replace('httpTokens: required', 'httpPutResponseHopLimit: 2'),
      /metadata\.httpTokens/,
    ],
    [
      'no Regions',
      profile('    regions: []\n'),
      /:5 profiles\[0\]\.regions: Name at least one Region, or leave regions out/,
    ],
    ['a Region that is no list', profile('    regions: eu-west-1\n'), /:5 profiles\[0\]\.regions: /],
    [
      'a Region that is none',
      profile('    regions:\n      - eu-west-1\n      - eu-west-1a\n'),
      /:7 profiles\[0\]\.regions\[1\]: .*a Region such as "eu-west-1"/,
    ],
    [
      'a Region that is named twice',
      profile('    regions:\n      - us-east-1\n      - eu-west-1\n      - us-east-1\n'),
      /:8 profiles\[0\]\.regions\[2\]: "us-east-1" is named twice: keep it once/,
    ],
    [
      'a stack of several Regions',
      profile(`    regions: [eu-west-1, us-east-1]\n    register: { stackId: ${STACK} }\n`),
      /:5 profiles\[0\]\.regions: An OpsWorks stack takes instances of its own Region only/,
    ],
    [
      'an organization of a Puppet server',
      profile('    associate: { engine: opsworks-cm, serverName: P, serverEngine: Puppet, chefOrganization: d }\n'),
      /Puppet server has no Chef organization/,
    ],
    [
      'a hook for Lightsail',
      profile('    lifecycleHook: h\n').replace('autoScalingGroup', 'lightsail'),
      /no lifecycle hooks/,
    ],
    [
      'a stack for Lightsail',
      profile(`    register: { stackId: ${STACK} }\n`).replace('autoScalingGroup', 'lightsail'),
      /takes no Lightsail instances/,
    ],
    [
      'a CSR from the request for a group',
      profile('    csrFrom: request\n    associate: { engine: opsworks-cm, serverName: S }\n'),
      /csrFrom: csrFrom is for Lightsail/,
    ],
    [
      'a server without TLS',
      profile(puppet.replace('https', 'http')),
      /associate\.url: it must be an https:\/\/ URL, not "http:/,
    ],
    ['a server without a key', profile(puppet.replace('keySecret: k, ', '')), /associate\.keySecret/],
    [
      'a secret that no secret is named',
      profile(puppet.replace('keySecret: k,', 'keySecret: "a b",')),
      /name of a secret/,
    ],
    ['a run that is none', profile(puppet.replace('firstRun: wait', 'firstRun: yes')), /associate\.firstRun/],
    [
      'a Chef server whose validator nobody knows',
      profile(chef.replace('/organizations/shop', '')),
      /clientName: Say the validator's clientName/,
    ],
    [
      'half a policy',
      profile(chef.replace('firstRun', 'policyName: p, firstRun')),
      /policyName and policyGroup together/,
    ],
    [
      'a policy and a run list',
      profile(chef.replace('firstRun', 'policyName: p, policyGroup: g, runList: ["recipe[a]"], firstRun')),
      /keep one of them/,
    ],
    [
      'a run list in which a shell finds something to do',
      profile(chef.replace('firstRun', `runList: ["recipe[a]'; reboot"], firstRun`)),
      /associate\.runList/,
    ],
    ['text that is not YAML', 'profiles: [', /not YAML/],
    ['a list of no profiles', 'profiles: []', /profiles/],
  ])('refuses %s, and names file, line and field', (_what, text, sentence) => {
    const message = refusal(text);
    expect(message).toMatch(sentence);
    expect(message).toContain(folder);
  });
});

/** A file in which every field has a value that is taken. */
const WHOLE = {
  profiles: [
    {
      name: 'web',
      match: { autoScalingGroup: 'web-*', tags: { role: 'web' } },
      regions: ['eu-west-1'],
      lifecycleHook: 'a',
      terminationHook: 'b',
      register: { stackId: STACK, layerIds: [STACK] },
      associate: { engine: 'opsworks-cm', serverName: 'S', serverEngine: 'ChefAutomate', chefOrganization: 'default' },
      metadata: {
        httpTokens: 'required',
        httpEndpoint: 'enabled',
        httpPutResponseHopLimit: 2,
        onFailure: 'fail',
        lookBackDays: 14,
        canary: '10%',
      },
      enrolWithinMinutes: 60,
      onFailure: 'hold',
      abandonLimit: 3,
    },
    {
      name: 'puppet',
      match: { lightsail: 'p-*' },
      csrFrom: 'node',
      associate: {
        ...{ engine: 'puppet', url: 'https://p.example:8140', caSecret: 'c', keySecret: 'k', retireKeySecret: 'r' },
        ...{ environment: 'production', firstRun: 'wait' },
      },
    },
    {
      name: 'chef',
      match: { tags: { role: 'chef' } },
      associate: {
        ...{ engine: 'chef-infra', url: 'https://c.example', organization: 'shop', caSecret: 'c', keySecret: 'k' },
        ...{ clientName: 'v', retireKeySecret: 'r', retireClientName: 'n', runList: ['role[a]'], environment: 'e' },
        ...{ firstRun: 'none' },
      },
    },
  ],
  exemptions: [
    {
      match: { instanceId: 'i-0123456789abcdef0', name: 'a', tags: { role: 'old' } },
      trusted: 'tags',
      ...{ from: ['imdsv2'], owner: 'payments', reason: 'A scanner.', expires: '2031-09-30' },
    },
  ],
  sweep: { maxStarts: 100, maxRetirements: 10 },
};

const PUT_THERE = [
  undefined,
  null,
  0,
  -1,
  1.5,
  1e300,
  '',
  'x y',
  'x'.repeat(600),
  true,
  [],
  [null],
  {},
  { misspelt: 1 },
];

/** The file, with each of its values in turn changed into each of the others. */
function* spoilt(value: unknown, rebuild: (changed: unknown) => unknown): Generator<unknown> {
  for (const other of PUT_THERE) yield rebuild(other);
  if (typeof value !== 'object' || value === null) return;
  yield rebuild({ ...value, misspelt: 1, 'mis spelt': 2 });
  for (const [key, below] of Object.entries(value)) {
    yield* spoilt(below, (changed) =>
      rebuild(Array.isArray(value) ? value.with(Number(key), changed) : { ...value, [key]: changed }),
    );
  }
}

describe('a profiles file in which anything may be wrong', () => {
  const path = join(folder, 'spoilt.yml');
  const refusalOf = (content: unknown) => {
    writeFileSync(path, stringify(content ?? null));
    try {
      readProfilesFile(path, TODAY);
      return '';
    } catch (error) {
      if (error instanceof InvalidRequest) return error.message;
      throw error;
    }
  };

  it('is taken as it is', () => {
    expect(refusalOf(WHOLE)).toBe('');
  });

  it('is refused in sentences that name file, line and field, and say what to do', () => {
    const lines = [...spoilt(WHOLE, (changed) => changed)].flatMap((content) => refusalOf(content).split('\n'));
    const sentences = [...new Set(lines.filter(Boolean).map((line) => line.replace(/:\d+/, ':N')))];
    expect(sentences.length).toBeGreaterThan(300);
    const field = /^( (profiles|exemptions|sweep|misspelt|\["mis spelt"\])[^ ]*( spelt"\])?)?: /;
    const unlike = sentences.filter((sentence) => {
      const [start, told = ''] = [sentence.slice(0, path.length + 2), sentence.slice(path.length + 2)];
      return start !== `${path}:N` || !field.test(told) || !told.endsWith('.');
    });
    expect(unlike).toEqual([]);
    // zod's own words.
    expect(
      sentences.filter((sentence) => /[Uu]nrecognized|Invalid|Too (small|big)|expected|received/.test(sentence)),
    ).toEqual([]);
    const fixes = /it must be|give (it|each)|write|remove|keep|correct|[Ss]ay |[Nn]ame |fill|look at it again/;
    expect(sentences.filter((sentence) => !fixes.test(sentence))).toEqual([]);
  });
});

const TODAY = new Date('2031-05-06T12:00:00Z');

/** A file with one exemption, a field of it changed or left out. */
const exempting = (changes: Record<string, string | undefined> = {}) => {
  const fields = {
    match: '{ instanceId: i-0123456789abcdef0 }',
    from: '[imdsv2]',
    owner: 'payments',
    reason: 'Its scanner speaks IMDSv1 only.',
    expires: '2031-09-30',
    ...changes,
  };
  const lines = Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : `${name}: ${value}`));
  return `${profile('')}exemptions:\n  - ${lines.join('\n    ')}\n`;
};

describe('the exemptions of a profiles file', () => {
  it.each(['2031-09-30', '"2031-09-30"', "'2031-09-30'"])('have a day, quoted or not: %s', (expires) => {
    expect(readProfilesFile(file(exempting({ expires })), TODAY).exemptions).toEqual([
      {
        match: { instanceId: 'i-0123456789abcdef0' },
        from: ['imdsv2'],
        owner: 'payments',
        reason: 'Its scanner speaks IMDSv1 only.',
        expires: '2031-09-30',
      },
    ]);
  });

  it('are none where the file says none', () => {
    expect(readProfilesFile(file(profile('')), TODAY).exemptions).toEqual([]);
  });

  it.each([
    ['without a day', { expires: undefined }, /:6 exemptions\[0\]\.expires: Say the last day/],
    ['with a day that is none', { expires: '2031-02-30' }, /:10 exemptions\[0\]\.expires: Say the last day/],
    ['with a time', { expires: '2031-09-30T00:00:00Z' }, /:10 exemptions\[0\]\.expires: Say the last day/],
    ['for ever', { expires: 'never' }, /:10 exemptions\[0\]\.expires: Say the last day/],
    ['for a number of days', { expires: '30' }, /:10 exemptions\[0\]\.expires: Say the last day/],
    ['for more than a year', { expires: '2032-05-07' }, /:10 exemptions\[0\]\.expires: .*up to 2032-05-06/],
    ['without an owner', { owner: undefined }, /:6 exemptions\[0\]\.owner: Say who answers/],
    ['with an owner of blanks', { owner: '"  "' }, /:8 exemptions\[0\]\.owner: Say who answers/],
    ['without a reason', { reason: undefined }, /:6 exemptions\[0\]\.reason: Say why/],
    ['from nothing', { from: '[]' }, /:7 exemptions\[0\]\.from/],
    ['from something else', { from: '[patching]' }, /:7 exemptions\[0\]\.from\[0\]: .*"imdsv2" or "association"/],
    ['of nobody', { match: '{}' }, /:6 exemptions\[0\]\.match: Say at least one/],
    ['of no tags', { match: '{ tags: {} }' }, /:6 exemptions\[0\]\.match: Say at least one/],
    [
      'by tags that an instance may set itself',
      { match: '{ tags: { team: payments } }' },
      /:6 exemptions\[0\]\.match\.tags: An instance may be allowed to set its own tags, and so to exempt itself\. Add "trusted: tags" if only you can set these, or name instances by instanceId\./,
    ],
    [
      'by such tags beside one of AWS',
      { match: '{ tags: { team: payments, "aws:autoscaling:groupName": web } }' },
      /:6 exemptions\[0\]\.match\.tags: An instance may be allowed to set its own tags/,
    ],
    [
      'that trusts something else',
      { trusted: 'names' },
      /:11 exemptions\[0\]\.trusted: it must be "tags", not "names"\./,
    ],
    [
      'of an id that is none',
      { match: '{ instanceId: web-1 }' },
      /:6 exemptions\[0\]\.match\.instanceId: it must be an EC2/,
    ],
    ['with a field that does not exist', { until: '2031-09-30' }, /:11 exemptions\[0\]\.until: there is no such field/],
  ])('are refused %s, with file, line and field', (_what, changes, sentence) => {
    const path = file(exempting(changes));
    expect(() => readProfilesFile(path, TODAY)).toThrow(sentence);
    expect(() => readProfilesFile(path, TODAY)).toThrow(path);
  });

  it('may last until the same day of the next year', () => {
    expect(readProfilesFile(file(exempting({ expires: '2032-05-06' })), TODAY).exemptions).toHaveLength(1);
  });

  it.each([
    ['2031-05-05', /:10 exemptions\[0\]\.expires: the exemption from imdsv2 ended after 2031-05-05 .* remove it/],
    ['2031-05-06', /:10 exemptions\[0\]\.expires: the exemption from imdsv2 ends after 2031-05-06.* ask payments/],
    ['2031-06-05', /ends after 2031-06-05/],
  ])('are warned of when they end within 30 days, or have ended: %s', (expires, sentence) => {
    const path = file(exempting({ expires }));
    expect(exemptionsRunningOut(path, TODAY)).toEqual([expect.stringMatching(sentence)]);
    expect(exemptionsRunningOut(path, TODAY)[0]).toContain(path);
  });

  it('are not warned of while they have more than 30 days', () => {
    expect(exemptionsRunningOut(file(exempting({ expires: '2031-06-06' })), TODAY)).toEqual([]);
  });

  it("change nobody's profile version", () => {
    const versions = [profile(''), exempting()].map((text) =>
      readProfilesFile(file(text), TODAY).profiles.map(profileVersion),
    );
    expect(versions[1]).toEqual(versions[0]);
  });
});
