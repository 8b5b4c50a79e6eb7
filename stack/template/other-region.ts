import * as z from 'zod';
import type { Profile } from '../../lib/profile.ts';

const Resource = z.looseObject({ Type: z.string(), Properties: z.record(z.string(), z.unknown()).default({}) });
const Template = z.looseObject({ Resources: z.record(z.string(), Resource) });

const Rule = z.object({
  Name: z.unknown(),
  Description: z.unknown(),
  EventPattern: z.looseObject({ source: z.array(z.string()) }),
  Targets: z.array(z.object({ Id: z.string() })),
});

/** Whether some profile is for another Region than the stack's own, as far as the build can tell: it knows no Region. */
export function isForOtherRegions(profiles: readonly Profile[]): boolean {
  return profiles.some(({ regions }) => regions !== undefined);
}

/**
 * What is to be in every other Region: the documents that its nodes run, under the same names, and rules that forward what
 * the stack's own rules wait for to the stack's own Region.
 * @param packaged the stack's template
 */
export function otherRegionOf(packaged: unknown) {
  const all = Object.entries(Template.parse(packaged).Resources);
  const documents = all.filter(([, { Type }]) => Type === 'AWS::SSM::Document');
  const rules = all.flatMap(([name, { Type, Properties }]) => {
    const { data: rule } = Rule.safeParse(Properties);
    if (Type !== 'AWS::Events::Rule' || !rule?.Targets.some(({ Id }) => STARTERS.includes(Id))) return [];
    const { Name, Description, EventPattern } = rule;
    return [[name, { Type, Properties: { Name, Description, EventPattern, Targets: [HOME] } }] as const];
  });
  return {
    AWSTemplateFormatVersion: '2010-09-09',
    Description: 'What Muster needs in a Region other than its own: its documents, and rules that forward events to it',
    Parameters: {
      HomeRegion: {
        Type: 'String',
        Description: "The Region of Muster's stack",
        AllowedPattern: '^[a-z]{2,4}(-[a-z]+)+-[0-9]{1,2}$',
      },
    },
    Resources: {
      ...Object.fromEntries(documents),
      ...Object.fromEntries(rules),
      ForwardRole: forwardRole(rules.map(([, { Properties }]) => String(Properties.Name))),
    },
  };
}

/** The targets of those rules whose events start something. */
const STARTERS = ['start-enrolment', 'start-retirement'];

const HOME_BUS = {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: CloudFormation's variables
  'Fn::Sub': 'arn:${AWS::Partition}:events:${HomeRegion}:${AWS::AccountId}:event-bus/default',
};

const HOME = { Id: 'home', Arn: HOME_BUS, RoleArn: { 'Fn::GetAtt': ['ForwardRole', 'Arn'] } };

/** @param rules the names of those that forward with it: an ARN of theirs as a reference would be a circle */
function forwardRole(rules: readonly string[]) {
  const ruleArns = rules.map((name) => {
    return { 'Fn::Sub': `arn:\${AWS::Partition}:events:\${AWS::Region}:\${AWS::AccountId}:rule/${name}` };
  });
  const Condition = {
    StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } },
    ArnEquals: { 'aws:SourceArn': ruleArns },
  };
  const byItsRules = {
    Effect: 'Allow',
    Principal: { Service: 'events.amazonaws.com' },
    Action: 'sts:AssumeRole',
    Condition,
  };
  const forward = { Effect: 'Allow', Action: 'events:PutEvents', Resource: HOME_BUS };
  return {
    Type: 'AWS::IAM::Role',
    Properties: {
      AssumeRolePolicyDocument: { Version: '2012-10-17', Statement: [byItsRules] },
      Policies: [{ PolicyName: 'forward', PolicyDocument: { Version: '2012-10-17', Statement: [forward] } }],
    },
  };
}
