import * as z from 'zod';
import { ACCOUNT_ID, arnOf, isLike, type Resource, resolved, type Template } from '../template/values.ts';

/** One value or a list of them, read as a list. */
const severalOf = <Schema extends z.ZodType>(schema: Schema) =>
  z.union([schema, z.array(schema)]).transform((value) => [value].flat() as z.infer<Schema>[]);
export const several = severalOf(z.string());

/** An ARN as text, with CloudFormation's variables left in it. */
const Arn = z.union([
  z.string(),
  z.object({ 'Fn::Sub': z.string() }).transform((sub) => sub['Fn::Sub']),
  z.record(z.string(), z.unknown()).transform((reference) => JSON.stringify(reference)),
]);

const Statement = z.strictObject({
  Sid: z.string().optional(),
  Effect: z.enum(['Allow', 'Deny']),
  Principal: z.unknown().optional(),
  Action: severalOf(z.string()),
  Resource: severalOf(Arn).default([]),
  Condition: z.record(z.string(), z.record(z.string(), severalOf(Arn))).default({}),
});
export type Statement = z.infer<typeof Statement>;

/** A statement of a role, and where it is in the role's properties. */
export interface PlacedStatement extends Statement {
  readonly at: readonly (string | number)[];
}

const Role = z.strictObject({
  Description: z.string().optional(),
  AssumeRolePolicyDocument: z.unknown(),
  Policies: z.array(
    z.strictObject({
      PolicyName: z.unknown(),
      PolicyDocument: z.strictObject({ Version: z.string(), Statement: z.array(z.unknown()) }),
    }),
  ),
});

/** Either branch of an Fn::If counts. @returns the rest of a sentence where it is no role with policies of its own only */
export function statementsOf(properties: unknown): PlacedStatement[] | string {
  const role = Role.safeParse(properties);
  if (role.error?.issues.some(({ path }) => path.includes('PolicyDocument'))) return NOT_READ;
  if (!role.success)
    return `has more than policies of its own (${role.error.issues[0]?.message}): write statements instead`;
  const written = role.data.Policies.flatMap(({ PolicyDocument }, policy) =>
    PolicyDocument.Statement.flatMap((value, index) =>
      branches(value).map((statement) => ({
        at: ['Policies', policy, 'PolicyDocument', 'Statement', index],
        read: Statement.safeParse(statement).data,
      })),
    ),
  );
  const statements = written.flatMap(({ at, read }) => (read ? [{ ...read, at }] : []));
  return statements.length === written.length ? statements : NOT_READ;
}

const NOT_READ = 'has a statement that is not Effect, Action, Resource and Condition: write it so';

/** What `Fn::If` may come to. */
function branches(value: unknown): unknown[] {
  if (typeof value !== 'object' || value === null) return [];
  if ('Ref' in value && value.Ref === 'AWS::NoValue') return [];
  if (!('Fn::If' in value) || !Array.isArray(value['Fn::If'])) return [value];
  return value['Fn::If'].slice(1).flatMap(branches);
}

/** The statements of a policy document; one that is not read permits nothing. */
export function readDocument(document: unknown): Statement[] {
  const { data } = z.looseObject({ Statement: z.array(z.unknown()) }).safeParse(document);
  return (data?.Statement ?? []).flatMap((statement) => Statement.safeParse(statement).data ?? []);
}

/** One thing that one service is to do for us: `events` sends to a queue because of a rule. */
export interface Deed {
  readonly principal: string;
  readonly action: string;
  /** ARNs of the target, and of the resource that causes it. */
  readonly target: string;
  readonly source: string;
}

/** Whether a statement of a resource's own policy lets the service do it. */
export function permits(statement: Statement, { principal, action, target, source }: Deed): boolean {
  const services = z.looseObject({ Service: several }).safeParse(statement.Principal).data?.Service ?? [];
  if (!services.includes(principal) || !allows(statement, action, target)) return false;
  const conditions = Object.values(statement.Condition).flatMap((keys) =>
    Object.entries(keys).map(([key, values]) => ({ key: key.toLowerCase(), values })),
  );
  return conditions.every(({ key, values }) => {
    if (key === 'aws:sourceaccount') return values.includes(ACCOUNT_ID);
    return key !== 'aws:sourcearn' || values.some((value) => isLike(source, value));
  });
}

/** Whether a role's policies allow the action on the target, its conditions aside. */
export function allowsRole({ Properties }: Resource, action: string, target: string, template: Template): boolean {
  const statements = statementsOf(resolved(Properties, template));
  return Array.isArray(statements) && statements.some((statement) => allows(statement, action, target));
}

function allows({ Effect, Action, Resource: resources }: Statement, action: string, target: string): boolean {
  const isAllowed = Effect === 'Allow' && Action.some((allowed) => isLike(action, allowed));
  return isAllowed && resources.some((resource) => isLike(target, resource));
}

/** The logical name of the role that `Fn::GetAtt` refers to, where the template has it. */
export function roleOf(reference: unknown, template: Template): string | undefined {
  const { data } = z.object({ 'Fn::GetAtt': z.tuple([z.string(), z.literal('Arn')]) }).safeParse(reference);
  const name = data?.['Fn::GetAtt'][0] ?? '';
  return template.Resources[name]?.Type === 'AWS::IAM::Role' ? name : undefined;
}

/** The action by which something is delivered to an ARN: `sqs:SendMessage` for a queue. */
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

/** The logical name of the resource with this ARN. */
export function nameOf(arn: string, template: Template): string {
  return Object.keys(template.Resources).find((name) => arnOf(name, template) === arn) ?? arn;
}
