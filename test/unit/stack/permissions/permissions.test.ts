// biome-ignore-all lint/suspicious/noTemplateCurlyInString: CloudFormation's and the framework's variables
import { cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { openYaml } from '../../../../lib/yaml-file.ts';
import { readProfiles } from '../../../../profiles/file.ts';
import { bundle } from '../../../../stack/bundle/bundle.ts';
import { grantsOf } from '../../../../stack/permissions/from-profiles.ts';
import { SENT_BY_HAND } from '../../../../stack/permissions/iam.ts';
import { needsOf } from '../../../../stack/permissions/needs.ts';
import { actionsOf, faultsOfClients, faultsOfRoles } from '../../../../stack/permissions/permissions.ts';
import { statementsOf } from '../../../../stack/permissions/policies.ts';
import { readRoles } from '../../../../stack/permissions/roles.ts';
import { functionNames } from '../../../support/functions.ts';

const root = fileURLToPath(new URL('../../../..', import.meta.url)).replace(/\/$/, '');
const temporary = () => realpathSync(mkdtempSync(join(tmpdir(), 'muster-roles-')));
const bundles = await bundle(root, functionNames, {}, temporary());
const actions = Object.fromEntries(bundles.map((one) => [one.name, actionsOf(one)]));
const roles = readFileSync(join(root, 'resources/roles.yml'), 'utf8');

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

/** What the build says of a copy of resources/roles.yml in which `part` of a role reads otherwise. */
function faultsOf(role = '', part = '', otherwise = '', profilesText = PROFILES): string[] {
  const folder = temporary();
  mkdirSync(join(folder, 'resources'));
  cpSync(join(root, 'serverless.yml'), join(folder, 'serverless.yml'));
  const start = role ? roles.indexOf(`  ${role}:`) : 0;
  const rest = roles.slice(start);
  if (start < 0 || !rest.includes(part)) throw new Error(`${role} says no ${part}`);
  writeFileSync(join(folder, 'resources/roles.yml'), roles.slice(0, start) + rest.replace(part, () => otherwise));
  const file = join(folder, 'profiles.yml');
  writeFileSync(file, profilesText);
  const profiles = readProfiles(file);
  const needs = needsOf(openYaml(file, 'profiles.yml'), profiles);
  const faults = faultsOfRoles(readRoles(folder, bundles, grantsOf(profiles)), needs);
  return faults.map((fault) => fault.replace(/^\S*resources\/roles\.yml:\d+/, 'resources/roles.yml:N'));
}

/** The line of the whole file on which the role says this. */
function lineOf(role: string, part: string): number {
  return roles.slice(0, roles.indexOf(part, roles.indexOf(`  ${role}:`))).split('\n').length;
}

describe('what a bundle can send', () => {
  it('is what is left in it of the clients', () => {
    expect(actions['keep-waiting']).toEqual(['autoscaling:RecordLifecycleActionHeartbeat']);
    expect(actions['confirm-disassociation']).toEqual(['opsworks-cm:DescribeNodeAssociationStatus']);
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

describe('the roles under profiles of another Region', () => {
  const profiles = PROFILES.replaceAll(
    '    match:',
    '    regions: [us-east-1]\n    lifecycleHook: up\n    terminationHook: down\n    metadata: { httpTokens: required }\n    match:',
  );

  it('allow what their functions send, and no more', () => {
    expect(faultsOf('', '', '', profiles)).toEqual([]);
  });

  it('let nobody touch an instance, a group or a Lightsail instance in any Region but theirs', () => {
    const file = join(temporary(), 'profiles.yml');
    writeFileSync(file, profiles);
    const statements = readRoles(root, bundles, grantsOf(readProfiles(file))).flatMap(({ properties }) => {
      const read = statementsOf(properties);
      if (!Array.isArray(read)) throw new Error(read.fault);
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

describe('the build refuses a role that', () => {
  it('lacks what its function can send', () => {
    expect(faultsOf('KeepWaitingRole', 'autoscaling:RecordLifecycleActionHeartbeat', 'logs:PutLogEvents')).toEqual([
      'resources/roles.yml:N: KeepWaitingRole, for functions/keep-waiting.ts, lacks ' +
        'autoscaling:RecordLifecycleActionHeartbeat, which keep-waiting can send: allow it.',
    ]);
  });

  it('allows what its function never sends', () => {
    expect(faultsOf('TakeIdentityRole', '[dynamodb:GetItem, ', '[dynamodb:GetItem, dynamodb:DeleteItem, ')).toEqual([
      'resources/roles.yml:N: TakeIdentityRole, for functions/take-identity.ts, allows dynamodb:DeleteItem, which ' +
        'take-identity never sends: remove it.',
    ]);
  });

  it('allows whatever a service may learn', () => {
    expect(faultsOf('CollectIdentityRole', 'ssm:GetCommandInvocation', 'ssm:Get*').join()).toContain(
      'allows the wildcard ssm:Get*: name each action',
    );
  });

  it('says "*" where something narrower is known', () => {
    expect(faultsOf('ForgetNodeRole', 'Resource: { Fn::GetAtt: [Ledger, Arn] }', "Resource: '*'")).toEqual([
      'resources/roles.yml:N: ForgetNodeRole, for functions/forget-node.ts, allows dynamodb:UpdateItem on "*": name ' +
        'the resource, or a reason in STARS of stack/permissions/iam.ts.',
    ]);
  });

  it('sends commands to instances without a tag', () => {
    const wide = `
              - Effect: Allow
                Action: ssm:SendCommand
                Resource: 'arn:aws:ec2:*:*:instance/*'
`;
    expect(faultsOf('RequestIdentityRole', ' ${file(build/from-profiles.json):commandTargets}\n', wide)).toEqual([
      'resources/roles.yml:N: RequestIdentityRole, for functions/request-identity.ts, allows ssm:SendCommand on ' +
        'arn:aws:ec2:*:*:instance/*, which is more than one: name it, or give a reason in WILDCARDS of stack/permissions/iam.ts.',
    ]);
    expect(
      faultsOf(
        'RequestIdentityRole',
        ' ${file(build/from-profiles.json):commandTargets}\n',
        wide.replace('ec2:*:*', 'ec2:eu-west-1:1'),
      ),
    ).toEqual([
      'resources/roles.yml:N: RequestIdentityRole, for functions/request-identity.ts, allows ssm:SendCommand on ' +
        'arn:aws:ec2:eu-west-1:1:instance/*, whatever its tags are: add a condition on a tag (…resourceTag/…).',
    ]);
  });

  const ledger = '{ Fn::GetAtt: [Ledger, Arn] }';
  const arn = (service: string, rest: string) =>
    `arn:\${AWS::Partition}:${service}:\${AWS::Region}:\${AWS::AccountId}:${rest}`;
  it.each([
    ['TakeIdentityRole', ledger, arn('dynamodb', 'table/*'), 'dynamodb:GetItem, dynamodb:UpdateItem'],
    ['ForgetNodeRole', ledger, arn('dynamodb', 'table/${Ledger}/index/*'), 'dynamodb:UpdateItem'],
    ['ForgetNodeRole', ledger, arn('dynamodb', 'table/${Ledger}*'), 'dynamodb:UpdateItem'],
    ['ForgetNodeRole', ledger, 'arn:aws:dynamodb:*:${AWS::AccountId}:table/${Ledger}', 'dynamodb:UpdateItem'],
    ['ForgetNodeRole', '/default', '/*', 'events:PutEvents'],
    [
      'KeepWaitingRole',
      '{ Fn::GetAtt: [KeepWaitingLogGroup, Arn] }',
      arn('logs', 'log-group:*'),
      'logs:CreateLogStream, logs:PutLogEvents',
    ],
    ['FindEnrolmentRole', ':muster-${sls:stage}-retire-node:*', ':*', 'states:DescribeExecution'],
    ['FindEnrolmentRole', ':muster-${sls:stage}-retire-node:*', ':muster-*:*', 'states:DescribeExecution'],
    ['SweepRole', '${Reports.Arn}/reports/*', '${Reports.Arn}/*', 's3:PutObject'],
    [
      'UndoEnrolmentRole',
      'stateMachine:muster-${sls:stage}-retire-node',
      'stateMachine:muster-${sls:stage}-*',
      'states:StartExecution',
    ],
  ])('gives %s more than %s: %s', (role, part, wide, actions) => {
    const faults = faultsOf(role, part, part.startsWith('{') ? `{ Fn::Sub: '${wide}' }` : wide);
    expect(faults).toEqual([expect.stringContaining(`, allows ${actions} on `)]);
    expect(faults.join()).toMatch(
      /, which is more than one: name it, or give a reason in WILDCARDS of scripts\/iam\.ts\.$/,
    );
  });

  it('puts the ARN of several things together', () => {
    const wide = "{ Fn::Join: ['', [{ Fn::GetAtt: [Ledger, Arn] }, '*']] }";
    expect(faultsOf('ForgetNodeRole', ledger, wide)).toEqual([
      expect.stringMatching(/allows dynamodb:UpdateItem on \{"Fn::Join".*, which is more than one: /),
    ]);
  });

  it.each(['AWS-RunShellScript', 'Muster-*', '*'])('sends the document %s', (name) => {
    const ours = '${file(build/from-profiles.json):collectDocuments}';
    expect(faultsOf('RequestIdentityRole', ours, `arn:aws:ssm:us-east-1:1:document/${name}`).join()).toContain(
      `document/${name}: name our document`,
    );
  });

  it.each([
    ['StartEnrolmentRole', 'states:StartExecution'],
    ['FindEnrolmentRole', 'states:StopExecution'],
    ['FinishLaunchRole', 'autoscaling:CompleteLifecycleAction'],
    ['KeepWaitingRole', 'autoscaling:RecordLifecycleActionHeartbeat'],
  ])('gives %s the action %s under no condition, or another function’s', (role, action) => {
    expect(
      faultsOf(role, 'Condition: { ArnEquals: { lambda:SourceFunctionArn', 'Condition: { ArnEquals: { aws:x'),
    ).toEqual([expect.stringContaining(`allows ${action} without a condition on lambda:SourceFunctionArn: add it.`)]);
    expect(faultsOf(role, ':function:muster-${sls:stage}-', ':function:muster-${sls:stage}-not-')).toEqual([
      expect.stringContaining(`allows ${action} to arn:`),
    ]);
  });

  it('reads secrets that have a beginning in common', () => {
    const wide = "'arn:aws:secretsmanager:*:*:secret:muster/*'";
    const faults = faultsOf('AssociateNodeRole', '${file(build/from-profiles.json):enrolSecrets}', wide).join('\n');
    expect(faults).toContain('which is no one secret: name each, as …:secret:NAME-??????.');
    expect(faults).toMatch(
      /profiles\.yml:8: the profile web names the caSecret muster\/puppet-ca, which AssociateNodeRole \(\S+:\d+\) does not allow/,
    );
  });

  it('may read what another function is to read', () => {
    const faults = faultsOf(
      'DisassociateNodeRole',
      '${file(build/from-profiles.json):retireSecrets}',
      '${file(build/from-profiles.json):enrolSecrets}',
    );
    expect(faults.join('\n')).toContain('secret:muster/puppet-enrol-??????, which no profile asks for: remove it');
    expect(faults.join('\n')).toMatch(
      /profiles\.yml:10: the profile web names the retireKeySecret muster\/puppet-retire, which DisassociateNodeRole/,
    );
  });

  it('may not touch the stack of a profile', () => {
    const none = "'arn:${AWS::Partition}:opsworks:${AWS::Region}:${AWS::AccountId}:stack/none/'";
    expect(faultsOf('RegisterInstanceRole', '${file(build/from-profiles.json):stacks}', none)).toEqual([
      expect.stringMatching(
        /^profiles\.yml:4: the profile web names the stackId 4c1c3e2a-\S+, which RegisterInstanceRole \(\S+\) does not allow: add it there\.$/,
      ),
    ]);
  });

  it('has a policy that is not written there', () => {
    const managed = 'ManagedPolicyArns: [arn:aws:iam::aws:policy/AdministratorAccess]\n      Policies:';
    expect(faultsOf('KeepWaitingRole', 'Policies:', managed)).toEqual([
      expect.stringContaining('KeepWaitingRole, for functions/keep-waiting.ts, has more than policies of its own'),
    ]);
  });

  it('hides an action under a condition of the stack', () => {
    const hidden = "{ Fn::If: [X, { Effect: Allow, Action: ec2:RunInstances, Resource: '*' }, { Ref: AWS::NoValue }] }";
    const statement = '{ Effect: Allow, Action: *log, Resource: { Fn::GetAtt: [KeepWaitingLogGroup, Arn] } }';
    expect(faultsOf('KeepWaitingRole', statement, `${statement}\n              - ${hidden}`).join()).toContain(
      'allows ec2:RunInstances, which keep-waiting never sends',
    );
  });
});

describe('a sentence about a role', () => {
  it('names the line of what is wrong', () => {
    const [first] = readRoles(
      root,
      bundles.filter(({ name }) => name === 'keep-waiting'),
      grantsOf([]),
    );
    expect(first?.where()).toBe(`resources/roles.yml:${lineOf('KeepWaitingRole', 'KeepWaitingRole')}`);
    const action = 'autoscaling:RecordLifecycleActionHeartbeat';
    expect(first?.where(action)).toBe(`resources/roles.yml:${lineOf('KeepWaitingRole', action)}`);
    expect(first?.where('not there')).toBe(first?.where());
  });
});

describe('a function', () => {
  it('without a role is told to have one', () => {
    const [first] = bundles;
    if (!first) throw new Error('There is no function.');
    expect(() => readRoles(root, [{ ...first, name: 'mow' }], grantsOf([]))).toThrow(
      'functions/mow.ts has no role: give it a role in resources/roles.yml, and name it in serverless.yml.',
    );
  });
});

describe('what a profile names', () => {
  it('is looked for where that profile names it, though another one does too', () => {
    const file = join(temporary(), 'profiles.yml');
    writeFileSync(file, PROFILES.replaceAll('muster/chef-', 'muster/puppet-'));
    const lines = needsOf(openYaml(file, 'profiles.yml'), readProfiles(file))
      .filter(({ sentence }) => sentence.includes('names the caSecret muster/puppet-ca'))
      .map(({ sentence }) => sentence.replace(/ names .*/, ''));
    expect([...new Set(lines)]).toEqual(['profiles.yml:8: the profile web', 'profiles.yml:16: the profile database']);
  });
});
