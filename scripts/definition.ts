import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import validate from 'asl-validator';
import { parse } from 'yaml';
import * as z from 'zod';
import { NEVER, NOT_YET } from '../lib/errors.ts';
import { nearest } from './nearest.ts';
import { type Fault, linesOf, type Path, render, type Where } from './template-source.ts';

/** What Lambda and Step Functions call their own failures, as far as a task can meet them. */
const SERVICE_ERRORS = [
  'Lambda.ClientExecutionTimeoutException',
  'Lambda.ServiceException',
  'Lambda.AWSLambdaException',
  'Lambda.SdkClientException',
  'Lambda.TooManyRequestsException',
  'Lambda.Unknown',
  'Sandbox.Timedout',
  'States.Timeout',
  'States.TaskFailed',
  'States.Permissions',
];

const KNOWN_ERRORS: readonly string[] = [...NOT_YET, ...NEVER, ...SERVICE_ERRORS, 'States.ALL'];

const MOST_SECONDS = 99_999_999;

/**
 * Written at every retrier: Step Functions' own values lose launches in a burst. What it takes there: AWS Step Functions
 * Developer Guide, "Handling errors in Step Functions workflows".
 */
const RETRY_FIELDS = {
  IntervalSeconds: { takes: z.int().min(1).max(MOST_SECONDS), name: `a whole number from 1 to ${MOST_SECONDS}` },
  MaxAttempts: { takes: z.int().min(0).max(99_999_999), name: 'a whole number from 0 to 99999999' },
  BackoffRate: { takes: z.number().min(1), name: 'a number that is 1.0 or more' },
  MaxDelaySeconds: { takes: z.int().min(1).max(31_622_399), name: 'a whole number from 1 to 31622399' },
};

/** Where whatever is "not yet" waits. */
const WAITING_STATE = 'KeepWaiting';

const Retrier = z.looseObject({ ErrorEquals: z.array(z.string()) });
const Catcher = z.looseObject({ ErrorEquals: z.array(z.string()), Next: z.string() });

const State = z.looseObject({
  Type: z.string(),
  Comment: z.string().optional(),
  Resource: z.string().optional(),
  TimeoutSeconds: z.unknown().optional(),
  Next: z.string().optional(),
  Default: z.string().optional(),
  Choices: z.array(z.looseObject({ Next: z.string() })).default([]),
  Retry: z.array(Retrier).default([]),
  Catch: z.array(Catcher).default([]),
});
type State = z.infer<typeof State>;

/** A state machine, or the part of one that a Map or a Parallel state runs. */
const Definition = z.looseObject({ StartAt: z.string().optional(), States: z.record(z.string(), State) });

/**
 * Holds all of statemachines/ against the language and against our habits.
 * @param root the folder that statemachines/ stands in
 * @param functions names of the files in functions/, without extension
 * @returns one sentence for each fault: file, line and what to do
 */
export function faultsOfStateMachines(root: string, functions: readonly string[]): string[] {
  return readdirSync(join(root, 'statemachines')).flatMap((name) => {
    const file = `statemachines/${name}`;
    const definition: object = parse(readFileSync(join(root, file), 'utf8'), { merge: true });
    return faultsOfDefinition(definition, functions, linesOf(root, file));
  });
}

/**
 * Holds a state machine against the language and against our habits.
 * @param definition in the Amazon States Language, each function's `Resource` as `${NameFunctionArn}`; it is not changed
 * @param functions names of the files in functions/, without extension
 * @returns one sentence for each fault
 */
export function faultsOfDefinition(
  definition: object,
  functions: readonly string[],
  where: Where = () => undefined,
): string[] {
  const scopes = scopesIn(definition, []);
  const lost = scopes.flatMap(lostTargets);
  if (lost.length > 0) return render(lost, where);
  // A name that nobody knows makes other faults, and is the one to be mended.
  const misspelt = once(scopes.flatMap(nameFaults), where);
  if (misspelt.length > 0) return render(misspelt, where);
  // Before the language, which says less about the same.
  const own = once(
    scopes.flatMap((scope) => stateFaults(scope, functions)),
    where,
  );
  if (own.length > 0) return render(own, where);
  return render(languageFaults(definition), where);
}

