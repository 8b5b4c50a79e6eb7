// biome-ignore-all lint/suspicious/noTemplateCurlyInString: CloudFormation's and the framework's variables
import { describe, expect, it } from 'vitest';
import { faultsOfTemplate } from '../../../../stack/template/template.ts';

const queue = (properties: object = {}, rest: object = {}) => ({
  Type: 'AWS::SQS::Queue',
  Properties: properties,
  ...rest,
});

describe('a template', () => {
  it('may refer to its resources, its parameters and what CloudFormation knows itself', () => {
    const Resources = {
      A: queue({ Name: { Ref: 'Stage' }, Region: { Ref: 'AWS::Region' } }),
      B: queue({
        Arn: { 'Fn::GetAtt': ['A', 'Arn'] },
        Other: { 'Fn::GetAtt': 'A.Arn' },
        Name: { 'Fn::Sub': '${AWS::Partition}-${A}-${A.Arn}-${!NotOurs}' },
        Own: { 'Fn::Sub': ['${Mine}', { Mine: { Ref: 'A' } }] },
      }),
      C: queue({}, { DependsOn: ['A', 'B'] }),
    };
    const Outputs = { Arn: { Value: { 'Fn::GetAtt': ['C', 'Arn'] } } };
    expect(faultsOfTemplate({ Parameters: { Stage: { Type: 'String' } }, Resources, Outputs })).toEqual([]);
  });

  it.each([
    ['Ref', { Ref: 'Gone' }],
    ['Fn::GetAtt', { 'Fn::GetAtt': ['Gone', 'Arn'] }],
    ['Fn::GetAtt, in short', { 'Fn::GetAtt': 'Gone.Arn' }],
    ['Fn::Sub', { 'Fn::Sub': 'arn:${AWS::Region}:${Gone.Arn}' }],
    ['a reference inside a Sub', { 'Fn::Sub': ['${Mine}', { Mine: { Ref: 'Gone' } }] }],
  ])('refers to what is there: %s', (_how, Name) => {
    expect(faultsOfTemplate({ Resources: { A: queue({ deep: [{ Name }] }) } })).toEqual([
      'A refers to Gone, which is not there: correct the name, or add the resource.',
    ]);
  });

  it('depends on what is there, and so do its outputs', () => {
    const Resources = { A: queue({}, { DependsOn: 'Gone' }) };
    expect(faultsOfTemplate({ Resources, Outputs: { Url: { Value: { Ref: 'Lost' } } } })).toEqual([
      'A refers to Gone, which is not there: correct the name, or add the resource.',
      'Outputs.Url refers to Lost, which is not there: correct the name, or add the resource.',
    ]);
  });

  it('decides by conditions that there are', () => {
    const Resources = { A: queue({ Name: { 'Fn::If': ['IsGone', 'a', 'b'] } }, { Condition: 'IsLost' }) };
    const Conditions = { IsThere: { 'Fn::Equals': [{ Ref: 'Gone' }, ''] } };
    expect(faultsOfTemplate({ Resources, Conditions })).toEqual([
      'Conditions.IsThere refers to Gone, which is not there: correct the name, or add the resource.',
      'A depends on the condition IsLost, which is not there: correct the name, or add the condition.',
      'A depends on the condition IsGone, which is not there: correct the name, or add the condition.',
    ]);
  });

  it('goes in no circle', () => {
    const Resources = {
      A: queue({ of: { Ref: 'B' } }),
      B: queue({ of: { Ref: 'C' } }),
      C: queue({ of: { Ref: 'A' } }),
    };
    expect(faultsOfTemplate({ Resources })).toEqual([
      'A -> B -> C -> A is a circle: write one of these references out.',
    ]);
  });

  it('keeps nothing of the framework, and leaves Step Functions its placeholders', () => {
    const Resources = {
      A: queue({ Name: 'muster-${sls:stage}' }),
      B: queue({ Definition: '${FinishLaunchFunctionArn}' }),
    };
    expect(faultsOfTemplate({ Resources })).toEqual(['A still says ${sls:stage}: nothing has put a value there.']);
  });

  it.each([
    ['a list', 'Properties.deep.0.1', queue({ deep: [['a', null]] })],
    ['a property', 'Properties.Name', queue({ Name: null })],
    ['a resource', 'Properties', queue({}, { Properties: null })],
  ])('says null nowhere, not in %s', (_where, place, A) => {
    expect(faultsOfTemplate({ Resources: { A } })).toEqual([
      `A says null in ${place}, and CloudFormation takes no null: give it a value, or remove it.`,
    ]);
  });

  it('says null nowhere, not in the place of a resource', () => {
    expect(faultsOfTemplate({ Resources: { A: null }, Outputs: { Url: { Value: null } } })).toEqual([
      'A says null, and CloudFormation takes no null: give it a value, or remove it.',
      'Url says null in Value, and CloudFormation takes no null: give it a value, or remove it.',
    ]);
  });

  it('is no larger than a stack may be', () => {
    const Resources = Object.fromEntries(
      Array.from({ length: 501 }, (_, n) => [`A${n}`, queue({ x: 'x'.repeat(2000) })]),
    );
    expect(faultsOfTemplate({ Resources })).toEqual([
      'The template has 501 resources; a stack takes 500.',
      expect.stringMatching(/^The template has \d+ bytes; CloudFormation takes 1000000\.$/),
    ]);
  });
});
