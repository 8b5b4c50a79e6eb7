import * as z from 'zod';
import { CONDITIONAL, STARS, WILDCARDS } from './iam.ts';

/** One thing or several of it, as policies have it. */
export const severalOf = <Schema extends z.ZodType>(schema: Schema) =>
  z.union([schema, z.array(schema)]).transform((value) => [value].flat() as z.infer<Schema>[]);

/** An ARN as text, with CloudFormation's variables left in it. */
const Arn = z.union([
  z.string(),
  z.object({ 'Fn::Sub': z.string() }).transform((sub) => sub['Fn::Sub']),
  z.record(z.string(), z.unknown()).transform((reference) => JSON.stringify(reference)),
]);

const Statement = z.strictObject({
  Sid: z.string().optional(),
  Effect: z.enum(['Allow', 'Deny']),
  Action: severalOf(z.string()),
  Resource: severalOf(Arn),
  Condition: z.record(z.string(), z.record(z.string(), severalOf(Arn))).default({}),
});
export type Statement = z.infer<typeof Statement>;

const Role = z.strictObject({
  Description: z.string().optional(),
  AssumeRolePolicyDocument: z.unknown(),
  Policies: z.array(z.unknown()),
});

const Policy = z.strictObject({
  PolicyName: z.unknown(),
  PolicyDocument: z.strictObject({ Version: z.string(), Statement: z.array(z.unknown()) }),
});

/** What is wrong, as the rest of a sentence about the role, and the part of the role that it is about. */
export interface Fault {
  readonly part?: string;
  readonly fault: string;
}

/** The statements of a role, those under a condition of the stack too; or what makes it no role written by hand. */
export function statementsOf(properties: unknown): Statement[] | Fault {
  const role = Role.safeParse(properties);
  if (!role.success)
    return { fault: `has more than policies of its own (${role.error.issues[0]?.message}): write statements instead` };
  const policies = role.data.Policies.flatMap(branches).map((policy) => Policy.safeParse(policy));
  const statements = policies.flatMap(({ data }) => data?.PolicyDocument.Statement ?? []).flatMap(branches);
  const read = z.array(Statement).safeParse(statements);
  if (read.success && policies.every(({ success }) => success)) return read.data;
  return { fault: 'has a statement that is not Effect, Action, Resource and Condition: write it so' };
}

/** What `Fn::If` may come to. */
function branches(value: unknown): unknown[] {
  if (typeof value !== 'object' || value === null) return [];
  if ('Ref' in value && value.Ref === 'AWS::NoValue') return [];
  if (!('Fn::If' in value) || !Array.isArray(value['Fn::If'])) return [value];
  return value['Fn::If'].slice(1).flatMap(branches);
}

/**
 * What a statement allows too widely.
 * @param functionName of the function whose role it is in
 */
export function faultsOfStatement(statement: Statement, functionName: string): Fault[] {
  if (statement.Effect === 'Deny') return [];
  return [
    ...wildcardFaults(statement),
    ...wideFaults(statement),
    ...secretFaults(statement),
    ...documentFaults(statement),
    ...nameFaults(statement),
    ...conditionFaults(statement, functionName),
  ];
}

/** `ssm:*` would allow whatever the service learns to do. */
function wildcardFaults({ Action }: Statement): Fault[] {
  const wild = Action.filter((action) => /[*?]/.test(action));
  return wild.map((action) => ({ part: action, fault: `allows the wildcard ${action}: name each action` }));
}

function wideFaults({ Action, Resource }: Statement): Fault[] {
  if (!Resource.includes('*')) return [];
  const unexcused = Action.filter((action) => !Object.hasOwn(STARS, action));
  return unexcused.map((action) => ({
    part: action,
    fault: `allows ${action} on "*": name the resource, or a reason in STARS of stack/permissions/iam.ts`,
  }));
}

/** Six characters of Secrets Manager's own follow a secret's name. */
function secretFaults({ Action, Resource }: Statement): Fault[] {
  const part = Action.find((action) => action.startsWith('secretsmanager:'));
  if (!part) return [];
  const wide = Resource.filter((resource) => !/:secret:[^*?]+-\?{6}$|:secret:none\/none$/.test(resource));
  return wide.map((resource) => ({
    part,
    fault: `allows ${part} on ${resource}, which is no one secret: name each, as …:secret:NAME-??????`,
  }));
}

/** The condition names the function itself; for another one it would forbid all calls. */
function conditionFaults({ Action, Condition }: Statement, functionName: string): Fault[] {
  return Action.filter((action) => Object.hasOwn(CONDITIONAL, action)).flatMap((part) => {
    const key = CONDITIONAL[part] ?? '';
    const values = Object.values(Condition).flatMap((test) => test[key] ?? []);
    if (values.length === 0) return { part, fault: `allows ${part} without a condition on ${key}: add it` };
    const others = values.filter((value) => !value.endsWith(`:function:${functionName}`));
    return others.map((value) => ({ part, fault: `allows ${part} to ${value}: let ${key} be ${functionName}` }));
  });
}

/** Whoever may send any document may send one that runs whatever it is told. */
function documentFaults({ Action, Resource }: Statement): Fault[] {
  const part = 'ssm:SendCommand';
  if (!Action.includes(part)) return [];
  const others = Resource.filter((resource) => isDocument(resource) && !isOurDocument(resource));
  return others.map((resource) => ({ part, fault: `allows ${part} on ${resource}: name our document` }));
}

/** A resource is named in full, but for the part that only its service knows. */
function nameFaults({ Action, Resource, Condition }: Statement): Fault[] {
  const isTagged = Object.values(Condition).some((test) => Object.keys(test).some((key) => /resourceTag\//i.test(key)));
  return Resource.flatMap((part) => {
    if (part === '*' || !/[*?]/.test(plain(part)) || isLookedAtElsewhere(Action, part)) return [];
    const excuse = WILDCARDS.find(({ arn }) => arn.test(plain(part)));
    const allows = `allows ${Action.join(', ')} on ${part}`;
    if (!excuse)
      return {
        part,
        fault: `${allows}, which is more than one: name it, or give a reason in WILDCARDS of stack/permissions/iam.ts`,
      };
    if (!excuse.isTagged || isTagged) return [];
    return { part, fault: `${allows}, whatever its tags are: add a condition on a tag (…resourceTag/…)` };
  });
}

/** The documents that are sent, and secrets, whose names end in wildcards always. */
function isLookedAtElsewhere(actions: readonly string[], resource: string): boolean {
  return actions.every((action) =>
    action === 'ssm:SendCommand' ? isDocument(resource) : action.startsWith('secretsmanager:'),
  );
}

/** `service:resource` of an ARN; variables stand as their names, in which no wildcard is one. */
function plain(resource: string): string {
  const text = resource.replace(/\$\{!?([^}]*)\}/g, (_, name: string) => name.replace(/[^\w.]/g, '-'));
  return text.replace(/^arn:[^:*?]+:([^:*?]+):[^:*?]+:[^:*?]+:/, '$1:');
}

function isDocument(resource: string): boolean {
  return /:document\//.test(resource);
}

/** A document of this stack, which CloudFormation names: `…:document/${CollectIdentityDocument}`. */
function isOurDocument(resource: string): boolean {
  return /:document\/\$\{[A-Za-z0-9]+\}$/.test(resource);
}
