import * as z from 'zod';
import type { Bundle } from './bundle.ts';
import { CONDITIONAL, OTHER_ACTIONS, PLATFORM_ACTIONS, PREFIXES, STARS } from './iam.ts';

/** One thing or several of it, as policies have it. */
const several = <Schema extends z.ZodType>(schema: Schema) =>
  z.union([schema, z.array(schema)]).transform((value) => [value].flat() as z.infer<Schema>[]);

/** An ARN as text, with CloudFormation's variables left in it. */
const Resource = z.union([
  z.string(),
  z.object({ 'Fn::Sub': z.string() }).transform((sub) => sub['Fn::Sub']),
  z.record(z.string(), z.unknown()).transform((reference) => JSON.stringify(reference)),
]);

const Statement = z.strictObject({
  Sid: z.string().optional(),
  Effect: z.enum(['Allow', 'Deny']),
  Action: several(z.string()),
  Resource: several(Resource),
  Condition: z.record(z.string(), z.record(z.string(), z.unknown())).default({}),
});
type Statement = z.infer<typeof Statement>;

const Role = z.strictObject({
  Description: z.string().optional(),
  AssumeRolePolicyDocument: z.unknown(),
  Policies: z.array(z.unknown()),
});

const Policy = z.strictObject({
  PolicyName: z.unknown(),
  PolicyDocument: z.strictObject({ Version: z.string(), Statement: z.array(z.unknown()) }),
});

/** A function with the role that it is given. */
export interface Permitted {
  readonly bundle: Bundle;
  /** The role's logical name, and where it is written: `resources/roles.yml:7`. */
  readonly role: string;
  readonly where: string;
  /** Its properties, as CloudFormation takes them. */
  readonly properties: unknown;
}

/** What the profiles need that a function can read: an ARN, and where it is written. */
export interface Need {
  readonly function: string;
  readonly resource: string;
  /** `profiles.yml:12: the profile web names the secret puppet/ca`. */
  readonly sentence: string;
}

/**
 * The actions of the commands that are left in a bundle after tree shaking: what its code can send, and no more. The
 * clients have one file for each command.
 */
export function actionsOf({ inputs }: Pick<Bundle, 'inputs'>): string[] {
  const actions = Object.keys(inputs).flatMap((file) => {
    const [, client = '', command] = /@aws-sdk\/(client-[a-z0-9-]+)\/dist-es\/commands\/(\w+)Command\.js$/.exec(file) ?? [];
    if (!command) return [];
    const action = `${prefixOf(client)}:${command}`;
    return OTHER_ACTIONS[action] ?? [action];
  });
  return [...new Set(actions)].sort();
}

