import * as z from 'zod';
import { NEVER, NOT_YET } from '../../lib/errors.ts';
import { nameOfState } from '../../resources/functions.ts';
import type { Path } from '../template/source.ts';
import { nextOf, type Retrier, type Scope, type State, type StateFault } from './scopes.ts';

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

/** The Choice that parts what is waited for from what is decided at once: every "not yet" has to be in it. */
const WAITING_CHOICE = 'IsNotYet';

/** What Lambda calls its own failures. It adds names over time, so a Choice takes them by their beginnings. */
const LAMBDA_FAMILIES = ['Lambda.*', 'Sandbox.*', 'Runtime.*'];

/** What is wrong with the states of a state machine, each by itself. */
export function stateFaults({ at, States }: Scope, functions: readonly string[]): StateFault[] {
  return Object.entries(States).flatMap(([name, state]) => {
    const inState = (faults: readonly string[], ...by: Path) =>
      faults.map((fault) => ({ at: [...at, 'States', name, ...by], name, fault }));
    const faults = [
      ...inState(commentFaults(state)),
      ...state.Retry.flatMap((retrier, index) => inState(retryFaults(retrier), 'Retry', index)),
      ...inState(orderFaults('Retry', state.Retry), 'Retry'),
    ];
    if (name === WAITING_CHOICE) return [...faults, ...inState(waitingFaults(state), 'Choices')];
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
  const file = nameOfState(name);
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
  if (last.ErrorEquals.join() !== 'States.ALL') return ['does not end its Catch with States.ALL'];
  const isLambdaAwaited = passesThrough(last.Next, states);
  return isLambdaAwaited ? [] : [`leads Lambda's own failures to ${last.Next}, and to no Choice that waits for them`];
}

/** Whether a Catch leads to a Choice, or to a Wait, that lets what Lambda raises about itself pass. */
function passesThrough(next: string, states: Record<string, State>): boolean {
  const state = states[next];
  if (state?.Type === 'Wait') return true;
  const asked = new Set(matched(state));
  return LAMBDA_FAMILIES.every((family) => asked.has(family));
}

/** What the Choice forgets to wait for. */
function waitingFaults(state: State): string[] {
  const asked = new Set(matched(state));
  const forgotten = [...NOT_YET, 'States.Timeout', ...LAMBDA_FAMILIES].filter((error) => !asked.has(error));
  return forgotten.map((error) => `does not wait for ${error}`);
}

/** The names and patterns that a Choice compares an error with. */
function matched(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  const { Variable = '', StringEquals, StringMatches } = value as Record<string, unknown>;
  const own = String(Variable).endsWith('.Error') ? [StringEquals, StringMatches] : [];
  const below = Object.values(value).flatMap((part) => matched(part));
  return [...own.filter((name) => typeof name === 'string'), ...below];
}

/** The types of the last states that can be reached from the state `name`. */
function endsOf(name: string, states: Record<string, State>): string[] {
  const reached = new Set([name]);
  // A Set goes on to what is added while it is gone through.
  for (const at of reached) for (const next of nextOf(states[at])) reached.add(next);
  const ends = [...reached].filter((at) => nextOf(states[at]).length === 0);
  return ends.map((end) => states[end]?.Type ?? '');
}