function languageFaults(definition: object): Fault[] {
  const invalid = validate(structuredClone(definition)).errors.map(({ Message, schemaError }) => {
    const reason = Message ?? `${schemaError?.instancePath}: ${schemaError?.message}`;
    return { at: schemaError?.instancePath.split('/').slice(1) ?? [], reason };
  });
  const { error } = Definition.safeParse(definition);
  const unread = error?.issues.map(({ path, message }) => ({ at: path.map(String), reason: message })) ?? [];
  return (invalid.length > 0 ? invalid : unread).map(({ at, reason }) => {
    return { at, says: `It is not Amazon States Language: ${reason}.` };
  });
}

/** A state that a function runs. */
export interface TaskState {
  readonly at: Path;
  readonly name: string;
  readonly resource: string;
  readonly timeoutSeconds: unknown;
}

/** The tasks of a state machine, those within its Map and Parallel states too. */
export function tasksOf(definition: unknown): TaskState[] {
  return scopesIn(definition, []).flatMap(({ at, States }) =>
    Object.entries(States).flatMap(([name, { Type, Resource = '', TimeoutSeconds }]) => {
      return Type === 'Task'
        ? [{ at: [...at, 'States', name], name, resource: Resource, timeoutSeconds: TimeoutSeconds }]
        : [];
    }),
  );
}

interface Scope {
  readonly at: Path;
  readonly States: Record<string, State>;
  readonly StartAt: string | undefined;
}

/** The state machine itself, and what its Map and Parallel states run: no state of one leads into another. */
function scopesIn(definition: unknown, at: Path): Scope[] {
  const { data } = Definition.safeParse(definition);
  if (!data) return [];
  const below = Object.entries(data.States).flatMap(([name, { ItemProcessor, Iterator: iterator, Branches }]) => {
    const parts = [['ItemProcessor', ItemProcessor] as const, ['Iterator', iterator] as const];
    const branches = Array.isArray(Branches) ? Branches : [];
    return [
      ...parts.flatMap(([key, part]) => scopesIn(part, [...at, 'States', name, key])),
      ...branches.flatMap((part, index) => scopesIn(part, [...at, 'States', name, 'Branches', index])),
    ];
  });
  return [{ at, States: data.States, StartAt: data.StartAt }, ...below];
}

function lostTargets({ at, States, StartAt }: Scope): Fault[] {
  const isLost = (target: string | undefined) => target !== undefined && !Object.hasOwn(States, target);
  const start = isLost(StartAt)
    ? [{ at: [...at, 'StartAt'], says: `It starts at ${StartAt}, which is no state: correct the name.` }]
    : [];
  const nexts = Object.entries(States).flatMap(([name, state]) =>
    waysOf(state)
      .filter(({ next }) => isLost(next))
      .map(({ next, by }) => ({
        at: [...at, 'States', name, ...by],
        says: `State ${name} leads to ${next}, which is no state: correct the name, or add the state.`,
      })),
  );
  return [...start, ...nexts];
}

/** A fault of a state, as the rest of a sentence about it. */
interface StateFault {
  readonly at: Path;
  readonly name: string;
  readonly fault: string;
}

/** What several states have of one anchor is told of the first of them. */
function once(faults: readonly StateFault[], where: Where): Fault[] {
  const first = new Map<string, Fault>();
  for (const { at, name, fault } of faults) {
    const key = `${where(at) ?? name}: ${fault}`;
    if (!first.has(key)) first.set(key, { at, says: `State ${name} ${fault}.` });
  }
  return [...first.values()];
}

