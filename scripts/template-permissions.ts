import * as z from 'zod';
import type { Fault, Path } from './template-source.ts';
import { arnOf, isLike, ofType, type Resource, resolved, type Template } from './template-values.ts';

const several = z.union([z.string(), z.array(z.string())]).transform((value) => [value].flat());

const Statement = z.looseObject({
  Effect: z.string(),
  Principal: z.unknown().optional(),
  Action: several.default([]),
  Resource: several.default([]),
  Condition: z.record(z.string(), z.record(z.string(), several)).default({}),
});
type Statement = z.infer<typeof Statement>;

const Policy = z.looseObject({ Statement: z.array(Statement) });

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

/** One thing that one service is to do for us: `events` sends to a queue because of a rule. */
interface Deed {
  readonly at: Path;
  /** `The rule LaunchSuccessfulRule`. */
  readonly who: string;
  readonly principal: string;
  readonly action: string;
  /** ARNs of the target, and of what it is done because of. */
  readonly target: string;
  readonly source: string;
}

/**
 * Looks whether every event, every alarm and every failure may go where it is sent. CloudFormation does not ask: without
 * its permission a rule is made, matches, and delivers nothing.
 */
export function permissionFaults(template: Template): Fault[] {
  return [
    ...deedsOf(template).flatMap((deed) => deedFaults(deed, template)),
    ...roleFaults(template),
    ...machineFaults(template),
  ];
}

function deedsOf(template: Template): Deed[] {
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

function actionOn(arn: string): string {
  const service = arn.split(':')[2] ?? '';
  const actions: Record<string, string> = {
    lambda: 'lambda:InvokeFunction',
    sqs: 'sqs:SendMessage',
    sns: 'sns:Publish',
  };
  return actions[service] ?? `${service}:StartExecution`;
}

function deedFaults(deed: Deed, template: Template): Fault[] {
  const { at, who, principal, action, target } = deed;
  const policies = [...resourcePolicies(template), ...lambdaPermissions(template)];
  if (policies.some((statement) => permits(statement, deed))) return [];
  const what = nameOf(target, template);
  const how = action.startsWith('lambda:') ? 'an AWS::Lambda::Permission' : 'a statement in its policy';
  const says = `${who} may not reach ${what}: give ${what} ${how} that allows ${principal} ${action}.`;
  return [{ at, says }];
}

function permits(statement: Statement, { principal, action, target, source }: Deed): boolean {
  const services = z.looseObject({ Service: several }).safeParse(statement.Principal).data?.Service ?? [];
  if (statement.Effect !== 'Allow' || !services.includes(principal)) return false;
  if (!statement.Action.some((allowed) => isLike(action, allowed))) return false;
  if (!statement.Resource.some((allowed) => isLike(target, allowed))) return false;
  const conditions = Object.entries(statement.Condition).flatMap(([operator, keys]) =>
    Object.entries(keys).map(([key, values]) => ({ operator, key: key.toLowerCase(), values })),
  );
  return conditions.every(({ key, values }) => {
    if (key === 'aws:sourceaccount') return values.includes('123456789012');
    return key !== 'aws:sourcearn' || values.some((value) => isLike(source, value));
  });
}

function resourcePolicies(template: Template): Statement[] {
  const types = ['AWS::SQS::QueuePolicy', 'AWS::SNS::TopicPolicy'];
  return types.flatMap((type) =>
    ofType(template, type).flatMap(([, { Properties }]) => {
      // Queues are named by their URLs here; the statements name them by their ARNs.
      const document = Policy.safeParse(resolved(Properties.PolicyDocument, template));
      return document.data?.Statement ?? [];
    }),
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
      Resource: [
        FunctionName.startsWith('arn:')
          ? FunctionName
          : `arn:aws:lambda:eu-west-1:123456789012:function:${FunctionName}`,
      ],
      Condition: SourceArn ? { ArnLike: { 'aws:SourceArn': [SourceArn] } } : {},
    };
  });
}

/** What functions do by their roles without calling it themselves: keep what they could not take, trace, join a VPC. */
function roleFaults(template: Template): Fault[] {
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
    ...(Properties.VpcConfig ? [needs(name, name, 'ec2:CreateNetworkInterface', '*', 'runs in a VPC')] : []),
  ]);
  return [...kept, ...traced].flatMap((need) => need(template));
}

function needs(name: string, of: string, action: string, target: string, because: string) {
  return (template: Template): Fault[] => {
    const role = roleOf(template.Resources[of], template);
    if (role && allowsRole(role.resource, action, target, template)) return [];
    const says = `${of} ${because}, and its role may not ${action}: allow it in ${role?.name ?? 'its role'}.`;
    return [{ at: ['Resources', role?.name ?? name], says }];
  };
}

/** A state machine runs the functions that it is given, and tells its log and its traces. */
function machineFaults(template: Template): Fault[] {
  return ofType(template, 'AWS::StepFunctions::StateMachine').flatMap(([name, machine]) => {
    const role = roleOf(machine, template);
    const functions = Object.entries(
      z.record(z.string(), z.unknown()).parse(machine.Properties.DefinitionSubstitutions ?? {}),
    );
    const wanted = [
      ...functions.flatMap(([, reference]) => {
        const arn = String(resolved(reference, template));
        return arn.includes(':lambda:') ? [{ action: 'lambda:InvokeFunction', target: arn }] : [];
      }),
      ...(machine.Properties.LoggingConfiguration ? [{ action: 'logs:CreateLogDelivery', target: '*' }] : []),
      ...(machine.Properties.TracingConfiguration ? [{ action: 'xray:PutTraceSegments', target: '*' }] : []),
    ];
    const refused = wanted.filter(
      ({ action, target }) => !role || !allowsRole(role.resource, action, target, template),
    );
    return refused.map(({ action, target }) => ({
      at: ['Resources', role?.name ?? name],
      says: `The state machine ${name} may not ${action} on ${nameOf(target, template)}: allow it in ${role?.name ?? 'its role'}.`,
    }));
  });
}

function roleOf(resource: Resource | undefined, template: Template): { name: string; resource: Resource } | undefined {
  const reference = resource?.Properties.Role ?? resource?.Properties.RoleArn;
  const { data } = z.object({ 'Fn::GetAtt': z.tuple([z.string(), z.string()]) }).safeParse(reference);
  const name = data?.['Fn::GetAtt'][0] ?? '';
  const role = template.Resources[name];
  return role && { name, resource: role };
}

function allowsRole({ Properties }: Resource, action: string, target: string, template: Template): boolean {
  const policies = z
    .array(z.looseObject({ PolicyDocument: Policy }))
    .safeParse(resolved(Properties.Policies, template)).data;
  return (policies ?? []).some(({ PolicyDocument }) =>
    PolicyDocument.Statement.some(
      ({ Effect, Action, Resource: resources }) =>
        Effect === 'Allow' &&
        Action.some((allowed) => isLike(action, allowed)) &&
        resources.some((resource) => isLike(target, resource)),
    ),
  );
}

/** The logical name of what has this ARN. */
function nameOf(arn: string, template: Template): string {
  return Object.keys(template.Resources).find((name) => arnOf(name, template) === arn) ?? arn;
}
