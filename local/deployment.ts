import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import { readService, type Service } from '../resources/service.ts';
import { ACCOUNT_ID, functionArn } from '../world/kernel/account.ts';
import { type DeployedResources, resolveResources } from './resources.ts';

/**
 * What serverless.yml deploys, as the local world plays it and as the tests hold it against the code. Names are those of
 * the stage `dev`.
 */
export interface Deployment {
  readonly functions: readonly DeployedFunction[];
  readonly rules: readonly DeployedRule[];
  readonly schedules: readonly DeployedSchedule[];
  readonly stateMachines: readonly DeployedStateMachine[];
  /** Names of the variables that every function is given. */
  readonly environment: readonly string[];
  readonly resources: DeployedResources;
}

export interface DeployedFunction {
  /** `muster-dev-describe-instance`. */
  readonly name: string;
  /** Its source, from the root: `functions/describe-instance.ts`. */
  readonly file: string;
  readonly timeoutSeconds: number;
}

export interface DeployedRule {
  readonly name: string;
  /** EventBridge's grammar: `event-pattern.ts`. */
  readonly pattern: unknown;
  /** The function that takes its events. */
  readonly functionName: string;
}

/** A scheduled rule that invokes a function. */
export interface DeployedSchedule {
  readonly name: string;
  readonly everySeconds: number;
  readonly functionName: string;
}

export interface DeployedStateMachine {
  readonly name: string;
  /** Amazon States Language; each `${…FunctionArn}` is the ARN of its function. */
  readonly definition: unknown;
}

const STAGE = 'dev';

type Resource = Service['resources'][number]['Resources'][string];

/** Schedules of functions run by themselves here; one that starts a state machine (the sweep) runs on request. */
const isScheduled = ({ Properties }: Resource) => 'ScheduleExpression' in Properties;

/** A function as a resource refers to it. */
const FunctionReference = z.object({ 'Fn::GetAtt': z.tuple([z.string(), z.literal('Arn')]) });

const Rule = z.object({
  Name: z.string(),
  // The account is the only value of a pattern that CloudFormation puts in.
  EventPattern: z.looseObject({
    account: z.array(z.strictObject({ Ref: z.literal('AWS::AccountId') }).transform(() => ACCOUNT_ID)),
  }),
  Targets: z.array(z.object({ Arn: z.unknown() })),
});

const Schedule = z.object({
  Name: z.string(),
  ScheduleExpression: z.string(),
  Targets: z.array(z.object({ Arn: z.unknown() })),
});

const StateMachine = z.object({
  StateMachineName: z.string(),
  Definition: z.unknown(),
  DefinitionSubstitutions: z.record(z.string(), FunctionReference),
});

const HANDLER = /^build\/functions\/([a-z0-9-]+)\/index\.handler$/;

/**
 * Reads serverless.yml and the files that it includes. No account and no build is needed.
 * @param root the folder of serverless.yml
 * @throws Error when a file is missing, or says something in another shape than the ones that are read here
 */
export function readDeployment(root = fileURLToPath(new URL('..', import.meta.url))): Deployment {
  const { service, provider, functions, resources } = readService(root, STAGE);
  const template = Object.assign({}, ...resources.map((part) => part.Resources));
  const everything = resources.flatMap((part) => Object.values(part.Resources));
  const all = everything.filter((one) => !isScheduled(one));
  const nameOf = functionNames(functions);
  return {
    functions: Object.values(functions).map(({ name, handler, timeout = provider.timeout }) => {
      return { name, file: sourceOf(handler), timeoutSeconds: timeout };
    }),
    rules: ofType(all, 'AWS::Events::Rule', Rule).flatMap(({ Name, EventPattern, Targets }) =>
      Targets.flatMap(({ Arn }) => {
        // Other targets (a topic that a person listens to) play no part here.
        const { data } = FunctionReference.safeParse(Arn);
        return data ? [{ name: Name, pattern: EventPattern, functionName: nameOf(data) }] : [];
      }),
    ),
    schedules: ofType(everything.filter(isScheduled), 'AWS::Events::Rule', Schedule).flatMap((schedule) =>
      schedule.Targets.flatMap(({ Arn }) => {
        const { data } = FunctionReference.safeParse(Arn);
        const { Name: name, ScheduleExpression } = schedule;
        return data ? [{ name, everySeconds: secondsOf(ScheduleExpression), functionName: nameOf(data) }] : [];
      }),
    ),
    stateMachines: ofType(all, 'AWS::StepFunctions::StateMachine', StateMachine).map((machine) => {
      return { name: machine.StateMachineName, definition: substituted(machine, nameOf) };
    }),
    environment: Object.keys(provider.environment),
    resources: resolveResources(`${service}-${STAGE}`, template, provider.environment),
  };
}

const SECONDS = { minute: 60, hour: 3600, day: 86_400 } as const;

function secondsOf(expression: string): number {
  const [, count, unit] = /^rate\((\d+) (minute|hour|day)s?\)$/.exec(expression) ?? [];
  if (count && unit) return Number(count) * SECONDS[unit as keyof typeof SECONDS];
  throw new Error(
    `The local world plays rate(…) for a function, and not ${expression}: play it in local/deployment.ts.`,
  );
}

function ofType<Properties extends z.ZodType>(all: Resource[], type: string, schema: Properties) {
  return all.filter((resource) => resource.Type === type).map((resource) => schema.parse(resource.Properties));
}

/** The framework calls the resource of a function `describeInstance` DescribeInstanceLambdaFunction. */
function functionNames(functions: Service['functions']) {
  const names = new Map(
    Object.entries(functions).map(([key, { name }]) => [
      `${key.slice(0, 1).toUpperCase()}${key.slice(1)}LambdaFunction`,
      name,
    ]),
  );
  return ({ 'Fn::GetAtt': [resource] }: z.infer<typeof FunctionReference>): string => {
    const name = names.get(resource);
    if (name) return name;
    throw new Error(`serverless.yml has no function whose resource is ${resource}.`);
  };
}

function sourceOf(handler: string): string {
  const [, name] = HANDLER.exec(handler) ?? [];
  if (name) return `functions/${name}.ts`;
  throw new Error(`serverless.yml: the handler ${handler} is not build/functions/NAME/index.handler.`);
}

function substituted(
  { StateMachineName, Definition, DefinitionSubstitutions }: z.infer<typeof StateMachine>,
  nameOf: (reference: z.infer<typeof FunctionReference>) => string,
): unknown {
  const text = JSON.stringify(Definition).replace(/\$\{([A-Za-z0-9]+)\}/g, (placeholder, name: string) => {
    const reference = DefinitionSubstitutions[name];
    if (reference) return functionArn(nameOf(reference));
    throw new Error(
      `${StateMachineName}: the DefinitionSubstitutions lack ${placeholder}, which the definition names.`,
    );
  });
  return JSON.parse(text);
}
