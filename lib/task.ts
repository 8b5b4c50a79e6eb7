import middy from '@middy/core';
import type { Context } from 'aws-lambda';
import * as z from 'zod';
import { DeadlinePassed, InvalidRequest, NOT_YET, OutOfTime } from './errors.ts';
import { printable } from './quoted.ts';
import { faultsOf } from './schema-faults.ts';
import { TaskContext } from './state.ts';
import { emit, logger } from './telemetry.ts';

/** What a handler is given beside its input. */
export interface Invocation {
  /** Aborted when the function is about to run into its own time-out. */
  readonly signal: AbortSignal;
  /** One line in the function's log, with the instance, the execution and the request id in it. */
  readonly log: (message: string, extra?: Record<string, unknown>) => void;
}

type Keys = Record<string, string | number>;

/** Time for the last log line and the answer. Lambda gives none once its time-out is reached. */
const STOP_EARLY_MILLISECONDS = 500;

/**
 * The handler of a task state: a schema and one call. The input is what the state's `Parameters` say, with the state
 * machine's own words under `task`; an error is the task's answer to the state machine, so nothing is caught here.
 * @throws InvalidRequest for an input that is not as the schema says; DeadlinePassed for a state that is entered too late; OutOfTime shortly before the function's time-out.
 */
export function task<Shape extends z.ZodRawShape, Output>(
  shape: Shape,
  run: (input: z.infer<z.ZodObject<Shape>> & { task: TaskContext }, invocation: Invocation) => Promise<Output>,
) {
  const schema = z.object({ ...shape, task: TaskContext });
  return observed<Output>(keysOfTask, async (event, invocation) => {
    const parsed = schema.safeParse(event);
    if (!parsed.success)
      throw new InvalidRequest(`The state's input is not as the task expects: ${faultsOf(parsed.error)}`);
    const input = parsed.data as unknown as z.infer<z.ZodObject<Shape>> & { task: TaskContext };
    if (input.task.retryCount > 0) emit('Retries', 1, { state: input.task.state });
    requireTime(input.task);
    return run(input, invocation);
  });
}

/** No state begins after the deadline: a launch is decided before its hook decides, and a retirement reports what is left. */
function requireTime({ state, deadline, enteredTime }: TaskContext): void {
  if (deadline === undefined || Date.parse(enteredTime) < Date.parse(deadline)) return;
  throw new DeadlinePassed(`${state} was not begun: the time for it was over at ${deadline}.`);
}

/** The handler of an event's function: what it is given is the event as it came. */
export function answer<Output>(run: (event: unknown, invocation: Invocation) => Promise<Output>) {
  return observed<Output>(() => ({}), run);
}

function observed<Output>(
  keysOf: (event: unknown) => Keys,
  run: (event: unknown, invocation: Invocation) => Promise<Output>,
) {
  const chain = middy<unknown, Output>({
    timeoutEarlyInMillis: STOP_EARLY_MILLISECONDS,
    timeoutEarlyResponse: () => {
      throw new OutOfTime(
        'The function stopped shortly before its time-out; what it had called may still have happened.',
      );
    },
  });
  const keys = (request: { event: unknown; context: Context }): Keys => ({
    function_request_id: request.context.awsRequestId,
    function_name: request.context.functionName,
    ...keysOf(request.event),
  });
  return chain
    .after((request) => logger.info('Done', keys(request)))
    .onError((request) => {
      const error = printableError(request.error);
      request.error = error;
      // Log only. We return no response, so middy rethrows and Lambda reports the error's name to the state machine.
      const line: Keys = { ...keys(request), error: error.name, reason: error.message };
      if (error.name === 'Throttled') emit('Throttles', 1, { state: String(line.state ?? line.function_name) });
      if (NOT_YET.some((name) => name === error.name)) logger.info('Not yet', line);
      else logger.error('Failed', { ...line, stack: error.stack });
    })
    .handler((event: unknown, context: Context, options: { signal: AbortSignal }) => {
      const own = keys({ event, context });
      return run(event, {
        signal: options.signal,
        log: (message, extra) => logger.info(message, { ...own, ...extra }),
      });
    });
}

/**
 * What leaves the function is kept in the execution's history, the ledger, events and mail: its message becomes one
 * printable line without keys. Lambda reports the stack as well, which repeats the message.
 */
function printableError(thrown: unknown): Error {
  const error = thrown instanceof Error ? thrown : new Error(`The function threw no error but ${String(thrown)}.`);
  const { message, stack = '' } = error;
  const value = printable(message);
  if (value === message) return error;
  const end = stack.indexOf(message) + message.length;
  const frames = stack.includes(message) ? stack.slice(end) : '';
  Object.defineProperty(error, 'message', { value, configurable: true, writable: true });
  Object.defineProperty(error, 'stack', {
    value: `${error.name}: ${value}${frames}`,
    configurable: true,
    writable: true,
  });
  return error;
}

/** Read leniently: a log line about an input that cannot be read should still say all that can. */
const Named = z.object({ instanceId: z.string() }).optional().catch(undefined);
const Keyed = z.object({
  task: TaskContext.partial().optional().catch(undefined),
  instance: Named,
  retirement: Named,
  request: z
    .object({ instanceId: z.string().optional(), lightsailInstanceName: z.string().optional() })
    .optional()
    .catch(undefined),
});

function keysOfTask(event: unknown): Keys {
  const { task, instance, retirement, request } = Keyed.safeParse(event).data ?? {};
  const keys = {
    instance: instance?.instanceId ?? retirement?.instanceId ?? request?.instanceId ?? request?.lightsailInstanceName,
    execution: task?.execution,
    state: task?.state,
    retryCount: task?.retryCount,
  };
  return Object.fromEntries(Object.entries(keys).filter((entry) => entry[1] !== undefined)) as Keys;
}
