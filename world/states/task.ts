import type { Clock } from '../kernel/clock.ts';
import { dataLimitExceeded } from './data-flow.ts';
import { Fault } from './fault.ts';
import type { EventDetails } from './history.ts';
import { exceedsLimit, type Json } from './json.ts';
import type { Scope } from './path.ts';
import { LAMBDA_INVOKE, type TaskState } from './schema.ts';
import { TaskFailure } from './task-failure.ts';
import { readField } from './template.ts';

/** One call of a task: one attempt of one visit to a Task state. */
export interface TaskInvocation {
  readonly executionArn: string;
  readonly stateName: string;
  /** What the state names: a Lambda function's ARN, or `arn:aws:states:::lambda:invoke`. */
  readonly resource: string;
  /** The task's own copy, as if it had come over the wire. */
  readonly input: unknown;
}

/**
 * Runs a task. It resolves with the output (of which the state takes a copy) and rejects with a `TaskFailure`; any
 * other error is taken for what a Lambda function threw. While it computes, it holds the clock itself: the engine holds
 * it up to the call and not longer, because a task that waits for a slow answer must be able to let time pass.
 */
export type TaskInvoker = (invocation: TaskInvocation) => Promise<unknown>;

interface Call {
  readonly clock: Clock;
  readonly invokeTask: TaskInvoker;
  readonly invocation: TaskInvocation;
  readonly timeoutSeconds: number | undefined;
}

/**
 * Calls a task. A running one cannot be stopped: after its time-out, or after `stopListening`, it runs on, and only its
 * answer is lost.
 *
 * @param onAnswer called once at most, with the output or the failure
 * @returns stopListening
 */
export function callTask(call: Call, onAnswer: (answer: Json | TaskFailure) => void): () => void {
  const { clock, timeoutSeconds } = call;
  let listening = true;
  const stopListening = () => {
    listening = false;
    cancelTimeout();
  };
  const answer = (value: Json | TaskFailure) => {
    if (!listening) return;
    stopListening();
    onAnswer(value);
  };
  const timeOut = () => answer(new TaskFailure('States.Timeout'));
  const cancelTimeout = timeoutSeconds ? clock.at(clock.now() + timeoutSeconds * 1000, timeOut) : () => {};
  void settle(call).then(answer);
  return stopListening;
}

async function settle(call: Call): Promise<Json | TaskFailure> {
  try {
    const output = JSON.stringify(await begin(call)) ?? 'null';
    if (!exceedsLimit(output)) return JSON.parse(output) as Json;
    return new TaskFailure('States.DataLimitExceeded', dataLimitExceeded(call.invocation.resource));
  } catch (thrown) {
    return TaskFailure.from(thrown);
  }
}

/** Begins in a turn of its own: a task that stops its own execution finds it in order. */
async function begin({ clock, invokeTask, invocation }: Call): Promise<unknown> {
  const release = clock.hold();
  await undefined;
  try {
    return invokeTask(invocation);
  } finally {
    release();
  }
}

type Event = [type: string, details?: EventDetails];

/** The events of one attempt, which are named after what is called. */
export interface TaskEvents {
  scheduled(input: Json, timeoutInSeconds: number | undefined): Event;
  started(): Event;
  succeeded(output: Json): Event;
  failed(failure: TaskFailure): Event;
}

export function taskEvents(resource: string, region: string): TaskEvents {
  return resource === LAMBDA_INVOKE ? integrationEvents(region) : lambdaEvents(resource);
}

function lambdaEvents(resource: string): TaskEvents {
  return {
    scheduled: (input, timeoutInSeconds) => ['LambdaFunctionScheduled', { resource, input, timeoutInSeconds }],
    started: () => ['LambdaFunctionStarted'],
    succeeded: (output) => ['LambdaFunctionSucceeded', { output }],
    failed: ({ error, cause }) => [`LambdaFunction${failureVerb(error)}`, { error, cause }],
  };
}

function integrationEvents(region: string): TaskEvents {
  const called = { resource: 'invoke', resourceType: 'lambda' };
  return {
    scheduled: (parameters, timeoutInSeconds) => ['TaskScheduled', { ...called, region, parameters, timeoutInSeconds }],
    started: () => ['TaskStarted', called],
    succeeded: (output) => ['TaskSucceeded', { ...called, output }],
    failed: ({ error, cause }) => [`Task${failureVerb(error)}`, { ...called, error, cause }],
  };
}

function failureVerb(error: string): string {
  return error === 'States.Timeout' ? 'TimedOut' : 'Failed';
}

/**
 * The seconds after which a task's answer is no longer waited for; undefined when it is waited for without limit.
 *
 * @throws Fault when TimeoutSecondsPath names no whole number of seconds
 */
export function timeoutOf({ TimeoutSeconds, TimeoutSecondsPath: path }: TaskState, scope: Scope): number | undefined {
  if (!path) return TimeoutSeconds;
  const seconds = readField(path, 'TimeoutSecondsPath', scope);
  if (typeof seconds === 'number' && Number.isInteger(seconds) && seconds > 0) return seconds;
  throw new Fault(`The TimeoutSecondsPath parameter does not reference a positive integer: ${path.text}`);
}
