import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { parse } from 'yaml';
import { parseSweepRequest } from '../events/request.ts';
import { interpret } from '../events/table.ts';
import { environment, VARIABLES } from '../lib/config.ts';
import * as errors from '../lib/errors.ts';
import { readDeployment } from '../local/deployment.ts';
import { nameOfState, stateOf } from '../resources/functions.ts';
import { readService } from '../resources/service.ts';
import { faultsOfDefinition } from '../stack/definition/definition.ts';
import { LONGEST_ENROLMENT_HOURS } from '../sweep/assessment.ts';
import { compilePattern } from '../world/eventbridge/event-pattern.ts';
import { sample, sampleNames } from './support/samples.ts';

const root = new URL('../', import.meta.url);
const yaml = (file: string) => parse(readFileSync(new URL(file, root), 'utf8'), { merge: true });
const names = (folder: string, extension: string) =>
  readdirSync(new URL(folder, root)).map((file) => file.replace(extension, ''));

const deployment = readDeployment();
const functions = names('functions/', '.ts').sort();
const definitions = names('statemachines/', '.asl.yml').map((name) => ({
  name,
  definition: yaml(`statemachines/${name}.asl.yml`),
}));

interface State {
  Type: string;
  Retry?: { ErrorEquals: string[] }[];
}
const INVOKED_BY_A_PERSON = ['revert-metadata'];
const statesOf = (definition: { States: Record<string, State> }) => Object.entries(definition.States);
const tasksOf = (definition: { States: Record<string, State> }) =>
  statesOf(definition).filter(([, { Type }]) => Type === 'Task');

afterEach(() => vi.unstubAllEnvs());

describe('the rules', () => {
  const takers = (name: string) =>
    deployment.rules.filter(({ pattern }) => compilePattern(pattern)(sample(name))).map((rule) => rule.functionName);
  const events = sampleNames().filter((name) => !/^typed-|-bare$/.test(name));
  const refused = sampleNames('refused/').filter((name) => !/typed-|no-envelope/.test(name));
  const kindOf = (name: string) => interpret(sample(name)).kind;
  // Both look like what they are not; the functions know them.
  const isForTheFunction = (name: string) => /test-notification|terminate-successful-into-warm-pool/.test(name);

  it.each(events.filter((name) => kindOf(name) !== 'ignored'))('bring %s to the function that answers it', (name) => {
    expect(takers(name)).toEqual([`muster-dev-start-${kindOf(name)}`]);
  });

  it.each(refused)('bring %s to a function that refuses it, so that it is kept with its reason', (name) => {
    expect(takers(name)).toHaveLength(1);
  });

  it.each(events.filter((name) => kindOf(name) === 'ignored' && !isForTheFunction(name)))('leave %s alone', (name) => {
    expect(takers(name)).toEqual([]);
  });
});

describe('the functions', () => {
  it('are all deployed', () => {
    expect(deployment.functions.map(({ file }) => file).sort()).toEqual(
      functions.map((name) => `functions/${name}.ts`),
    );
  });

  it.each(functions)('functions/%s.ts exports a handler', async (name) => {
    const module = await import(new URL(`functions/${name}.ts`, root).href);
    expect(module).toMatchObject({ handler: expect.any(Function) });
  });

  it('are tasks of a state machine, take events, or are invoked by a person', () => {
    const tasks = definitions.flatMap(({ definition }) => tasksOf(definition).map(([state]) => nameOfState(state)));
    const takers = deployment.rules.map(({ functionName }) => functionName.replace('muster-dev-', ''));
    expect([...new Set([...tasks, ...takers, ...INVOKED_BY_A_PERSON])].sort()).toEqual(functions);
  });

  it('have a role each, and no role is left over', () => {
    const service = readService(fileURLToPath(root));
    const roles = Object.values(service.functions).map(({ role }) => role);
    expect(roles.toSorted()).toEqual(functions.map((name) => `${stateOf(name)}Role`).sort());
    for (const role of roles) expect(service.resources.filter(({ Resources }) => Resources[role])).toHaveLength(1);
  });
});

describe('the environment', () => {
  const variables = VARIABLES.filter((name) => !name.startsWith('AWS_'));

  it('is what the functions read', () => {
    expect(variables.toSorted()).toEqual(deployment.environment.toSorted());
  });

  it.each([...variables, 'AWS_REGION'] as const)(
    'gives %s, and refuses to go on only if that one is missing',
    (name) => {
      for (const other of VARIABLES) vi.stubEnv(other, undefined);
      expect(() => environment(name)).toThrow(`The environment of this function lacks ${name}:`);
      vi.stubEnv('AWS_LAMBDA_FUNCTION_NAME', 'muster-dev-sweep');
      expect(() => environment(name)).toThrow(`The environment of muster-dev-sweep lacks ${name}:`);
      vi.stubEnv(name, 'x');
      expect(environment(name)).toBe('x');
    },
  );
});