/** The errors that a state names, each where it does. */
function nameFaults({ at, States }: Scope): StateFault[] {
  return Object.entries(States).flatMap(([name, state]) => {
    const rules = [...named(state.Retry, 'Retry'), ...named(state.Catch, 'Catch')];
    const wrong = [...rules, ...compared(state, [])].filter(({ error }) => !KNOWN_ERRORS.includes(error));
    return wrong.map(({ error, by }) => {
      const meant = nearest(error, KNOWN_ERRORS);
      const how = meant ? `write ${meant}` : 'correct it, or add it to lib/errors.ts';
      return {
        at: [...at, 'States', name, ...by],
        name,
        fault: `names ${error}, which is no known error: ${how}`,
      };
    });
  });
}

interface Named {
  readonly error: string;
  readonly by: Path;
}

function named(rules: readonly { ErrorEquals: string[] }[], field: string): Named[] {
  return rules.flatMap(({ ErrorEquals }, index) =>
    ErrorEquals.map((error, nth) => ({ error, by: [field, index, 'ErrorEquals', nth] })),
  );
}

/** A Choice may ask which error it was. */
function compared(value: unknown, by: Path): Named[] {
  if (typeof value !== 'object' || value === null) return [];
  const { Variable = '', StringEquals: error } = value as { Variable?: unknown; StringEquals?: unknown };
  const own = String(Variable).endsWith('.Error') && typeof error === 'string';
  const below = Object.entries(value).flatMap(([key, part]) => compared(part, [...by, key]));
  return own ? [{ error, by: [...by, 'StringEquals'] }, ...below] : below;
}

function stateFaults({ at, States }: Scope, functions: readonly string[]): StateFault[] {
  return Object.entries(States).flatMap(([name, state]) => {
    const inState = (faults: readonly string[], ...by: Path) =>
      faults.map((fault) => ({ at: [...at, 'States', name, ...by], name, fault }));
    const faults = [
      ...inState(commentFaults(state)),
      ...state.Retry.flatMap((retrier, index) => inState(retryFaults(retrier), 'Retry', index)),
      ...inState(orderFaults('Retry', state.Retry), 'Retry'),
    ];
    if (state.Type !== 'Task') return faults;
    return [
      ...faults,
      ...inState(functionFaults(name, state, functions), 'Resource'),
      ...inState(timeoutFaults(state), 'TimeoutSeconds'),
      ...inState(orderFaults('Catch', state.Catch), 'Catch'),
      ...inState(catchFaults(name, state, States), 'Catch'),
    ];
  });
}

function commentFaults({ Comment }: State): string[] {
  return Comment ? [] : ['has no Comment: say why it is there'];
}

/** The state `AssociateNode` is the file `associate-node.ts`. A state may also call a service, by its ARN. */
function functionFaults(name: string, { Resource }: State, functions: readonly string[]): string[] {
  if (Resource?.startsWith('arn:')) return [];
  const file = name.replace(/(?<!^)[A-Z]/g, '-$&').toLowerCase();
  const faults = [];
  if (!functions.includes(file)) faults.push(`has no function: functions/${file}.ts is missing`);
  if (Resource !== `\${${name}FunctionArn}`) faults.push(`runs ${Resource}, not \${${name}FunctionArn}`);
  return faults;
}

function timeoutFaults({ Resource, TimeoutSeconds }: State): string[] {
  if (TimeoutSeconds === undefined && Resource?.startsWith('arn:')) return [];
  if (TimeoutSeconds === undefined) return ['has no TimeoutSeconds: a lost answer would hold it for ever'];
  const { takes, name } = RETRY_FIELDS.IntervalSeconds;
  if (takes.safeParse(TimeoutSeconds).success) return [];
  return [`has a TimeoutSeconds of ${JSON.stringify(TimeoutSeconds)}: give it ${name}`];
}

