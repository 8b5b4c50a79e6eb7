/** Reads functions.yml, the table of functions, and makes what serverless.yml and resources/ include of it. */
import { join } from 'node:path';
import * as z from 'zod';
import { BINDING_ATTRIBUTES, HOLDER_ATTRIBUTE } from '../lib/ledger-item.ts';
import { parseYaml } from '../lib/schema-faults.ts';
import { openYaml, type YamlFile } from '../lib/yaml-file.ts';

export const FUNCTIONS_FILE = 'resources/functions.yml';

/** One or a list; read as a list. */
const listOf = (name: string, pattern: RegExp) =>
  z.preprocess(
    (value) => (value === undefined ? value : [value].flat()),
    z.array(z.stringFormat(name, pattern)).min(1),
  );

const TARGET =
  /^(\*|event bus|(state machine|executions of) [a-z][a-z-]*|profiles\.[a-z][A-Za-z]*|[A-Z][A-Za-z0-9]*(\/\S+)?)$/;

const Grant = z.strictObject({
  allow: listOf('an action such as dynamodb:GetItem', /^[a-z0-9-]+:[A-Za-z*?]+$/),
  on: listOf('a target as the head of the file lists them', TARGET),
  fromOwnCodeOnly: z.literal(true).optional(),
  sends: z.array(z.string().min(1)).min(1).optional(),
  keys: z
    .array(z.stringFormat('a prefix of keys, as announcement/*', /^[a-z]+\/\*$/))
    .min(1)
    .optional(),
});
type Grant = z.infer<typeof Grant>;

const Entry = z.strictObject({
  description: z.string().min(1),
  rules: z.array(z.stringFormat('the name of a rule in resources/events.yml', /^[A-Z]\w+Rule$/)).default([]),
  isClockwork: z.literal(true).optional(),
  // Lambda's bounds. Source: Lambda quotas.
  timeoutSeconds: z.int().min(1).max(900).optional(),
  memoryMegabytes: z.int().min(128).max(10_240).optional(),
  reservedConcurrency: z.int().min(0).optional(),
  subnets: z.literal(true).optional(),
  grants: z.array(Grant).default([]),
  binds: z.array(z.enum(BINDING_ATTRIBUTES)).default([]),
  policies: z
    .record(z.string(), z.stringFormat('a part of what the profiles make, as profiles.PART', /^profiles\.\w+$/))
    .default({}),
});
type Entry = z.infer<typeof Entry>;

const Table = z.record(z.stringFormat('the name of a file in functions/', /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/), Entry);
export type FunctionTable = z.infer<typeof Table>;

/** @throws InvalidRequest with one line a fault: file, line, field and what to write. */
export function readFunctions(root: string): { table: FunctionTable; yaml: YamlFile } {
  const yaml = openYaml(join(root, FUNCTIONS_FILE), FUNCTIONS_FILE);
  return { table: parseYaml(Table, yaml), yaml };
}

/** `AssociateNode` of `associate-node`: the state, and the beginning of the names of all its resources. */
export function stateOf(name: string): string {
  return name.replace(/(^|-)(.)/g, (_, __, letter: string) => letter.toUpperCase());
}

/** `associate-node` of `AssociateNode`. */
export function nameOfState(state: string): string {
  return state.replace(/(?<!^)[A-Z]/g, '-$&').toLowerCase();
}

type Json = Record<string, unknown>;

/** What is made of the table. In the build it is build/functions.json; the framework includes parts of it. */
export interface Generated {
  /** As serverless.yml has them: the framework makes a function and a log group of each. */
  readonly functions: Json;
  readonly resources: { readonly Resources: Json; readonly extensions: Json };
  /** By the state machine's name: what its tasks run. */
  readonly stateMachines: Record<string, { readonly functionArns: Json; readonly functions: readonly unknown[] }>;
  readonly logGroups: readonly unknown[];
  /** By function: which grants of its entry the role's statements are made of, in their order. */
  readonly kept: Readonly<Record<string, readonly number[]>>;
  /** Rows of two widgets, as text within the dashboard's JSON. */
  readonly dashboard: { readonly throttles: string; readonly errors: string };
}

/** The parts of what the profiles make, by name: stack/permissions/from-profiles.ts. */
export type ProfileParts = Readonly<Record<string, readonly unknown[]>>;

/**
 * @param definitions the state machines by name, as statemachines/ has them
 * @param parts what the profiles make; a statement on nothing but empty parts is left out
 */
