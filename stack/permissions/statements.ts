import * as z from 'zod';
import { ACCOUNT_ID, arnOf, isLike, type Resource, resolved, type Template } from '../template/values.ts';
import { severalOf } from './policies.ts';

export const several = severalOf(z.string());

const Statement = z.looseObject({
  Effect: z.string(),
  Principal: z.unknown().optional(),
  Action: several.default([]),
  Resource: several.default([]),
  Condition: z.record(z.string(), z.record(z.string(), several)).default({}),
});
export type Statement = z.infer<typeof Statement>;

export const Policy = z.looseObject({ Statement: z.array(Statement) });

/** One thing that one service is to do for us: `events` sends to a queue because of a rule. */
export interface Deed {
  readonly principal: string;
  readonly action: string;
  /** ARNs of the target, and of what it is done because of. */
  readonly target: string;
  readonly source: string;
}

/** Whether a statement of a resource's own policy lets the service do it. */
export function permits(statement: Statement, { principal, action, target, source }: Deed): boolean {
  const services = z.looseObject({ Service: several }).safeParse(statement.Principal).data?.Service ?? [];
  if (statement.Effect !== 'Allow' || !services.includes(principal)) return false;
  if (!statement.Action.some((allowed) => isLike(action, allowed))) return false;
  if (!statement.Resource.some((allowed) => isLike(target, allowed))) return false;
  const conditions = Object.values(statement.Condition).flatMap((keys) =>
    Object.entries(keys).map(([key, values]) => ({ key: key.toLowerCase(), values })),
  );
  return conditions.every(({ key, values }) => {
    if (key === 'aws:sourceaccount') return values.includes(ACCOUNT_ID);
    return key !== 'aws:sourcearn' || values.some((value) => isLike(source, value));
  });
}

/** Whether a role's policies allow whoever has taken it to do it. */
export function allowsRole({ Properties }: Resource, action: string, target: string, template: Template): boolean {
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

/** The logical name of the role that `Fn::GetAtt` refers to, where the template has it. */
export function roleOf(reference: unknown, template: Template): string | undefined {
  const { data } = z.object({ 'Fn::GetAtt': z.tuple([z.string(), z.literal('Arn')]) }).safeParse(reference);
  const name = data?.['Fn::GetAtt'][0] ?? '';
  return template.Resources[name]?.Type === 'AWS::IAM::Role' ? name : undefined;
}

/** What it takes to do something to this: `arn:aws:sqs:…` is sent to. */
export function actionOn(arn: string): string {
  const service = arn.split(':')[2] ?? '';
  const actions: Record<string, string> = {
    events: 'events:PutEvents',
    lambda: 'lambda:InvokeFunction',
    sqs: 'sqs:SendMessage',
    sns: 'sns:Publish',
  };
  return actions[service] ?? `${service}:StartExecution`;
}

/** The logical name of what has this ARN. */
export function nameOf(arn: string, template: Template): string {
  return Object.keys(template.Resources).find((name) => arnOf(name, template) === arn) ?? arn;
}
