// biome-ignore-all lint/suspicious/noTemplateCurlyInString: CloudFormation's variables
import { beforeAll, describe, expect, it } from 'vitest';
import { interpret } from '../events/table.ts';
import type { Profile } from '../lib/profile.ts';
import { deputyFaults } from '../stack/permissions/deputies.ts';
import { roleFaults } from '../stack/permissions/roles.ts';
import { isForOtherRegions, otherRegionOf } from '../stack/template/other-region.ts';
import { attributeFaults, schemaFaults } from '../stack/template/schema.ts';
import { faultsOfTemplate } from '../stack/template/template.ts';
import { ofType, resolved, Template } from '../stack/template/values.ts';
import { compilePattern } from '../world/eventbridge/event-pattern.ts';
import { packageStack } from './support/packaged.ts';
import { sample, sampleNames } from './support/samples.ts';

let stack: Template;
let template: Template;
beforeAll(async () => {
  const packaged = await packageStack();
  stack = Template.parse(packaged.template);
  template = Template.parse(otherRegionOf(packaged.template));
});

/** The rules that take an event. */
function takersOf(event: unknown): string[] {
  const rules = ofType(template, 'AWS::Events::Rule');
  return rules
    .filter(([, { Properties }]) => compilePattern(resolved(Properties.EventPattern, template))(event))
    .map(([name]) => name);
}

describe('the template for another Region', () => {
  it('is one that CloudFormation takes, without a bucket', async () => {
    expect(faultsOfTemplate(template)).toEqual([]);
    expect(await schemaFaults(template)).toEqual([]);
    expect(await attributeFaults(template)).toEqual([]);
    expect(roleFaults(template)).toEqual([]);
    expect(deputyFaults(template)).toEqual([]);
    // The most that is taken from a file.
    expect(Buffer.byteLength(JSON.stringify(template))).toBeLessThan(51_200);
  });

  it('has every document of the stack, as it is there', () => {
    const documents = ofType(template, 'AWS::SSM::Document');
    expect(documents).toHaveLength(3);
    expect(documents).toEqual(ofType(stack, 'AWS::SSM::Document'));
  });

  it('forwards every event that starts something, once', () => {
    const events = sampleNames().map(sample);
    const starting = events.filter((event) => 'source' in event && interpret(event).kind !== 'ignored');
    expect(starting.length).toBeGreaterThan(10);
    expect(starting.filter((event) => takersOf(event).length !== 1)).toEqual([]);
  });

  it('forwards no event of another account', () => {
    for (const [, { Properties }] of ofType(template, 'AWS::Events::Rule'))
      expect(Properties.EventPattern).toMatchObject({ account: [{ Ref: 'AWS::AccountId' }] });
  });

  it('forwards nothing that Muster says of itself, or that is nobody’s', () => {
    const others = [...sampleNames('outcomes/'), ...sampleNames('executions/told/'), 'lightsail-reboot-instance'];
    expect(others.filter((name) => takersOf(sample(name)).length > 0)).toEqual([]);
  });

  it('forwards to the bus of the Region that is told, and may do nothing else', () => {
    const bus = { 'Fn::Sub': 'arn:${AWS::Partition}:events:${HomeRegion}:${AWS::AccountId}:event-bus/default' };
    for (const [, { Properties }] of ofType(template, 'AWS::Events::Rule'))
      expect(Properties.Targets).toEqual([{ Id: 'home', Arn: bus, RoleArn: { 'Fn::GetAtt': ['ForwardRole', 'Arn'] } }]);
    const statements = ofType(template, 'AWS::IAM::Role').map(([, { Properties }]) => Properties.Policies);
    expect(statements).toMatchObject([
      [{ PolicyDocument: { Statement: [{ Effect: 'Allow', Action: 'events:PutEvents', Resource: bus }] } }],
    ]);
  });
});

describe('whether there is one', () => {
  const profile = (regions?: string[]) => ({ name: 'web', regions }) as Profile;

  it('is said by the profiles: it is for those that name Regions', () => {
    expect(isForOtherRegions([profile()])).toBe(false);
    expect(isForOtherRegions([profile(), profile(['us-east-1'])])).toBe(true);
  });
});
