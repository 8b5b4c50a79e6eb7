import * as z from 'zod';
import type { Fault, Path } from '../template/source.ts';
import { arnIn, arnOf, ofType, type Resource, resolved, type Template } from '../template/values.ts';
import { actionOn, allowsRole, type Deed, nameOf, permits, readDocument, roleOf, type Statement } from './policy.ts';

const Rule = z.looseObject({
  Targets: z
    .array(
      z.looseObject({
        Arn: z.string(),
        RoleArn: z.string().optional(),
        DeadLetterConfig: z.looseObject({ Arn: z.string() }).optional(),
      }),
    )
    .default([]),
});

/** With who does it, and where that is written. */
interface OwnDeed extends Deed {
  readonly at: Path;
  /** `The rule LaunchSuccessfulRule`. */
  readonly who: string;
}

/**
 * Checks that every event, alarm and failure may be delivered to its target. CloudFormation does not: without the
 * permission a rule is created, matches, and delivers nothing.
 */
export function deliveryFaults(template: Template): Fault[] {
  return [...deedsOf(template).flatMap((deed) => deedFaults(deed, template)), ...functionFaults(template)];
}

function deedsOf(template: Template): OwnDeed[] {
  const rules = ofType(template, 'AWS::Events::Rule').flatMap(([name, { Properties }]) =>
    Rule.parse(resolved(Properties, template)).Targets.flatMap(({ Arn, RoleArn, DeadLetterConfig }, index) => {
      const at = ['Resources', name, 'Properties', 'Targets', index];
      const deed = { who: `The rule ${name}`, principal: 'events.amazonaws.com', source: arnOf(name, template) };
      const target = { ...deed, at: [...at, 'Arn'], action: actionOn(Arn), target: Arn };
      const kept = DeadLetterConfig?.Arn;
      return [
        // A target with a role is reached with that role's permissions.
        ...(RoleArn ? [] : [target]),
        ...(kept ? [{ ...deed, at: [...at, 'DeadLetterConfig'], action: 'sqs:SendMessage', target: kept }] : []),
      ];
    }),
  );
  const alarms = ofType(template, 'AWS::CloudWatch::Alarm').flatMap(([name, { Properties }]) =>
    z
      .array(z.string())
      .parse(resolved([Properties.AlarmActions ?? []].flat(), template))
      .map((target) => ({
        at: ['Resources', name, 'Properties', 'AlarmActions'],
        who: `The alarm ${name}`,
        principal: 'cloudwatch.amazonaws.com',
        action: 'sns:Publish',
        target,
        source: arnOf(name, template),
      })),
  );
  return [...rules, ...alarms];
}

function deedFaults(deed: OwnDeed, template: Template): Fault[] {
  const { at, who, principal, action, target } = deed;
  const policies = [...resourcePolicies(template), ...lambdaPermissions(template)];
  if (policies.some((statement) => permits(statement, deed))) return [];
  const what = nameOf(target, template);
  const how = action.startsWith('lambda:') ? 'an AWS::Lambda::Permission' : 'a statement in its policy';
  const says = `${who} may not reach ${what}: give ${what} ${how} that allows ${principal} ${action}.`;
  return [{ at, says }];
}

function resourcePolicies(template: Template): Statement[] {
  const types = ['AWS::SQS::QueuePolicy', 'AWS::SNS::TopicPolicy'];
  return types.flatMap((type) =>
    ofType(template, type).flatMap(([, { Properties }]) => readDocument(resolved(Properties.PolicyDocument, template))),
  );
}

function lambdaPermissions(template: Template): Statement[] {
  return ofType(template, 'AWS::Lambda::Permission').map(([, { Properties }]) => {
    const { Action, FunctionName, Principal, SourceArn } = z
      .looseObject({
        Action: z.string(),
        FunctionName: z.string(),
        Principal: z.string(),
        SourceArn: z.string().optional(),
      })
      .parse(resolved(Properties, template));
    return {
      Effect: 'Allow',
      Principal: { Service: Principal },
      Action: [Action],
      Resource: [FunctionName.startsWith('arn:') ? FunctionName : arnIn('lambda', FunctionName)],
      Condition: SourceArn ? { ArnLike: { 'aws:SourceArn': [SourceArn] } } : {},
    };
  });
}

/** What functions do by their roles without calling it themselves: keep what they could not take, log, trace, join a VPC. */
function functionFaults(template: Template): Fault[] {
  const kept = ofType(template, 'AWS::Lambda::EventInvokeConfig').flatMap(([name, { Properties }]) => {
    const { FunctionName, DestinationConfig } = Properties as {
      FunctionName?: { Ref?: string };
      DestinationConfig?: unknown;
    };
    const queue = JSON.stringify(resolved(DestinationConfig, template) ?? '').match(/arn:aws:sqs:[^"]+/)?.[0];
    const of = FunctionName?.Ref ?? '';
    return queue ? [needs(name, of, 'sqs:SendMessage', queue, 'keeps what it cannot take')] : [];
  });
  const traced = ofType(template, 'AWS::Lambda::Function').flatMap(([name, { Properties }]) => [
    ...(Properties.TracingConfig ? [needs(name, name, 'xray:PutTraceSegments', '*', 'is traced')] : []),
    ...logGroupsOf(Properties, template).map((group) => needs(name, name, 'logs:PutLogEvents', group, 'has a log')),
    ...(Properties.VpcConfig ? [needs(name, name, 'ec2:CreateNetworkInterface', '*', 'runs in a VPC')] : []),
  ]);
  return [...kept, ...traced].flatMap((need) => need(template));
}

/** The ARN of the log group that Lambda writes to, where the template has it. */
function logGroupsOf({ FunctionName }: Resource['Properties'], template: Template): string[] {
  const own = `/aws/lambda/${resolved(FunctionName, template)}`;
  const groups = ofType(template, 'AWS::Logs::LogGroup');
  return groups.flatMap(([name, { Properties }]) =>
    resolved(Properties.LogGroupName, template) === own ? [arnOf(name, template)] : [],
  );
}

function needs(name: string, of: string, action: string, target: string, because: string) {
  return (template: Template): Fault[] => {
    const role = roleOf(template.Resources[of]?.Properties.Role, template);
    const body = role && template.Resources[role];
    if (body && allowsRole(body, action, target, template)) return [];
    const says = `${of} ${because}, and its role may not ${action}: allow it in ${role ?? 'its role'}.`;
    return [{ at: ['Resources', role ?? name], says }];
  };
}
