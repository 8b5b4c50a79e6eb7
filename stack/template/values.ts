import * as z from 'zod';

const Resource = z.looseObject({
  Type: z.string(),
  Properties: z.record(z.string(), z.unknown()).default({}),
  DependsOn: z.union([z.string(), z.array(z.string())]).optional(),
  Condition: z.string().optional(),
});
export type Resource = z.infer<typeof Resource>;

/** A CloudFormation template, as far as it is looked at. */
export const Template = z.looseObject({
  Parameters: z.record(z.string(), z.looseObject({ Default: z.unknown().optional() })).default({}),
  Conditions: z.record(z.string(), z.unknown()).default({}),
  Resources: z.record(z.string(), Resource),
  Outputs: z.record(z.string(), z.unknown()).default({}),
});
export type Template = z.infer<typeof Template>;

/** The account and the Region in which a template is thought to be deployed: those of events/samples. */
export const ACCOUNT_ID = '123456789012';
const REGION = 'eu-west-1';

const PSEUDO: Readonly<Record<string, string>> = {
  'AWS::Partition': 'aws',
  'AWS::Region': REGION,
  'AWS::AccountId': ACCOUNT_ID,
  'AWS::StackName': 'muster-dev',
  'AWS::URLSuffix': 'amazonaws.com',
};

/** How the ARN of a resource is made of its name: `sqs:muster-dev-lost-events`. */
const ARNS: Readonly<Record<string, { service: string; nameProperty: string }>> = {
  'AWS::Events::Rule': { service: 'events', nameProperty: 'Name' },
  'AWS::Lambda::Function': { service: 'lambda', nameProperty: 'FunctionName' },
  'AWS::SQS::Queue': { service: 'sqs', nameProperty: 'QueueName' },
  'AWS::SNS::Topic': { service: 'sns', nameProperty: 'TopicName' },
  'AWS::StepFunctions::StateMachine': { service: 'states', nameProperty: 'StateMachineName' },
  'AWS::CloudWatch::Alarm': { service: 'cloudwatch', nameProperty: 'AlarmName' },
  'AWS::Logs::LogGroup': { service: 'logs', nameProperty: 'LogGroupName' },
};

const BEFORE_THE_NAME: Readonly<Record<string, string>> = {
  events: 'rule/',
  lambda: 'function:',
  states: 'stateMachine:',
  cloudwatch: 'alarm:',
  logs: 'log-group:',
};

/** The resources of a type, by name. */
export function ofType({ Resources }: Template, type: string): [string, Resource][] {
  return Object.entries(Resources).filter(([, resource]) => resource.Type === type);
}

/**
 * A value with its references followed, as it would be in some account. What cannot be known before a deployment stands
 * as `<Name.Attribute>`.
 */
export function resolved(value: unknown, template: Template): unknown {
  if (Array.isArray(value)) return value.map((item) => resolved(item, template)).filter((item) => item !== undefined);
  if (typeof value !== 'object' || value === null) return value;
  const [[key, argument] = [], ...more] = Object.entries(value);
  if (more.length === 0 && key !== undefined) {
    if (key === 'Ref') return reference(String(argument), template);
    if (key === 'Fn::GetAtt') return attribute(argument, template);
    if (key === 'Fn::Sub') return substituted(argument, template);
    // Either branch could come to be; the first is the one with something in it.
    if (key === 'Fn::If' && Array.isArray(argument)) return resolved(argument[1], template);
  }
  return Object.fromEntries(Object.entries(value).map(([name, below]) => [name, resolved(below, template)]));
}

export function arnOf(name: string, template: Template): string {
  const resource = template.Resources[name];
  const how = resource && ARNS[resource.Type];
  if (!how) return `<${name}.Arn>`;
  const own = String(resolved(resource.Properties[how.nameProperty] ?? `<${name}>`, template));
  return arnIn(how.service, own);
}

/** The ARN of what has this name at a service. */
export function arnIn(service: string, name: string): string {
  return `arn:aws:${service}:${REGION}:${ACCOUNT_ID}:${BEFORE_THE_NAME[service] ?? ''}${name}`;
}

/** Every statement is compared with every target, and most of the time went into compiling the same few patterns. */
const compiled = new Map<string, RegExp>();

/** Whether `*` and `?` of an IAM pattern can stand for the rest of the text. */
export function isLike(text: string, pattern: string): boolean {
  const expression = compiled.get(pattern) ?? compile(pattern);
  compiled.set(pattern, expression);
  return expression.test(text);
}

function compile(pattern: string): RegExp {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`);
}

function reference(name: string, template: Template): unknown {
  if (name === 'AWS::NoValue') return undefined;
  if (PSEUDO[name]) return PSEUDO[name];
  const parameter = template.Parameters[name];
  if (parameter) return parameter.Default;
  // A topic and a state machine are referred to by their ARNs, everything else by its name.
  const type = template.Resources[name]?.Type ?? '';
  if (type === 'AWS::SNS::Topic' || type === 'AWS::StepFunctions::StateMachine') return arnOf(name, template);
  const property = ARNS[type]?.nameProperty;
  return (property && resolved(template.Resources[name]?.Properties[property], template)) ?? `<${name}>`;
}

function attribute(argument: unknown, template: Template): unknown {
  const [name = '', ...path] = Array.isArray(argument) ? argument.map(String) : String(argument).split('.');
  return path.join('.') === 'Arn' ? arnOf(name, template) : `<${[name, ...path].join('.')}>`;
}

function substituted(argument: unknown, template: Template): string {
  const [text, own] = Array.isArray(argument) ? argument : [argument, {}];
  return String(text).replace(/\$\{([^}]+)\}/g, (_all, written: string) => {
    const name = written.trim();
    if (name.startsWith('!')) return `$\{${name.slice(1)}}`;
    if (Object.hasOwn(own, name)) return String(resolved(own[name], template));
    return String(
      name.includes('.') && !name.startsWith('AWS::') ? attribute(name, template) : reference(name, template),
    );
  });
}
