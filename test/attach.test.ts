import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { deployed } from '../lib/profile.ts';
import { readProfiles } from '../profiles/file.ts';
import { matchProfile } from '../profiles/match.ts';
import { SHORTEST_FOR_ROUNDS_SECONDS } from '../profiles/waiting.ts';
import { faultsByCfnLint } from '../stack/template/lint.ts';
import { attributeFaults, schemaFaults } from '../stack/template/schema.ts';
import { faultsOfTemplate } from '../stack/template/template.ts';
import { Template } from '../stack/template/values.ts';
import { root } from './support/packaged.ts';

const read = (file: string) => readFileSync(`${root}/docs/attach/${file}`, 'utf8');
const POLICY = 'iam::aws:policy/AmazonSSMManagedInstanceCore';

interface Hook {
  name: string;
  transition: string;
  heartbeatSeconds: number;
  defaultResult: string;
}

function ofCloudFormation(text: string): { group: string; hooks: Hook[] } {
  const { Properties } = parse(text).Resources.WebGroup;
  const hooks = Properties.LifecycleHookSpecificationList.map((hook: Record<string, string>) => ({
    name: hook.LifecycleHookName,
    transition: hook.LifecycleTransition,
    heartbeatSeconds: Number(hook.HeartbeatTimeout),
    defaultResult: hook.DefaultResult,
  }));
  return { group: Properties.AutoScalingGroupName, hooks };
}

function ofTerraform(text: string): { group: string; hooks: Hook[] } {
  const field = (block: string, name: string) => new RegExp(`\\b${name}\\s*= "?([^"\n]+)`).exec(block)?.[1] ?? '';
  const blocks = [...text.matchAll(/initial_lifecycle_hook \{([^}]*)\}/g)].map(([, block = '']) => block);
  const [, group = ''] = /resource "aws_autoscaling_group" "web" \{([\s\S]*?)\n\}/.exec(text) ?? [];
  const hooks = blocks.map((block) => ({
    name: field(block, 'name'),
    transition: field(block, 'lifecycle_transition'),
    heartbeatSeconds: Number(field(block, 'heartbeat_timeout')),
    defaultResult: field(block, 'default_result'),
  }));
  return { group: field(group, 'name'), hooks };
}

/** What a group would be refused for, or be missed by. */
function faultsOf({ group, hooks }: { group: string; hooks: Hook[] }): string[] {
  const instance = { platform: 'ec2', region: 'eu-west-1', autoScalingGroupName: group, tags: {} } as Parameters<
    typeof matchProfile
  >[1];
  const profiles = readProfiles(`${root}/profiles.yml`).map((one) => deployed(one, 'eu-west-1'));
  const profile = matchProfile(profiles, instance);
  const wanted = [
    ['autoscaling:EC2_INSTANCE_LAUNCHING', profile?.lifecycleHook],
    ['autoscaling:EC2_INSTANCE_TERMINATING', profile?.terminationHook],
  ];
  const missing = wanted.filter(
    ([transition, name]) => !hooks.some((hook) => hook.transition === transition && hook.name === name),
  );
  const short = hooks.filter(({ heartbeatSeconds }) => !(heartbeatSeconds >= SHORTEST_FOR_ROUNDS_SECONDS));
  return [...missing.map(([, name]) => `lacks ${name}`), ...short.map(({ name }) => `${name} is too short`)];
}

describe.each([
  ['group.yml', ofCloudFormation],
  ['group.tf', ofTerraform],
])('docs/attach/%s', (file, hooksOf) => {
  it('has the hooks of its profile, and none that would be refused', () => {
    expect(faultsOf(hooksOf(read(file)))).toEqual([]);
  });

  it.each([
    ['another name', 'muster-launch', 'muster-lunch', 'lacks muster-launch'],
    ['the other transition', 'EC2_INSTANCE_TERMINATING', 'EC2_INSTANCE_LAUNCHING', 'lacks muster-terminate'],
    ['a time-out that is shorter than a round of the watch', '3600', '179', 'muster-launch is too short'],
  ])('would be noticed with %s', (_what, from, to, fault) => {
    expect(faultsOf(hooksOf(read(file).replaceAll(from, to)))).toContain(fault);
  });

  it('gives the nodes what Systems Manager needs', () => {
    expect(read(file)).toContain(POLICY);
  });
});

describe('the two', () => {
  it('say the same', () => {
    expect(ofTerraform(read('group.tf'))).toEqual(ofCloudFormation(read('group.yml')));
  });
});

describe('docs/attach/group.yml', () => {
  it('is a template that CloudFormation takes', async () => {
    const template = Template.parse(parse(read('group.yml')));
    expect([
      ...faultsOfTemplate(template),
      ...(await schemaFaults(template)),
      ...(await attributeFaults(template)),
    ]).toEqual([]);
  });

  it('has nothing that cfn-lint is against', async ({ skip }) => {
    const faults = await faultsByCfnLint(`${root}/docs/attach/group.yml`);
    skip(faults === undefined, 'cfn-lint is not installed');
    expect(faults).toEqual([]);
  });
});

describe('docs/attach/group.tf', () => {
  it('is Terraform, as Terraform formats it', ({ skip }) => {
    const args = ['fmt', '-check', '-diff', `${root}/docs/attach/group.tf`];
    const { error, status, stdout } = spawnSync('terraform', args, { encoding: 'utf8' });
    skip(error !== undefined, 'terraform is not installed');
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
  });
});
