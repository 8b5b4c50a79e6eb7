// biome-ignore-all lint/suspicious/noTemplateCurlyInString: CloudFormation's and IAM's variables
import { describe, expect, it } from 'vitest';
import { Profile } from '../../../../lib/profile.ts';
import { Associate } from '../../../../lib/servers.ts';
import { grantsOf } from '../../../../stack/permissions/from-profiles.ts';

const SECRETS = { caSecret: 'ca', keySecret: 'enrol', retireKeySecret: 'retire' };
const puppet = { engine: 'puppet', url: 'https://puppet.example', ...SECRETS };
const chef = {
  ...{ engine: 'chef-infra', url: 'https://chef.example/organizations/acme', retireClientName: 'retirer' },
  ...{ caSecret: 'chef-ca', keySecret: 'chef-enrol', retireKeySecret: 'chef-retire' },
};
const stackId = '4c1c3e2a-8d0e-4c56-9d3e-6f0f5b3f7a11';

const grants = (...profiles: object[]) =>
  grantsOf(profiles.map((profile, index) => Profile.parse({ name: `p${index}`, ...profile })));

/** What follows partition, service, Region and account. */
const resources = (arns: readonly { 'Fn::Sub': string }[]) =>
  arns.map((arn) =>
    arn['Fn::Sub'].replace(/^arn:\$\{AWS::Partition\}:[a-z0-9-]+:\$\{AWS::Region\}:\$\{AWS::AccountId\}:/, ''),
  );

const conditions = (statements: readonly { Condition: object }[]) => statements.map(({ Condition }) => Condition);

