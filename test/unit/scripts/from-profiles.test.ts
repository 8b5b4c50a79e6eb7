// biome-ignore-all lint/suspicious/noTemplateCurlyInString: CloudFormation's and IAM's variables
import { describe, expect, it } from 'vitest';
import { Profile } from '../../../lib/profiles.ts';
import { grantsOf } from '../../../scripts/from-profiles.ts';

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
    expect(resources(enrolSecrets)).toEqual(named('ca', 'chef-ca', 'enrol', 'chef-enrol'));
    expect(resources(retireSecrets)).toEqual(named('ca', 'chef-ca', 'retire', 'chef-retire'));
    expect(resources(retireKeys)).toEqual(named('retire', 'chef-retire'));
    expect(resources(nodeSecrets)).toEqual(named('chef-ca'));
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
    expect(resources(commandTargets.map(({ Resource }) => Resource))).toEqual(['instance/*', 'managed-instance/*']);
  });

  it('is no command to Lightsail where the CSR comes in the request', () => {
    const { commandTargets } = grants({ match: { lightsail: '*' }, associate: puppet, csrFrom: 'request' });
    expect(resources(commandTargets.map(({ Resource }) => Resource))).toEqual(['instance/none']);
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

  it('is nothing that there is where they name nothing', () => {
    const all = Object.values(grants({ match: { lightsail: '*' }, metadata: { httpTokens: 'required' } }));
    expect(all.flatMap((part) => JSON.stringify(part)).every((text) => text.includes('none'))).toBe(true);
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
});