export function generate(
  table: FunctionTable,
  definitions: ReadonlyMap<string, unknown>,
  parts: ProfileParts = {},
): Generated {
  const entries = Object.entries(table).map(([name, entry]) => [name, withoutEmpty(entry, parts)] as const);
  const states = Object.keys(table).map(stateOf).sort();
  const inSubnets = entries.filter(([, { subnets }]) => subnets);
  return {
    functions: Object.fromEntries(entries.map(([name, entry]) => [keyOf(name), functionOf(name, entry)])),
    resources: {
      Resources: Object.fromEntries([
        ...entries.map(([name, entry]) => [`${stateOf(name)}Role`, roleOf(name, entry)]),
        ...entries.flatMap(([name, { rules }]) =>
          rules.map((rule) => [permissionNameOf(rule), permissionOf(name, rule)]),
        ),
      ]),
      extensions: Object.fromEntries(
        inSubnets.map(([name]) => [`${stateOf(name)}LambdaFunction`, { Properties: { VpcConfig: VPC } }]),
      ),
    },
    stateMachines: Object.fromEntries([...definitions].map(([name, definition]) => [name, tasksOf(definition)])),
    kept: Object.fromEntries(Object.entries(table).map(([name, { grants }]) => [name, keptOf(grants, parts)])),
    logGroups: states.map((state) => ({ Ref: `${state}LogGroup` })),
    dashboard: { throttles: rowsOf('Throttles', states), errors: rowsOf('Errors', states) },
  };
}

function isEmptyPart(target: string, parts: ProfileParts): boolean {
  return target.startsWith('profiles.') && parts[target.slice('profiles.'.length)]?.length === 0;
}

function keptOf(grants: readonly Grant[], parts: ProfileParts): number[] {
  return grants.flatMap(({ on }, index) => (on.every((target) => isEmptyPart(target, parts)) ? [] : [index]));
}

/** What no profile asks for is not granted. IAM takes no statement without a resource, and no policy without a statement. */
function withoutEmpty(entry: Entry, parts: ProfileParts): Entry {
  const kept = keptOf(entry.grants, parts).flatMap((index) => entry.grants[index] ?? []);
  const grants = kept.map((grant) => ({ ...grant, on: grant.on.filter((target) => !isEmptyPart(target, parts)) }));
  const policies = Object.entries(entry.policies).filter(([, part]) => !isEmptyPart(part, parts));
  return { ...entry, grants, policies: Object.fromEntries(policies) };
}

/**
 * By function: the actions that its entry grants, and no profile asks for.
 * @param policyActions what the statements of a part allow, by the part
 */
export function withheldActions(
  table: FunctionTable,
  parts: ProfileParts,
  policyActions: Readonly<Record<string, string>>,
): Record<string, string[]> {
  const actions = Object.entries(table).map(([name, { grants, policies }]) => {
    const kept = keptOf(grants, parts);
    const empty = Object.values(policies).filter((part) => isEmptyPart(part, parts));
    return [
      name,
      [
        ...grants.flatMap(({ allow }, index) => (kept.includes(index) ? [] : allow)),
        ...empty.flatMap((part) => policyActions[part.slice('profiles.'.length)] ?? []),
      ],
    ];
  });
  return Object.fromEntries(actions);
}

/** The framework's name of a function: it makes DescribeInstanceLambdaFunction and more of `describeInstance`. */
function keyOf(name: string): string {
  const state = stateOf(name);
  return `${state.slice(0, 1).toLowerCase()}${state.slice(1)}`;
}

function functionOf(name: string, entry: Entry): Json {
  const { description, rules, isClockwork, timeoutSeconds, memoryMegabytes, reservedConcurrency } = entry;
  return {
    name: `muster-\${sls:stage}-${name}`,
    description,
    handler: `build/functions/${name}/index.handler`,
    role: `${stateOf(name)}Role`,
    package: { patterns: [`build/functions/${name}/index.mjs`] },
    ...(timeoutSeconds !== undefined && { timeout: timeoutSeconds }),
    ...(memoryMegabytes !== undefined && { memorySize: memoryMegabytes }),
    ...(reservedConcurrency !== undefined && { reservedConcurrency }),
    ...(rules.length > 0 && (isClockwork ? INVOKED_BY_CLOCK : INVOKED_BY_RULES)),
  };
}

/** EventBridge invokes asynchronously: what the function did not accept after Lambda's two retries is kept, with the reason. */
const INVOKED_BY_RULES = {
  maximumRetryAttempts: 2,
  // How long a launch hook waits by default.
  maximumEventAge: 3600,
  destinations: { onFailure: { type: 'sqs', arn: { 'Fn::GetAtt': ['LostEvents', 'Arn'] } } },
};

/** What is due again within minutes is not worth a retry, or a message to a person: an alarm counts its errors. */
const INVOKED_BY_CLOCK = { maximumRetryAttempts: 0, maximumEventAge: 60 };

