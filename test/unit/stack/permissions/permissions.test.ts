// biome-ignore-all lint/suspicious/noTemplateCurlyInString: CloudFormation's and the framework's variables
import { globSync, mkdtempSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { OUTCOMES } from '../../../../events/outcomes.ts';
import { BINDING_ATTRIBUTES } from '../../../../lib/ledger-item.ts';
import { Associate } from '../../../../lib/servers.ts';
import { openYaml } from '../../../../lib/yaml-file.ts';
import { readProfiles, readProfilesFile } from '../../../../profiles/file.ts';
import { originOf, readFunctions, stateOf, withheldActions } from '../../../../resources/functions.ts';
import { readGenerated } from '../../../../resources/service.ts';
import { bundle } from '../../../../stack/bundle/bundle.ts';
import { grantsOf, POLICY_ACTIONS } from '../../../../stack/permissions/from-profiles.ts';
import { SENT_BY_HAND } from '../../../../stack/permissions/iam.ts';
import { needsOf } from '../../../../stack/permissions/needs.ts';
import { actionsOf, faultsOfClients, faultsOfRoles } from '../../../../stack/permissions/permissions.ts';
import { statementsOf } from '../../../../stack/permissions/policy.ts';
import { render, sourcesOf } from '../../../../stack/template/source.ts';
import { Template } from '../../../../stack/template/values.ts';
import { functionNames } from '../../../support/functions.ts';

const root = fileURLToPath(new URL('../../../..', import.meta.url)).replace(/\/$/, '');
const temporary = () => realpathSync(mkdtempSync(join(tmpdir(), 'muster-roles-')));
const bundles = await bundle(root, functionNames, {}, temporary());
const actions = Object.fromEntries(bundles.map((one) => [one.name, actionsOf(one)]));

const PROFILES = `profiles:
  - name: web
    match: { autoScalingGroup: "web-*" }
    register: { stackId: 4c1c3e2a-8d0e-4c56-9d3e-6f0f5b3f7a11 }
    associate:
      engine: puppet
      url: https://puppet.example:8140
      caSecret: muster/puppet-ca
      keySecret: muster/puppet-enrol
      retireKeySecret: muster/puppet-retire
    lifecycleHook: up
    terminationHook: down
  - name: database
    match: { tags: { role: database } }
    associate:
      engine: chef-infra
      url: https://chef.example/organizations/acme
      caSecret: muster/chef-ca
      keySecret: muster/chef-validator
      retireKeySecret: muster/chef-retire
      retireClientName: muster-retire
`;

/** The functions and their roles under these profiles, as the framework makes them. */
function templateOf(profilesFile: string): Template {
  const { profiles, formerServers } = readProfilesFile(profilesFile);
  const parts = grantsOf(profiles, formerServers);
  const { functions, resources } = readGenerated(root, parts);
  const grants = new Map<string, unknown>(Object.entries(parts));
  const deployed = Object.entries(functions as Record<string, { name: string; handler: string; role: string }>).map(
    ([key, { name, handler, role }]) => [
      `${key.slice(0, 1).toUpperCase()}${key.slice(1)}LambdaFunction`,
      {
        Type: 'AWS::Lambda::Function',
        Properties: { FunctionName: name, Handler: handler, Role: { 'Fn::GetAtt': [role, 'Arn'] } },
      },
    ],
  );
  const text = JSON.stringify({ Resources: { ...resources.Resources, ...Object.fromEntries(deployed) } });
  const filledIn = JSON.parse(text.replaceAll('${sls:stage}', 'dev'), (_key, value) => {
    const [, part] = /^\$\{file\(build\/from-profiles\.json\):(\w+)\}$/.exec(value) ?? [];
    return part === undefined ? value : grants.get(part);
  });
  return Template.parse(filledIn);
}

/** The faults of a template in which a part of one role, as JSON, reads otherwise. */
function faultsOf(role = '', part = '', otherwise = '', profilesText = PROFILES): string[] {
  const file = join(temporary(), 'profiles.yml');
  writeFileSync(file, profilesText);
  const template = templateOf(file);
  if (role) {
    const text = JSON.stringify(template.Resources[role]);
    if (!text.includes(part)) throw new Error(`${role} says no ${part}: ${text}`);
    template.Resources[role] = JSON.parse(text.replace(part, () => otherwise));
  }
  const needs = needsOf(openYaml(file, 'profiles.yml'), readProfiles(file));
  const withheld = withheldActions(readFunctions(root).table, grantsOf(readProfiles(file)), POLICY_ACTIONS);
  return render(faultsOfRoles(template, bundles, needs, withheld), sourcesOf(root)).map((fault) =>
    fault.replace(/^resources\/functions\.yml:\d+/, 'resources/functions.yml:N'),
  );
}

describe('what a bundle can send', () => {
  it('is what is left in it of the clients', () => {
    expect(actions['keep-waiting']).toEqual([
      'autoscaling:DescribeAutoScalingInstances',
      'autoscaling:DescribeLifecycleHooks',
      'dynamodb:GetItem',
    ]);
    expect(actions['finish-termination']).toContain('autoscaling:CompleteLifecycleAction');
    expect(actions['request-identity']).toEqual(['ssm:DescribeInstanceInformation', 'ssm:SendCommand']);
  });

  it('is what it sends without a client as well, and every module that does so is known', () => {
    expect(actions.sweep).toContain('s3:PutObject');
    const signing = globSync('{events,functions,lib,services,sweep}/**/*.ts', { cwd: root }).filter((file) =>
      readFileSync(join(root, file), 'utf8').includes("from 'aws4fetch'"),
    );
    expect(signing).toEqual(Object.keys(SENT_BY_HAND));
  });

  it('is something of every client that it carries', () => {
    expect(faultsOfClients(bundles)).toEqual([]);
  });

  it('may not be nothing of a client', () => {
    const file = 'node_modules/@aws-sdk/client-ec2/dist-es/EC2Client.js';
    const [first] = bundles;
    if (!first) throw new Error('There is no function.');
    expect(faultsOfClients([{ ...first, name: 'idle', inputs: { [file]: 1 } }])).toEqual([
      'functions/idle.ts:1: it carries @aws-sdk/client-ec2 and calls nothing of it: import from a module without it.',
    ]);
  });

  it('is known by a name of IAM', () => {
    const file = 'node_modules/@aws-sdk/client-new/dist-es/commands/MakeCommand.js';
    expect(() => actionsOf({ inputs: { [file]: 1 } })).toThrow('add it to PREFIXES');
  });
});

describe('the roles', () => {
  it('allow what their functions send, and no more', () => {
    expect(faultsOf()).toEqual([]);
  });

  it('name the secrets of other profiles when those are others', () => {
    expect(faultsOf('', '', '', PROFILES.replaceAll('muster/', 'other/'))).toEqual([]);
  });
});

describe('every role that changes items of the ledger', () => {
  const { table } = readFunctions(root);
  const roles = Object.entries(readGenerated(root, { commandTargets: [], hardeningTargets: [] }).resources.Resources);
  const changing = Object.entries(table).filter(([, { grants }]) =>
    grants.some(({ allow }) => allow.includes('dynamodb:UpdateItem')),
  );

  it.each(changing)('is denied each binding attribute that it has no right to: %s', (name, { binds }) => {
    const denied = [...BINDING_ATTRIBUTES.filter((attribute) => !binds.includes(attribute)), 'holder'];
    const [, body] = roles.find(([role]) => role === `${stateOf(name)}Role`) ?? [];
    const statements = statementsOf(Object(body).Properties);
    const denials = Array.isArray(statements) ? statements.filter(({ Effect }) => Effect === 'Deny') : [];
    const conditions = denials.map(({ Condition }) => Condition['ForAnyValue:StringEquals']?.['dynamodb:Attributes']);
    expect(conditions.filter(Boolean)).toEqual([denied]);
  });
});

describe('the events that a function may send', () => {
  const { table } = readFunctions(root);
  const sending = Object.entries(table).filter(([, { grants }]) => grants.some(({ sends }) => sends));

  /** The function's own file, and what it imports of events/; outcomes.ts there lists the events of all functions. */
  function textOf(name: string): string {
    const own = readFileSync(join(root, `functions/${name}.ts`), 'utf8');
    const imported = [...own.matchAll(/'\.\.\/(events\/[\w-]+\.ts)'/g)].map(([, file = '']) => file);
    const others = imported.filter((file) => file !== 'events/outcomes.ts');
    return [own, ...others.map((file) => readFileSync(join(root, file), 'utf8'))].join('\n');
  }

  it.each(sending)('are those that its file names, or a file of events/ that it imports: %s', (name, { grants }) => {
    const text = textOf(name);
    const named = Object.keys(OUTCOMES).filter((type) => text.includes(`'${type}'`));
    expect(grants.flatMap(({ sends = [] }) => sends).toSorted()).toEqual(named.toSorted());
  });

  it('are all that there are', () => {
    const all = sending.flatMap(([, { grants }]) => grants.flatMap(({ sends = [] }) => sends));
    expect(all.toSorted()).toEqual(Object.keys(OUTCOMES).toSorted());
  });
});

describe('the roles under profiles of another Region', () => {
  const profiles = PROFILES.replaceAll(
    '    match:',
    '    regions: [us-east-1]\n    metadata: { httpTokens: required }\n    match:',
  );

  it('allow what their functions send, and no more', () => {
    expect(faultsOf('', '', '', profiles)).toEqual([]);
  });

  it('let nobody touch an instance, a group or a Lightsail instance in any Region but theirs', () => {
    const file = join(temporary(), 'profiles.yml');
    writeFileSync(file, profiles);
    const roles = Object.values(templateOf(file).Resources).filter(({ Type }) => Type === 'AWS::IAM::Role');
    const statements = roles.flatMap(({ Properties }) => {
      const read = statementsOf(Properties);
      if (!Array.isArray(read)) throw new Error(read);
      return read;
    });
    const arns = statements.flatMap(({ Resource }) =>
      Resource.filter((one) => /:(ec2|lightsail|autoscaling):/.test(one)),
    );
    expect(new Set(arns.map((arn) => arn.split(':').at(-1)?.split('/')[0]))).toEqual(
      new Set(['instance', 'Instance', 'autoScalingGroupName']),
    );
    expect(arns.filter((arn) => !/:(ec2|lightsail|autoscaling):us-east-1:/.test(arn))).toEqual([]);
  });
});

const SHAPES: Readonly<Record<string, string>> = {
  'EC2 alone, hardened': '{ match: { autoScalingGroup: web }, metadata: { httpTokens: required } }',
  'EC2 alone, with OpsWorks CM and hooks':
    '{ match: { autoScalingGroup: web }, lifecycleHook: up, terminationHook: down, associate: { engine: opsworks-cm, serverName: Chef } }',
  'Lightsail alone, hardened': '{ match: { lightsail: "*" }, metadata: { httpTokens: required } }',
  'Lightsail alone, with Puppet':
    '{ match: { lightsail: "*" }, associate: { engine: puppet, url: "https://p.example", caSecret: ca, keySecret: key, retireKeySecret: retire } }',
  'tags alone': '{ match: { tags: { role: web } }, metadata: { httpTokens: required } }',
  'a stack alone': '{ match: { autoScalingGroup: web }, register: { stackId: 4c1c3e2a-8d0e-4c56-9d3e-6f0f5b3f7a11 } }',
};

describe('the roles under profiles for', () => {
  /** By function: every action that its role allows. */
  function allowedUnder(shape: string): Record<string, string[]> {
    const file = join(temporary(), 'profiles.yml');
    writeFileSync(file, profilesOf(shape));
    const { Resources } = templateOf(file);
    const roles = Object.entries(Resources).filter(([, { Type }]) => Type === 'AWS::IAM::Role');
    return Object.fromEntries(
      roles.map(([name, { Properties }]) => {
        const statements = statementsOf(Properties);
        if (!Array.isArray(statements)) throw new Error(statements);
        return [
          name.replace(/Role$/, ''),
          statements.filter(({ Effect }) => Effect === 'Allow').flatMap(({ Action }) => Action),
        ];
      }),
    );
  }
  const profilesOf = (shape: string) => {
    const [first, ...rest] = (SHAPES[shape] ?? '').split('');
    return `profiles:\n  - ${first} name: only,${rest.join('')}\n`;
  };
  const all = (shape: string) => Object.values(allowedUnder(shape)).flat();

  it.each(Object.keys(SHAPES))('%s allow what their functions send there, and no more', (shape) => {
    expect(faultsOf('', '', '', profilesOf(shape))).toEqual([]);
  });

  it.each(Object.keys(SHAPES))('%s name nothing that there is not', (shape) => {
    expect(JSON.stringify(allowedUnder(shape))).not.toMatch(/none/);
  });

  it('EC2 alone let none change a Lightsail instance or look at its operations', () => {
    const roles = allowedUnder('EC2 alone, hardened');
    for (const name of ['EnforceImdsV2', 'ConfirmImdsV2', 'RevertMetadata'])
      expect(roles[name]?.filter((action) => action.startsWith('lightsail:'))).toEqual([]);
    expect(roles.EnforceImdsV2).toContain('ec2:ModifyInstanceMetadataOptions');
  });

  it('Lightsail alone let none change an EC2 instance', () => {
    const roles = allowedUnder('Lightsail alone, hardened');
    expect(roles.EnforceImdsV2).toContain('lightsail:UpdateInstanceMetadataOptions');
    expect(roles.RevertMetadata).toContain('lightsail:UpdateInstanceMetadataOptions');
    expect(all('Lightsail alone, hardened')).not.toContain('ec2:ModifyInstanceMetadataOptions');
  });

  it('tags alone may be for either', () => {
    const { EnforceImdsV2 } = allowedUnder('tags alone');
    expect(EnforceImdsV2).toContain('lightsail:UpdateInstanceMetadataOptions');
    expect(EnforceImdsV2).toContain('ec2:ModifyInstanceMetadataOptions');
  });

  it('no engine, stack, hook or node let no role call a service for them', () => {
    expect(
      all('EC2 alone, hardened').filter((action) => /^(opsworks|opsworks-cm|ssm|secretsmanager):/.test(action)),
    ).toEqual([]);
    expect(all('EC2 alone, hardened').filter((action) => /^autoscaling:(Complete|Record)/.test(action))).toEqual([]);
    expect(all('Lightsail alone, with Puppet').filter((action) => /^(opsworks|opsworks-cm):/.test(action))).toEqual([]);
    expect(all('a stack alone').filter((action) => /^opsworks-cm:/.test(action))).toEqual([]);
  });

  it('OpsWorks CM let the four functions call it that speak to its servers', () => {
    const roles = allowedUnder('EC2 alone, with OpsWorks CM and hooks');
    const callers = Object.keys(roles).filter((name) =>
      roles[name]?.some((action) => action.startsWith('opsworks-cm:')),
    );
    expect(callers.toSorted()).toEqual([
      'AssociateNode',
      'ConfirmAssociation',
      'ConfirmDisassociation',
      'DisassociateNode',
    ]);
  });

  it('none but a former server let retirements alone reach it', () => {
    const server = Associate.parse({ engine: 'opsworks-cm', serverName: 'Former' });
    const { opsWorksCmEnrolling, opsWorksCmRetiring } = grantsOf([], [server]);
    expect({ opsWorksCmEnrolling, opsWorksCmRetiring }).toEqual({ opsWorksCmEnrolling: [], opsWorksCmRetiring: ['*'] });
  });

  it('a server of the past let retirements alone read its secrets, and are accepted so', () => {
    const former = `formerServers:
  - { engine: puppet, url: "https://former.example", caSecret: old/ca, keySecret: old/enrol, retireKeySecret: old/retire }
  - { engine: opsworks-cm, serverName: Former }
`;
    const file = join(temporary(), 'profiles.yml');
    writeFileSync(file, PROFILES + former);
    const { profiles, formerServers } = readProfilesFile(file);
    const parts = grantsOf(profiles, formerServers);
    const withheld = withheldActions(readFunctions(root).table, parts, POLICY_ACTIONS);
    const needs = needsOf(openYaml(file, 'profiles.yml'), profiles, formerServers);
    const template = templateOf(file);
    expect(faultsOfRoles(template, bundles, needs, withheld)).toEqual([]);
    const readers = Object.entries(template.Resources).filter(([, body]) =>
      JSON.stringify(body).includes('old/retire'),
    );
    expect(readers.map(([name]) => name)).toEqual(['CheckRequestRole', 'DisassociateNodeRole']);
    expect(JSON.stringify(template)).not.toContain('old/enrol');
  });

  it('OpsWorks CM are refused without a role that may call it', () => {
    const { needs, template } = withProfiles(profilesOf('EC2 alone, with OpsWorks CM and hooks'));
    template.Resources.AssociateNodeRole = structuredClone(template.Resources.CheckRequestRole) as never;
    expect(
      faultsOfRoles(template, bundles, needs)
        .map(({ says }) => says)
        .join('\n'),
    ).toMatch(
      /profiles\.yml:\d+: the profile only names a server of OpsWorks CM, which AssociateNodeRole does not allow/,
    );
  });

  function withProfiles(text: string) {
    const file = join(temporary(), 'profiles.yml');
    writeFileSync(file, text);
    return { needs: needsOf(openYaml(file, 'profiles.yml'), readProfiles(file)), template: templateOf(file) };
  }
});

describe('the build refuses a role that', () => {
  const ledger = '{"Fn::GetAtt":["Ledger","Arn"]}';
  it('lacks what its function can send', () => {
    expect(faultsOf('StartEnrolmentRole', 'autoscaling:RecordLifecycleActionHeartbeat', 'logs:PutLogEvents')).toEqual([
      'resources/functions.yml:N: StartEnrolmentRole, for functions/start-enrolment.ts, lacks ' +
        'autoscaling:RecordLifecycleActionHeartbeat, which start-enrolment can send: allow it.',
      'profiles.yml:11: the profile web names a lifecycleHook, which StartEnrolmentRole does not allow: add it to its grants ' +
        'in resources/functions.yml.',
    ]);
  });

  it('allows what its function never sends', () => {
    expect(faultsOf('TakeIdentityRole', '["dynamodb:GetItem",', '["dynamodb:GetItem","dynamodb:Query",')).toEqual([
      'resources/functions.yml:N: TakeIdentityRole, for functions/take-identity.ts, allows dynamodb:Query, which ' +
        'take-identity never sends: remove it.',
    ]);
  });

  it('allows whatever a service may learn', () => {
    expect(faultsOf('CollectIdentityRole', 'ssm:GetCommandInvocation', 'ssm:Get*').join()).toContain(
      'allows the wildcard ssm:Get*: name each action',
    );
  });

  it('says "*" where something narrower is known', () => {
    expect(faultsOf('FinishLaunchRole', ledger, '"*"')).toEqual([
      'resources/functions.yml:N: FinishLaunchRole, for functions/finish-launch.ts, allows dynamodb:UpdateItem on "*": name ' +
        'the resource, or a reason in STARS of stack/permissions/iam.ts.',
    ]);
  });

  it('sends commands to instances without a tag', () => {
    const send = (resource: string) => [{ Effect: 'Allow', Action: 'ssm:SendCommand', Resource: resource }];
    const faultsOn = (resource: string) => {
      const file = join(temporary(), 'profiles.yml');
      writeFileSync(file, PROFILES);
      const targets = grantsOf(readProfiles(file)).commandTargets;
      return faultsOf('RequestIdentityRole', JSON.stringify(targets), JSON.stringify(send(resource)));
    };
    expect(faultsOn('arn:aws:ec2:*:*:instance/*')).toEqual([
      'resources/functions.yml:N: RequestIdentityRole, for functions/request-identity.ts, allows ssm:SendCommand on ' +
        'arn:aws:ec2:*:*:instance/*, which is more than one: name it, or give a reason in WILDCARDS of stack/permissions/iam.ts.',
    ]);
    expect(faultsOn('arn:aws:ec2:eu-west-1:1:instance/*')).toEqual([
      'resources/functions.yml:N: RequestIdentityRole, for functions/request-identity.ts, allows ssm:SendCommand on ' +
        'arn:aws:ec2:eu-west-1:1:instance/*, whatever its tags are: add a condition on a tag (…resourceTag/…).',
    ]);
  });

  const arn = (service: string, rest: string) =>
    `arn:\${AWS::Partition}:${service}:\${AWS::Region}:\${AWS::AccountId}:${rest}`;
  it.each([
    ['TakeIdentityRole', ledger, arn('dynamodb', 'table/*'), 'dynamodb:GetItem, dynamodb:UpdateItem'],
    ['FinishLaunchRole', ledger, arn('dynamodb', 'table/${Ledger}/index/*'), 'dynamodb:UpdateItem'],
    ['FinishLaunchRole', ledger, arn('dynamodb', 'table/${Ledger}*'), 'dynamodb:UpdateItem'],
    ['FinishLaunchRole', ledger, 'arn:aws:dynamodb:*:${AWS::AccountId}:table/${Ledger}', 'dynamodb:UpdateItem'],
    ['ForgetNodeRole', '/default', '/*', 'events:PutEvents'],
    [
      'KeepWaitingRole',
      '{"Fn::GetAtt":["KeepWaitingLogGroup","Arn"]}',
      arn('logs', 'log-group:*'),
      'logs:CreateLogStream, logs:PutLogEvents',
    ],
    ['FindEnrolmentRole', ':muster-dev-retire-node:*', ':*', 'states:DescribeExecution'],
    ['FindEnrolmentRole', ':muster-dev-retire-node:*', ':muster-*:*', 'states:DescribeExecution'],
    ['SweepRole', '${Reports.Arn}/reports/*', '${Reports.Arn}/*', 's3:PutObject'],
    ['UndoEnrolmentRole', 'stateMachine:muster-dev-retire-node', 'stateMachine:muster-dev-*', 'states:StartExecution'],
  ])('gives %s more than %s: %s', (role, part, wide, actions) => {
    const faults = faultsOf(role, part, part.startsWith('{') ? JSON.stringify({ 'Fn::Sub': wide }) : wide);
    expect(faults).toEqual([expect.stringContaining(`, allows ${actions} on `)]);
    expect(faults.join()).toMatch(
      /, which is more than one: name it, or give a reason in WILDCARDS of stack\/permissions\/iam\.ts\.$/,
    );
  });

  it('puts the ARN of several things together', () => {
    const wide = JSON.stringify({ 'Fn::Join': ['', [{ 'Fn::GetAtt': ['Ledger', 'Arn'] }, '*']] });
    expect(faultsOf('FinishLaunchRole', ledger, wide)).toEqual([
      expect.stringMatching(/allows dynamodb:UpdateItem on \{"Fn::Join".*, which is more than one: /),
    ]);
  });

  it.each(['AWS-RunShellScript', 'Muster-*', '*'])('sends the document %s', (name) => {
    const ours = arn('ssm', 'document/${CollectIdentityDocument}');
    expect(faultsOf('RequestIdentityRole', ours, `arn:aws:ssm:us-east-1:1:document/${name}`).join()).toContain(
      `document/${name}: name our document`,
    );
  });

  it.each([
    ['UndoEnrolmentRole', 'states:StartExecution'],
    ['FindEnrolmentRole', 'states:StopExecution'],
    ['FinishLaunchRole', 'autoscaling:CompleteLifecycleAction'],
    ['WatchRole', 'autoscaling:RecordLifecycleActionHeartbeat'],
  ])('gives %s the action %s under no condition, or another function’s', (role, action) => {
    expect(
      faultsOf(role, '"Condition":{"ArnEquals":{"lambda:SourceFunctionArn"', '"Condition":{"ArnEquals":{"aws:x"'),
    ).toEqual([
      expect.stringContaining(
        `allows ${action} without a condition on lambda:SourceFunctionArn: add fromOwnCodeOnly: true.`,
      ),
    ]);
    expect(faultsOf(role, ':function:muster-dev-', ':function:muster-dev-not-')).toEqual([
      expect.stringContaining(`allows ${action} to arn:`),
    ]);
  });

  it.each([
    ['"events:source":"muster",', '', 'without conditions on events:source and events:detail-type: add sends: [TYPE].'],
    ['"events:source":"muster"', '"events:source":["muster","other"]', 'without conditions on events:source and'],
    ['Instance Retired', 'Instance Retird', 'sends the event "Instance Retird", which is none of events/outcomes.ts'],
  ])('sends events of any kind: %s as "%s"', (part, otherwise, fault) => {
    expect(faultsOf('ForgetNodeRole', part, otherwise).join()).toContain(fault);
  });

  it.each([
    ['"Null":{"dynamodb:LeadingKeys":"false"}', '"Bool":{"aws:x":"false"}'],
    ['"announcement/*"', '"*"'],
    ['"announcement/*"', '"i-*"'],
    ['"announcement/*"', '"light*"'],
    ['ForAllValues:StringLike', 'StringLike'],
  ])('replaces items of instances: %s as %s', (part, otherwise) => {
    expect(faultsOf('UndoEnrolmentRole', part, otherwise)).toEqual([
      expect.stringContaining('allows dynamodb:PutItem on items of instances: add keys: [PREFIX/*].'),
    ]);
  });

  it('reads secrets that have a beginning in common', () => {
    const wide = 'arn:aws:secretsmanager:*:*:secret:muster/*';
    const secret = arn('secretsmanager', 'secret:muster/puppet-ca-??????');
    const faults = faultsOf('AssociateNodeRole', secret, wide).join('\n');
    expect(faults).toContain('which is no one secret: name each, as …:secret:NAME-??????.');
    expect(faults).toMatch(
      /profiles\.yml:8: the profile web names the caSecret muster\/puppet-ca, which AssociateNodeRole does not allow/,
    );
  });

  it('may read what another function is to read', () => {
    const faults = faultsOf(
      'DisassociateNodeRole',
      'secret:muster/puppet-retire-??????',
      'secret:muster/puppet-enrol-??????',
    );
    expect(faults.join('\n')).toContain('secret:muster/puppet-enrol-??????, which no profile asks for: remove it');
    expect(faults.join('\n')).toMatch(
      /profiles\.yml:10: the profile web names the retireKeySecret muster\/puppet-retire, which DisassociateNodeRole/,
    );
  });

  it('may not touch the stack of a profile', () => {
    const faults = faultsOf('RegisterInstanceRole', 'stack/4c1c3e2a-8d0e-4c56-9d3e-6f0f5b3f7a11/', 'stack/another/');
    expect(faults).toEqual([
      expect.stringContaining('stack/another/, which no profile asks for: remove it.'),
      expect.stringContaining('stack/another/, which no profile asks for: remove it.'),
      expect.stringMatching(
        /^profiles\.yml:4: the profile web names the stackId 4c1c3e2a-\S+, which RegisterInstanceRole does not allow: add it to its grants in resources\/functions\.yml\.$/,
      ),
    ]);
  });

  it('has a policy that is not written there', () => {
    const managed = '"ManagedPolicyArns":["arn:aws:iam::aws:policy/AdministratorAccess"],"Policies":';
    expect(faultsOf('KeepWaitingRole', '"Policies":', managed)).toEqual([
      expect.stringContaining('KeepWaitingRole, for functions/keep-waiting.ts, has more than policies of its own'),
    ]);
  });

  it('hides an action under a condition of the stack', () => {
    const run = { Effect: 'Allow', Action: 'ec2:RunInstances', Resource: '*' };
    const hidden = JSON.stringify({ 'Fn::If': ['X', run, { Ref: 'AWS::NoValue' }] });
    const own = '"Statement":[{"Effect":"Allow","Action":["logs:';
    expect(faultsOf('KeepWaitingRole', own, own.replace('[', `[${hidden},`)).join()).toContain(
      'allows ec2:RunInstances, which keep-waiting never sends',
    );
  });
});

describe('a sentence about a role', () => {
  const lines = readFileSync(join(root, 'resources/functions.yml'), 'utf8').split('\n');
  const placeOf = (...path: (string | number)[]) => sourcesOf(root)(['Resources', ...path]);
  const lineAfter = (entry: string, text: string) =>
    `resources/functions.yml:${lines.findIndex((line, index) => index >= lines.indexOf(entry) && line.includes(text)) + 1}`;
  const statement = (role: string, index: number) =>
    placeOf(role, 'Properties', 'Policies', 0, 'PolicyDocument', 'Statement', index);

  it('names the line of the grant', () => {
    expect(statement('KeepWaitingRole', 3)).toBe(lineAfter('keep-waiting:', 'dynamodb:GetItem'));
    expect(statement('FindEnrolmentRole', 6)).toBe(lineAfter('find-enrolment:', 'StopExecution'));
    // Behind the statements about the subnets.
    expect(statement('AssociateNodeRole', 6)).toBe(lineAfter('associate-node:', 'profiles.enrolSecrets'));
  });

  it('names the line of the grant behind one that no profile asks for', () => {
    const at = ['Resources', 'KeepWaitingRole', 'Properties', 'Policies', 0, 'PolicyDocument', 'Statement', 3];
    expect(originOf(readFunctions(root).table, at, { 'keep-waiting': [0, 2] })).toEqual(['keep-waiting', 'grants', 2]);
  });

  it('names the line of the function where no grant makes the statement', () => {
    expect(statement('KeepWaitingRole', 0)).toBe(lineAfter('keep-waiting:', 'keep-waiting:'));
    expect(placeOf('KeepWaitingLogGroup')).toBe(lineAfter('keep-waiting:', 'keep-waiting:'));
  });
});

describe('a function', () => {
  it('without a role is refused', () => {
    const [first] = bundles;
    if (!first) throw new Error('There is no function.');
    expect(faultsOfRoles(Template.parse({ Resources: {} }), [{ ...first, name: 'mow' }], [])).toEqual([
      {
        at: [],
        says: 'functions/mow.ts has no role in the template: give it an entry in resources/functions.yml.',
      },
    ]);
  });
});

describe('what a profile names', () => {
  it('is looked for where that profile names it, though another one does too', () => {
    const file = join(temporary(), 'profiles.yml');
    writeFileSync(file, PROFILES.replaceAll('muster/chef-', 'muster/puppet-'));
    const lines = needsOf(openYaml(file, 'profiles.yml'), readProfiles(file))
      .filter(({ sentence }) => sentence.includes('names the caSecret muster/puppet-ca'))
      .map(({ sentence }) => sentence.replace(/ names .*/, ''));
    expect([...new Set(lines)]).toEqual(['profiles.yml:8: the profile web', 'profiles.yml:18: the profile database']);
  });
});