describe('what the profiles grant', () => {
  it('is each secret by its name, to those who read it', () => {
    const { enrolSecrets, retireSecrets, retireKeys, nodeSecrets } = grants(
      { match: { autoScalingGroup: 'web' }, associate: puppet },
      { match: { autoScalingGroup: 'app' }, associate: puppet },
      { match: { autoScalingGroup: 'db' }, associate: chef },
    );
    const named = (...names: string[]) => names.map((name) => `secret:${name}-??????`);
    expect(resources(enrolSecrets)).toEqual(named('ca', 'enrol', 'chef-ca', 'chef-enrol'));
    expect(resources(retireSecrets)).toEqual(named('ca', 'retire', 'chef-ca', 'chef-retire'));
    expect(resources(retireKeys)).toEqual(named('retire', 'chef-retire'));
    expect(resources(nodeSecrets)).toEqual(named('chef-ca'));
  });

  it('is, of a former server, the secrets that a retirement reads, and no other', () => {
    const profile = Profile.parse({ name: 'db', match: { autoScalingGroup: 'db' }, associate: chef });
    const [own, withFormer] = [grantsOf([profile]), grantsOf([profile], [Associate.parse(puppet)])];
    const former = ['ca', 'retire'].map((name) => `secret:${name}-??????`);
    expect(resources(withFormer.retireSecrets)).toEqual([...resources(own.retireSecrets), ...former]);
    expect(withFormer.enrolSecrets).toEqual(own.enrolSecrets);
    expect(withFormer.nodeSecrets).toEqual(own.nodeSecrets);
  });

  it('is the stacks that they name', () => {
    const { stacks } = grants({ match: { autoScalingGroup: 'web' }, register: { stackId } });
    expect(resources(stacks)).toEqual([`stack/${stackId}/`]);
  });

  it('is the groups in whose hooks somebody waits', () => {
    const { launchGroups, terminationGroups } = grants(
      { match: { autoScalingGroup: 'web-*' }, lifecycleHook: 'up', metadata: { httpTokens: 'required' } },
      { match: { autoScalingGroup: 'db' }, terminationHook: 'down', register: { stackId } },
      { match: { autoScalingGroup: 'batch' }, register: { stackId } },
    );
    expect(resources(launchGroups)).toEqual(['autoScalingGroup:*:autoScalingGroupName/web-*']);
    expect(resources(terminationGroups)).toEqual(['autoScalingGroup:*:autoScalingGroupName/db']);
  });

  it('is all groups where a profile with a hook goes by tags alone', () => {
    const { launchGroups } = grants({ match: { tags: { role: 'web' } }, lifecycleHook: 'up', register: { stackId } });
    expect(resources(launchGroups)).toEqual(['autoScalingGroup:*:autoScalingGroupName/*']);
  });

  it('is commands to instances of the groups, with the tags, and to managed nodes of the name', () => {
    const { commandTargets } = grants(
      { match: { autoScalingGroup: 'web-*', tags: { role: 'web' } }, associate: puppet },
      { match: { lightsail: 'blog-*' }, associate: puppet },
      { match: { autoScalingGroup: 'hardened' }, metadata: { httpTokens: 'required' } },
    );
    expect(conditions(commandTargets)).toEqual([
      { StringLike: { 'ssm:resourceTag/aws:autoscaling:groupName': 'web-*', 'ssm:resourceTag/role': 'web' } },
      { StringLike: { 'ssm:resourceTag/muster-node': 'blog-*' } },
    ]);
    expect(resources(commandTargets.flatMap(({ Resource }) => Resource))).toEqual(['instance/*', 'managed-instance/*']);
  });

  it('is one statement for all who are told by one tag, and one for each who is told by several', () => {
    const metadata = { httpTokens: 'required' };
    const { hardeningTargets } = grants(
      { match: { autoScalingGroup: 'web' }, metadata },
      { match: { autoScalingGroup: 'app-*', tags: { role: 'app' } }, metadata },
      { match: { autoScalingGroup: 'db' }, metadata },
      { match: { tags: { role: 'batch' } }, metadata },
      { match: { autoScalingGroup: 'app-*', tags: { role: 'job' } }, metadata },
    );
    const group = 'aws:ResourceTag/aws:autoscaling:groupName';
    expect(conditions(hardeningTargets)).toEqual([
      { StringLike: { [group]: ['web', 'db'] } },
      { StringLike: { [group]: 'app-*', 'aws:ResourceTag/role': 'app' } },
      { StringLike: { 'aws:ResourceTag/role': 'batch' } },
      { StringLike: { [group]: 'app-*', 'aws:ResourceTag/role': 'job' } },
    ]);
  });

  it('is no command to Lightsail where the CSR comes in the request', () => {
    const { commandTargets } = grants({ match: { lightsail: '*' }, associate: puppet, csrFrom: 'request' });
    expect(commandTargets).toEqual([]);
  });

  it('is the metadata options of those whose profile names some', () => {
    const { hardeningTargets } = grants(
      { match: { autoScalingGroup: 'web' }, metadata: { httpTokens: 'required' } },
      { match: { autoScalingGroup: 'db' }, associate: puppet },
      { match: { lightsail: '*' }, metadata: { httpTokens: 'required' } },
    );
    expect(conditions(hardeningTargets)).toEqual([
      { StringLike: { 'aws:ResourceTag/aws:autoscaling:groupName': 'web' } },
    ]);
  });

  it('is nothing where they ask for nothing', () => {
    const { lightsailInstances, lightsailHardening, lightsailOperations, imdsMetrics, ...others } = grants({
      match: { lightsail: '*' },
      metadata: { httpTokens: 'required' },
    });
    expect(resources(lightsailHardening)).toEqual(['Instance/*']);
    expect([lightsailOperations, imdsMetrics]).toEqual([['*'], ['*']]);
    expect(Object.entries(others).filter(([, part]) => part.length > 0)).toEqual([]);
  });

  it('takes no character of a name for one of IAM’s', () => {
    const { commandTargets, launchGroups } = grants({
      match: { autoScalingGroup: 'a?$*', tags: { role: 'b*?' } },
      lifecycleHook: 'up',
      associate: puppet,
    });
    expect(conditions(commandTargets)).toEqual([
      {
        StringLike: { 'ssm:resourceTag/aws:autoscaling:groupName': 'a${?}${$}*', 'ssm:resourceTag/role': 'b${*}${?}' },
      },
    ]);
    // CloudFormation makes ${?} of ${!?}.
    expect(resources(launchGroups)).toEqual(['autoScalingGroup:*:autoScalingGroupName/a${!?}${!$}*']);
  });

  it('is the documents of the stack, and the instances of Lightsail', () => {
    const { collectDocuments, installDocuments, lightsailInstances } = grants({
      match: { lightsail: '*' },
      associate: puppet,
    });
    expect(resources(collectDocuments)).toEqual(['document/${CollectIdentityDocument}']);
    expect(resources(installDocuments)).toEqual([
      'document/${InstallCredentialsDocument}',
      'document/${InstallChefDocument}',
    ]);
    expect(resources(lightsailInstances)).toEqual(['Instance/*']);
  });
});