function retryFaults(retrier: z.infer<typeof Retrier>): string[] {
  const [first, ...others] = retrier.ErrorEquals;
  const of = `retries ${first}${others.length ? ` and ${others.length} more` : ''}`;
  const wrong = Object.entries(RETRY_FIELDS).flatMap(([field, { takes, name }]) => {
    const value = retrier[field];
    if (value === undefined) return retrier.MaxAttempts === 0 ? [] : [`${of} without ${field}: give it ${name}`];
    return takes.safeParse(value).success ? [] : [`${of} with ${field} ${JSON.stringify(value)}: give it ${name}`];
  });
  if (wrong.length > 0) return wrong;
  return retrier.MaxAttempts === 0 ? [] : patienceFaults(retrier, of);
}

/** What is wrong with waiting so, where each number by itself is right. */
function patienceFaults(retrier: z.infer<typeof Retrier>, of: string): string[] {
  const faults = [];
  if (retrier.JitterStrategy !== 'FULL') faults.push(`${of} without JitterStrategy FULL`);
  if (Number(retrier.MaxDelaySeconds) <= Number(retrier.IntervalSeconds))
    faults.push(
      `${of} with a MaxDelaySeconds of ${retrier.MaxDelaySeconds}, which is no more than its IntervalSeconds: let it be more`,
    );
  const hopeless = retrier.ErrorEquals.filter((error) => NEVER.some((never) => never === error));
  return [...faults, ...hopeless.map((error) => `retries ${error}, which trying again does not change`)];
}

/** States.ALL takes everything: what comes after it is never asked, and what stands beside it says nothing. */
function orderFaults(field: 'Retry' | 'Catch', rules: readonly { ErrorEquals: string[] }[]): string[] {
  const wrong = rules.filter(
    ({ ErrorEquals }, index) =>
      ErrorEquals.includes('States.ALL') && (index < rules.length - 1 || ErrorEquals.length > 1),
  );
  const empty = rules.filter(({ ErrorEquals }) => ErrorEquals.length === 0);
  return [
    ...wrong.map(() => `has States.ALL in its ${field} before the last place, or not alone`),
    ...empty.map(() => `has an empty ErrorEquals in its ${field}: name the errors that it is for`),
  ];
}

/** Every failure of a task leads somewhere; a task that has only a red end before it may let its own be that end. */
function catchFaults(name: string, { Catch }: State, states: Record<string, State>): string[] {
  const last = Catch.at(-1);
  if (!last) return endsOf(name, states).every((end) => end === 'Fail') ? [] : ['has no Catch'];
  const faults = last.ErrorEquals.join() === 'States.ALL' ? [] : ['does not end its Catch with States.ALL'];
  const waiting = Catch.filter((catcher) => catcher.Next === WAITING_STATE).flatMap((catcher) => catcher.ErrorEquals);
  if (waiting.length > 0 && name !== WAITING_STATE) {
    const forgotten = NOT_YET.filter((error) => !waiting.includes(error));
    faults.push(...forgotten.map((error) => `does not wait for ${error} in ${WAITING_STATE}`));
  }
  return faults;
}

/** The types of the last states that can be reached from the state `name`. */
function endsOf(name: string, states: Record<string, State>): string[] {
  const reached = new Set([name]);
  // A Set goes on to what is added while it is gone through.
  for (const at of reached) for (const next of nextOf(states[at])) reached.add(next);
  const ends = [...reached].filter((at) => nextOf(states[at]).length === 0);
  return ends.map((end) => states[end]?.Type ?? '');
}

function nextOf(state: State | undefined): string[] {
  return state ? waysOf(state).map(({ next }) => next) : [];
}

/** Where a state leads, and by which of its fields. */
function waysOf({ Next, Default, Choices, Catch }: State): { next: string; by: Path }[] {
  return [
    ...(Next ? [{ next: Next, by: ['Next'] }] : []),
    ...(Default ? [{ next: Default, by: ['Default'] }] : []),
    ...Choices.map((choice, index) => ({ next: choice.Next, by: ['Choices', index, 'Next'] })),
    ...Catch.map((catcher, index) => ({ next: catcher.Next, by: ['Catch', index, 'Next'] })),
  ];
}