const NOTHING = { Ref: 'AWS::NoValue' };

const VPC = {
  'Fn::If': [
    'IsInSubnets',
    { SubnetIds: { Ref: 'SubnetIds' }, SecurityGroupIds: { Ref: 'SecurityGroupIds' } },
    NOTHING,
  ],
};

const BY_LAMBDA = {
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' }, Action: 'sts:AssumeRole' }],
};

function roleOf(name: string, entry: Entry): Json {
  const Statement = [...platformStatements(name, entry), ...entry.grants.map((grant) => statementOf(name, grant))];
  if (entry.rules.length > 0 && !entry.isClockwork)
    Statement.push({ Effect: 'Allow', Action: 'sqs:SendMessage', Resource: { 'Fn::GetAtt': ['LostEvents', 'Arn'] } });
  Statement.push(...bindingsDenied(entry));
  const further = Object.entries(entry.policies).map(([policy, part]) => policyOf(policy, resourceOf(part)));
  return {
    Type: 'AWS::IAM::Role',
    Properties: { AssumeRolePolicyDocument: BY_LAMBDA, Policies: [policyOf('task', Statement), ...further] },
  };
}

/** `LaunchSuccessfulPermission` of `LaunchSuccessfulRule`. */
function permissionNameOf(rule: string): string {
  return rule.replace(/Rule$/, 'Permission');
}

/** One for each rule: a pattern of names would also match the rules of a stage whose name begins alike. */
function permissionOf(name: string, rule: string): Json {
  return {
    Type: 'AWS::Lambda::Permission',
    Properties: {
      Action: 'lambda:InvokeFunction',
      FunctionName: { 'Fn::GetAtt': [`${stateOf(name)}LambdaFunction`, 'Arn'] },
      Principal: 'events.amazonaws.com',
      SourceAccount: { Ref: 'AWS::AccountId' },
      SourceArn: { 'Fn::GetAtt': [rule, 'Arn'] },
    },
  };
}

function policyOf(PolicyName: string, Statement: unknown): Json {
  return { PolicyName, PolicyDocument: { Version: '2012-10-17', Statement } };
}

/** What Lambda does in a function's name. They come before the grants of the table. */
function platformStatements(name: string, { subnets }: Pick<Entry, 'subnets'>): unknown[] {
  const log = { 'Fn::GetAtt': [`${stateOf(name)}LogGroup`, 'Arn'] };
  return [
    { Effect: 'Allow', Action: ['logs:CreateLogStream', 'logs:PutLogEvents'], Resource: log },
    { Effect: 'Allow', Action: ['xray:PutTraceSegments', 'xray:PutTelemetryRecords'], Resource: '*' },
    ...(subnets ? networkOf(name).map((statement) => ({ 'Fn::If': ['IsInSubnets', statement, NOTHING] })) : []),
  ];
}

const INTERFACES = [
  'ec2:AssignPrivateIpAddresses',
  'ec2:CreateNetworkInterface',
  'ec2:DeleteNetworkInterface',
  'ec2:DescribeNetworkInterfaces',
  'ec2:DescribeSubnets',
  'ec2:UnassignPrivateIpAddresses',
];

/** Lambda attaches the function to the subnets with the function's role; the code has the same role, and is denied it. */
const networkOf = (name: string) => [
  { Effect: 'Allow', Action: INTERFACES, Resource: '*' },
  {
    Effect: 'Deny',
    Action: INTERFACES,
    Resource: '*',
    Condition: ownCodeOf(name),
  },
];

/**
 * ForAnyValue: one denied attribute in an update or its condition is enough. Under Allow, ForAllValues would also be true for
 * a request without the key. Source: IAM, "Multivalued context keys"; DynamoDB, "Using IAM policy conditions".
 */
function bindingsDenied({ grants, binds }: Entry): unknown[] {
  const denied = [...BINDING_ATTRIBUTES.filter((attribute) => !binds.includes(attribute)), HOLDER_ATTRIBUTE];
  const writes = grants.filter(({ on }) => on.includes('Ledger')).flatMap(({ allow }) => allow);
  if (!writes.includes('dynamodb:UpdateItem')) return [];
  return [
    {
      Effect: 'Deny',
      Action: 'dynamodb:UpdateItem',
      Resource: resourceOf('Ledger'),
      Condition: { 'ForAnyValue:StringEquals': { 'dynamodb:Attributes': denied } },
    },
  ];
}

function statementOf(name: string, grant: Grant): Json {
  const { allow, on } = grant;
  const Condition = conditionOf(name, grant);
  return {
    Effect: 'Allow',
    Action: allow.length === 1 ? allow[0] : allow,
    Resource: on.length === 1 ? resourceOf(on[0] ?? '') : on.map(resourceOf),
    ...(Object.keys(Condition).length > 0 && { Condition }),
  };
}

