import validate from 'asl-validator';
import * as z from 'zod';
import { NEVER, NOT_YET } from '../lib/errors.ts';

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

const KNOWN_ERRORS = new Set<string>([...NOT_YET, ...NEVER, ...SERVICE_ERRORS]);

/** Written at every retrier: Step Functions' own values lose launches in a burst. */
const RETRY_FIELDS = ['IntervalSeconds', 'MaxAttempts', 'BackoffRate', 'MaxDelaySeconds'];

/** Where whatever is "not yet" waits. */
const WAITING_STATE = 'KeepWaiting';

const Retrier = z.looseObject({ ErrorEquals: z.array(z.string()), MaxAttempts: z.int().optional() });
const Catcher = z.looseObject({ ErrorEquals: z.array(z.string()), Next: z.string() });

const State = z.looseObject({
  Type: z.string(),
  Comment: z.string().optional(),
  Resource: z.string().optional(),
  TimeoutSeconds: z.int().optional(),
  Next: z.string().optional(),
  Default: z.string().optional(),
  Choices: z.array(z.looseObject({ Next: z.string() })).default([]),
  Retry: z.array(Retrier).default([]),
  Catch: z.array(Catcher).default([]),
});
type State = z.infer<typeof State>;

const Definition = z.looseObject({ States: z.record(z.string(), State) });

/**
 * Holds a state machine against the language and against our habits.
 * @param definition in the Amazon States Language, each `Resource` as `${NameFunctionArn}`; it is not changed
 * @param functions names of the files in functions/, without extension
 * @returns one sentence for each fault
 */
export function faultsOfDefinition(definition: object, functions: readonly string[]): string[] {
  const invalid = validate(structuredClone(definition)).errors;
  if (invalid.length > 0) {
    return invalid.map(({ Message, schemaError }) => {
      const reason = Message ?? `${schemaError?.instancePath}: ${schemaError?.message}`;
      return `It is not Amazon States Language: ${reason}.`;
    });
  }
  const { States } = Definition.parse(definition);
  return Object.entries(States).flatMap(([name, state]) => {
    const faults = [...commentFaults(state), ...comparisonFaults(state)];
    if (state.Type === 'Task') {
      faults.push(...functionFaults(name, state, functions), ...retryFaults(state));
      faults.push(...catchFaults(name, state, States));
    }
    return faults.map((fault) => `State ${name} ${fault}.`);
  });
}

function commentFaults({ Comment }: State): string[] {
  return Comment ? [] : ['has no Comment: say why it is there'];
}

/** The state `AssociateNode` is the file `associate-node.ts`. */
function functionFaults(name: string, { Resource, TimeoutSeconds }: State, functions: readonly string[]): string[] {
  const file = name.replace(/(?<!^)[A-Z]/g, '-$&').toLowerCase();
  const faults = [];
  if (!functions.includes(file)) faults.push(`has no function: functions/${file}.ts is missing`);
  if (Resource !== `\${${name}FunctionArn}`) faults.push(`runs ${Resource}, not \${${name}FunctionArn}`);
  if (!TimeoutSeconds) faults.push('has no TimeoutSeconds: a lost answer would hold it for ever');
  return faults;
}

function retryFaults({ Retry }: State): string[] {
  return Retry.flatMap((retrier) => {
    if (retrier.MaxAttempts === 0) return unknown(retrier.ErrorEquals);
    const [first, ...others] = retrier.ErrorEquals;
    const of = `retries ${first}${others.length ? ` and ${others.length} more` : ''}`;
    const missing = RETRY_FIELDS.filter((field) => typeof retrier[field] !== 'number');
    const faults = missing.map((field) => `${of} without ${field}`);
    if (retrier.JitterStrategy !== 'FULL') faults.push(`${of} without JitterStrategy FULL`);
    const hopeless = retrier.ErrorEquals.filter((error) => NEVER.some((never) => never === error));
    faults.push(...hopeless.map((error) => `retries ${error}, which trying again does not change`));
    return [...faults, ...unknown(retrier.ErrorEquals)];
  });
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
  return [...faults, ...Catch.flatMap(({ ErrorEquals }) => unknown(ErrorEquals.filter((e) => e !== 'States.ALL')))];
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
  if (!state) return [];
  const targets = [state.Next, state.Default, ...[...state.Choices, ...state.Catch].map((way) => way.Next)];
  return targets.filter((target) => target !== undefined);
}

/** A Choice may ask which error it was: then it must be one that there is. */
function comparisonFaults(state: State): string[] {
  const text = JSON.stringify(state);
  const compared = [...text.matchAll(/"Variable":"[^"]*\.Error","StringEquals":"([^"]*)"/g)];
  return unknown(compared.map(([, error = '']) => error));
}

function unknown(errors: readonly string[]): string[] {
  return errors.filter((error) => !KNOWN_ERRORS.has(error)).map((error) => `names ${error}, which is no known error`);
}