describe('what profiles of several Regions grant', () => {
  const both = ['eu-west-1', 'us-east-1'];
  /** Service, Region and resource. */
  const places = (arns: readonly { 'Fn::Sub': string }[]) =>
    arns.map((arn) => arn['Fn::Sub'].replace('arn:${AWS::Partition}:', '').replace(':${AWS::AccountId}', ''));

  it('is their groups in these Regions, and those of other profiles in the stack’s own', () => {
    const { launchGroups, terminationGroups } = grants(
      { match: { autoScalingGroup: 'web' }, regions: both, lifecycleHook: 'up', associate: puppet },
      { match: { autoScalingGroup: 'db' }, lifecycleHook: 'up', terminationHook: 'down', associate: puppet },
    );
    expect(places(launchGroups)).toEqual([
      'autoscaling:eu-west-1:autoScalingGroup:*:autoScalingGroupName/web',
      'autoscaling:us-east-1:autoScalingGroup:*:autoScalingGroupName/web',
      'autoscaling:${AWS::Region}:autoScalingGroup:*:autoScalingGroupName/db',
    ]);
    expect(places(terminationGroups)).toEqual([
      'autoscaling:${AWS::Region}:autoScalingGroup:*:autoScalingGroupName/db',
    ]);
  });

  it('is commands and metadata options there alone, each to its own profile’s instances', () => {
    const metadata = { httpTokens: 'required' };
    const { commandTargets, hardeningTargets } = grants(
      { match: { autoScalingGroup: 'web' }, regions: ['us-east-1'], associate: puppet, metadata },
      { match: { autoScalingGroup: 'db' }, associate: puppet, metadata },
    );
    for (const targets of [commandTargets, hardeningTargets])
      expect(targets.map(({ Resource }) => places(Resource))).toEqual([
        ['ec2:us-east-1:instance/*'],
        ['ec2:${AWS::Region}:instance/*'],
      ]);
  });

  it('is one statement for one condition, whoever names it', () => {
    const { hardeningTargets } = grants(
      { match: { autoScalingGroup: 'web' }, regions: ['us-east-1'], metadata: { httpTokens: 'required' } },
      { match: { autoScalingGroup: 'web' }, regions: both, metadata: { httpTokens: 'optional' } },
    );
    expect(hardeningTargets.map(({ Resource }) => places(Resource))).toEqual([
      ['ec2:us-east-1:instance/*', 'ec2:eu-west-1:instance/*'],
    ]);
  });

  it('is managed nodes of the stack’s own Region, whose tag says another one', () => {
    const { commandTargets } = grants({ match: { lightsail: 'blog-*' }, regions: ['us-east-1'], associate: puppet });
    expect(conditions(commandTargets)).toEqual([
      { StringLike: { 'ssm:resourceTag/muster-node': ['blog-*', 'us-east-1/blog-*'] } },
    ]);
    expect(places(commandTargets.flatMap(({ Resource }) => Resource))).toEqual([
      'ssm:${AWS::Region}:managed-instance/*',
    ]);
  });

  it('is the documents where instances of EC2 are asked, and Lightsail in all of them', () => {
    const { collectDocuments, lightsailInstances } = grants(
      { match: { autoScalingGroup: 'web' }, regions: ['us-east-1'], associate: puppet },
      { match: { lightsail: 'blog' }, regions: ['us-west-2'], associate: puppet },
    );
    expect(places(collectDocuments)).toEqual([
      'ssm:${AWS::Region}:document/${CollectIdentityDocument}',
      'ssm:us-east-1:document/${CollectIdentityDocument}',
    ]);
    expect(places(lightsailInstances)).toEqual(['lightsail:us-east-1:Instance/*', 'lightsail:us-west-2:Instance/*']);
  });
});
