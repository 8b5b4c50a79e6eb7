import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { InvalidRequest } from '../../../lib/errors.ts';
import { profileVersion } from '../../../lib/profiles.ts';
import { exemptionsRunningOut, readProfiles, readProfilesFile } from '../../../lib/profiles-file.ts';

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
    ['a field that does not exist', profile('    onFail: hold\n'), /:2 profiles\[0\]: Unrecognized key: "onFail"/],
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
      /:5 profiles\[1\]\.name: "web" is used twice/,
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
    ['a server without TLS', profile(puppet.replace('https', 'http')), /associate\.url: an https:\/\/ URL/],
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
    ['from something else', { from: '[patching]' }, /:7 exemptions\[0\]\.from\[0\]: .*"imdsv2"\|"association"/],
    ['of nobody', { match: '{}' }, /:6 exemptions\[0\]\.match: Say at least one/],
    ['of no tags', { match: '{ tags: {} }' }, /:6 exemptions\[0\]\.match: Say at least one/],
    ['of an id that is none', { match: '{ instanceId: web-1 }' }, /:6 exemptions\[0\]\.match\.instanceId: an EC2/],
    ['with a field that does not exist', { until: '2031-09-30' }, /exemptions\[0\]: Unrecognized key: "until"/],
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