/** @returns one sentence for each client that a function carries and never calls */
export function faultsOfClients(bundles: readonly Bundle[]): string[] {
  return bundles.flatMap((bundle) => {
    const files = Object.keys(bundle.inputs);
    const clients = files.flatMap((file) => /@aws-sdk\/(client-[a-z0-9-]+)\//.exec(file)?.[1] ?? []);
    const called = actionsOf(bundle).map((action) => action.split(':', 1)[0]);
    const idle = [...new Set(clients)].filter((client) => !called.includes(prefixOf(client)));
    return idle.map(
      (client) =>
        `functions/${bundle.name}.ts carries @aws-sdk/${client} and calls nothing of it: import from a module without it.`,
    );
  });
}

/**
 * Holds what functions can send against what their roles allow: nothing missing, nothing more, and nothing wider.
 * @returns one sentence for each fault: file, line and what to do
 */
export function faultsOfRoles(all: readonly Permitted[], needs: readonly Need[]): string[] {
  return all.flatMap((permitted) => {
    const { bundle, role, where, properties } = permitted;
    const statements = statementsOf(properties);
    if (typeof statements === 'string') return [`${where}: ${role} ${statements}.`];
    const users = all.filter((other) => other.role === role).map((other) => other.bundle.name);
    const faults = [
      ...(users.length > 1 ? [`is shared by ${users.join(' and ')}: give each function a role of its own`] : []),
      ...differences(bundle, statements),
      ...statements.flatMap(faultsOfStatement),
    ];
    const unmet = needs.filter((need) => need.function === bundle.name && !allows(statements, need.resource));
    return [
      ...faults.map((fault) => `${where}: ${role} ${fault}.`),
      ...unmet.map(({ sentence }) => `${sentence}, which ${role} (${where}) may not read: add it there.`),
    ];
  });
}

function prefixOf(client: string): string {
  const prefix = PREFIXES[client];
  if (prefix) return prefix;
  throw new Error(`scripts/iam.ts does not say what IAM calls the service of @aws-sdk/${client}: add it to PREFIXES.`);
}

/** The statements of a role, those under a condition of the stack too; or what makes it no role written by hand. */
function statementsOf(properties: unknown): Statement[] | string {
  const role = Role.safeParse(properties);
  if (!role.success) return `has more than policies of its own (${role.error.issues[0]?.message}): write them here`;
  const policies = role.data.Policies.flatMap(branches).map((policy) => Policy.safeParse(policy));
  const statements = policies.flatMap(({ data }) => data?.PolicyDocument.Statement ?? []).flatMap(branches);
  const read = z.array(Statement).safeParse(statements);
  if (read.success && policies.every(({ success }) => success)) return read.data;
  return 'has a statement that is not Effect, Action, Resource and Condition: write it so';
}

/** What `Fn::If` may come to. */
function branches(value: unknown): unknown[] {
  if (typeof value !== 'object' || value === null) return [];
  if ('Ref' in value && value.Ref === 'AWS::NoValue') return [];
  if (!('Fn::If' in value) || !Array.isArray(value['Fn::If'])) return [value];
  return value['Fn::If'].slice(1).flatMap(branches);
}

function differences(bundle: Bundle, statements: readonly Statement[]): string[] {
  const sent = actionsOf(bundle);
  const allowed = new Set(statements.filter(({ Effect }) => Effect === 'Allow').flatMap(({ Action }) => Action));
  const missing = sent.filter((action) => !allowed.has(action));
  const more = [...allowed].filter((action) => !sent.includes(action) && !Object.hasOwn(PLATFORM_ACTIONS, action));
  return [
    ...missing.map((action) => `lacks ${action}, which functions/${bundle.name}.ts can send: allow it, or send it not`),
    ...more.map((action) => `allows ${action}, which functions/${bundle.name}.ts never sends: remove it`),
  ];
}

function faultsOfStatement(statement: Statement): string[] {
  if (statement.Effect === 'Deny') return [];
  return [...wideFaults(statement), ...secretFaults(statement), ...conditionFaults(statement), ...commandFaults(statement)];
}

function wideFaults({ Action, Resource }: Statement): string[] {
  if (!Resource.includes('*')) return [];
  const unexcused = Action.filter((action) => !Object.hasOwn(STARS, action));
  return unexcused.map((action) => `allows ${action} on "*": name the resource, or a reason in STARS of scripts/iam.ts`);
}

/** Six characters of Secrets Manager's own follow a secret's name. */
function secretFaults({ Action, Resource }: Statement): string[] {
  if (!Action.some((action) => action.startsWith('secretsmanager:'))) return [];
  const wide = Resource.filter((resource) => !/:secret:[^*?]+-\?{6}$|:secret:none\/none$/.test(resource));
  return wide.map((resource) => `reads secrets by the wildcard ${resource}: name each, as …:secret:NAME-??????`);
}

function conditionFaults({ Action, Condition }: Statement): string[] {
  const keys = Object.values(Condition).flatMap(Object.keys);
  const unbound = Action.filter((action) => CONDITIONAL[action] && !keys.includes(CONDITIONAL[action]));
  return unbound.map((action) => `allows ${action} without a condition on ${CONDITIONAL[action]}: add it`);
}

/** Our documents, or instances that are ours by a tag that they do not give themselves. */
function commandFaults({ Action, Resource, Condition }: Statement): string[] {
  if (!Action.includes('ssm:SendCommand')) return [];
  const isTagged = Object.values(Condition).some((test) => Object.keys(test).some((key) => /resourceTag\//i.test(key)));
  const wide = Resource.filter((resource) => (/:document\//.test(resource) ? /:document\/.*\*/.test(resource) : !isTagged));
  return wide.map((resource) => `sends commands to ${resource}: name our document, or the tag that the instance carries`);
}

function allows(statements: readonly Statement[], resource: string): boolean {
  return statements.some(({ Effect, Resource }) => Effect === 'Allow' && Resource.includes(resource));
}