const resources = Object.assign({}, ...readService(fileURLToPath(root)).resources.map(({ Resources }) => Resources));

describe('the schedule', () => {
  it('starts the sweep of everything, and no event is a rule of its own', () => {
    const { Properties } = resources.SweepSchedule;
    expect(Properties).toMatchObject({
      // biome-ignore lint/suspicious/noTemplateCurlyInString: the framework's own variable.
      ScheduleExpression: '${param:sweepSchedule}',
      Targets: [{ Arn: { Ref: 'SweepFleetStateMachine' }, Input: '{}' }],
    });
    expect(parseSweepRequest(JSON.parse(Properties.Targets[0].Input))).toEqual({ dryRun: false });
    expect(deployment.rules.map(({ name }) => name)).not.toContain(Properties.Name);
  });
});

describe.each(definitions)('the state machine $name', ({ name, definition }) => {
  const { Properties } = resources[`${stateOf(name)}StateMachine`];

  it('keeps the habits', () => {
    expect(faultsOfDefinition(definition, functions)).toEqual([]);
  });

  it('is deployed under its own name, which the functions that start it are told', () => {
    const told =
      yaml('serverless.yml').provider.environment[`${name.replaceAll('-', '_').toUpperCase()}_STATE_MACHINE_ARN`];
    // No function starts a sweep.
    if (name !== 'sweep-fleet') expect(told['Fn::Sub'].split(':stateMachine:')[1]).toBe(Properties.StateMachineName);
    expect(deployment.stateMachines.map((machine) => machine.name)).toContain(`muster-dev-${name}`);
  });

  it('is given the functions that it names', () => {
    const tasks = tasksOf(definition).map(([state]) => state);
    const substitutions = Object.entries(Properties.DefinitionSubstitutions);
    expect(substitutions.toSorted()).toEqual(
      tasks.map((task) => [`${task}FunctionArn`, { 'Fn::GetAtt': [`${task}LambdaFunction`, 'Arn'] }]).sort(),
    );
  });
});

describe('a sweep', () => {
  it('takes no enrolment for over that may still run', () => {
    const { TimeoutSeconds } = yaml('statemachines/enrol-node.asl.yml');
    expect(LONGEST_ENROLMENT_HOURS * 3600).toBeGreaterThan(TimeoutSeconds);
  });
});

describe('the errors', () => {
  const { NOT_YET, NEVER, VERDICTS: _, OURS: __, ...classes } = errors;

  it('are each of one family, and thrown under their own names', () => {
    const thrown = Object.values(classes).map((ErrorClass) => new ErrorClass('').name);
    expect(thrown).toEqual(Object.keys(classes));
    expect([...NOT_YET, ...NEVER].sort()).toEqual(thrown.toSorted());
  });

  it('that are "not yet" are tried again', () => {
    const states = definitions.flatMap(({ definition }) => statesOf(definition));
    const retried = states.flatMap(([, { Retry = [] }]) => Retry.flatMap(({ ErrorEquals }) => ErrorEquals));
    expect(NOT_YET.filter((name) => !retried.includes(name))).toEqual([]);
  });
});

describe("the reports' bucket", () => {
  const { Reports, ReportsPolicy } = yaml('resources/reports.yml').Resources;

  it('is encrypted, nobody else’s, and outlives the stack', () => {
    expect(Object.values(Reports.Properties.PublicAccessBlockConfiguration)).toEqual([true, true, true, true]);
    expect(Reports).toMatchObject({ DeletionPolicy: 'Retain', UpdateReplacePolicy: 'Retain' });
    const [rule] = Reports.Properties.BucketEncryption.ServerSideEncryptionConfiguration;
    expect(rule.ServerSideEncryptionByDefault.SSEAlgorithm).toBe('AES256');
  });

  it('is spoken to over TLS only, the objects in it as well', () => {
    const [statement] = ReportsPolicy.Properties.PolicyDocument.Statement;
    expect(statement).toMatchObject({ Effect: 'Deny', Principal: '*', Action: 's3:*' });
    expect(statement.Condition).toEqual({ Bool: { 'aws:SecureTransport': 'false' } });
    expect(statement.Resource).toHaveLength(2);
  });

  it('forgets a report after the days that are asked for, and what was written over after fewer', () => {
    const [rule] = Reports.Properties.LifecycleConfiguration.Rules;
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the framework's own variable.
    expect(rule.ExpirationInDays).toBe('${param:reportDays}');
    expect(rule.NoncurrentVersionExpiration.NoncurrentDays).toBeGreaterThan(0);
  });
});