function conditionOf(name: string, { fromOwnCodeOnly, sends, keys }: Grant): Json {
  return {
    ...(fromOwnCodeOnly && ownCodeOf(name)),
    ...(sends && { StringEquals: { 'events:source': 'muster', 'events:detail-type': sends } }),
    // Without Null, a request that names no key would meet ForAllValues.
    ...(keys && {
      'ForAllValues:StringLike': { 'dynamodb:LeadingKeys': keys },
      Null: { 'dynamodb:LeadingKeys': 'false' },
    }),
  };
}

/** Lambda puts this key into every request from a function's environment. */
function ownCodeOf(name: string): Json {
  return { ArnEquals: { 'lambda:SourceFunctionArn': arn('lambda', `function:muster-\${sls:stage}-${name}`) } };
}

function resourceOf(target: string): unknown {
  const [, kind, machine] = /^(state machine|executions of) (.+)$/.exec(target) ?? [];
  if (kind === 'state machine') return arn('states', `stateMachine:muster-\${sls:stage}-${machine}`);
  if (machine) return arn('states', `execution:muster-\${sls:stage}-${machine}:*`);
  if (target === '*') return target;
  if (target === 'event bus') return arn('events', 'event-bus/default');
  if (target.startsWith('profiles.')) return `\${file(build/from-profiles.json):${target.slice('profiles.'.length)}}`;
  const [, resource = target, part] = /^(\w+)(\/.+)$/.exec(target) ?? [];
  return part ? { 'Fn::Sub': `\${${resource}.Arn}${part}` } : { 'Fn::GetAtt': [resource, 'Arn'] };
}

function arn(service: string, resource: string): Json {
  return { 'Fn::Sub': `arn:\${AWS::Partition}:${service}:\${AWS::Region}:\${AWS::AccountId}:${resource}` };
}

/** The placeholders in a definition's Resource fields: what CloudFormation puts there, and what the machine may invoke. */
function tasksOf(definition: unknown): Generated['stateMachines'][string] {
  const found = [...JSON.stringify(definition).matchAll(/"\$\{(\w+)FunctionArn\}"/g)].map(([, state = '']) => state);
  const states = [...new Set(found)].sort();
  const arns = states.map((state) => ({ 'Fn::GetAtt': [`${state}LambdaFunction`, 'Arn'] }));
  return {
    functionArns: Object.fromEntries(states.map((state, index) => [`${state}FunctionArn`, arns[index]])),
    functions: arns,
  };
}

/** `"..."` repeats the fields of the row above. Source: CloudWatch, "Dashboard body structure and syntax". */
function rowsOf(metric: string, states: readonly string[]): string {
  const rows = states.map((state, index) => {
    const fields = index === 0 ? ['AWS/Lambda', metric, 'FunctionName'] : ['...'];
    return JSON.stringify([...fields, `\${${state}LambdaFunction}`]);
  });
  return rows.join(', ');
}

/**
 * Where a part of a generated resource is written in the table; undefined for a resource that is not generated.
 * @param kept as Generated has it; left out, every grant has a statement
 */
export function originOf(
  table: FunctionTable,
  [, resource = '', ...below]: readonly PropertyKey[],
  kept: Generated['kept'] = {},
): PropertyKey[] | undefined {
  const invoked = Object.keys(table).find((name) =>
    table[name]?.rules.map(permissionNameOf).includes(String(resource)),
  );
  if (invoked) return [invoked, 'rules'];
  const [, state = '', kind] = GENERATED.exec(String(resource)) ?? [];
  const name = nameOfState(state);
  const entry = table[name];
  if (!entry || stateOf(name) !== state) return undefined;
  const [properties, part, policy, , , index] = below;
  if (properties !== 'Properties') return [name];
  if (kind !== 'Role') return [name, ...(FIELDS[String(part)] ?? [])];
  if (part !== 'Policies' || policy === undefined) return [name];
  if (policy !== 0) return [name, 'policies'];
  if (index === undefined) return [name, 'grants'];
  const grant = Number(index) - platformStatements(name, entry).length;
  return grant < 0 ? [name] : [name, 'grants', kept[name]?.[grant] ?? grant];
}

const GENERATED = /^(\w+?)(LambdaFunction|LambdaEvConf|LogGroup|LambdaVersion\w*|Role)$/;

/** The table's fields, by the properties of a function that they become. */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  Description: ['description'],
  Timeout: ['timeoutSeconds'],
  MemorySize: ['memoryMegabytes'],
  ReservedConcurrentExecutions: ['reservedConcurrency'],
  VpcConfig: ['subnets'],
};
