import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe } from 'node:diagnostics_channel';
import type { ClientRequest } from 'node:http';
import type { Context } from 'aws-lambda';
import { functionArn } from '../kernel/account.ts';
import type { Clock } from '../kernel/clock.ts';
import { Hold } from '../kernel/hold.ts';
import type { Random } from '../kernel/random.ts';
import { uuid } from '../kernel/uuid.ts';
import { TaskFailure } from '../states/task-failure.ts';
import { INVOCATION_HEADER } from '../wire/apis.ts';

export type Handler = (event: unknown, context: Context) => Promise<unknown>;

export interface LambdaFunction {
  /** Loads the handler, as a cold start does. */
  readonly handler: () => Promise<Handler>;
  /** World time after which Lambda gives the invocation up. */
  readonly timeoutSeconds: number;
}

export interface Invocation {
  readonly requestId: string;
  readonly functionName: string;
  readonly payload: unknown;
}

/** Stands around every run of a handler: a test may kill it before (`next` not called) or after. */
export type Interceptor = (invocation: Invocation, next: () => Promise<unknown>) => Promise<unknown>;

/** Called with every line that a handler writes to its standard output or error. */
export type LogListener = (line: string, invocation: Invocation) => void;

/** An asynchronous event that a function failed to take three times. */
export interface DeadLetter {
  readonly functionName: string;
  readonly payload: unknown;
  readonly error: TaskFailure;
  /** World time, in milliseconds since the epoch. */
  readonly instant: number;
}

/** What became of an event: a function's answer, or the last of three failures. */
export type Delivery = { readonly answer: unknown } | { readonly lost: TaskFailure };

/** Lambda's own waits before it runs a failed asynchronous invocation again. */
const RETRY_WAITS_MILLISECONDS = [60_000, 120_000];

/**
 * Runs handlers as Lambda does: payload and answer pass through JSON, a thrown error becomes errorType, errorMessage and
 * trace, a time-out abandons the handler but does not stop it (its late writes are real). The clock is held while a
 * handler runs.
 */
export class LambdaHost {
  /** Events that were lost after Lambda's two retries. */
  readonly deadLetters: DeadLetter[] = [];
  interceptor: Interceptor = (_invocation, next) => next();
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #functions: Readonly<Record<string, LambdaFunction>>;
  readonly #onLog: LogListener | undefined;
  readonly #holds = new Map<string, Hold>();

  /**
   * @param functions by their names
   * @param onLog takes what handlers write; left out, it goes to the terminal
   */
  constructor(options: {
    clock: Clock;
    random: Random;
    functions: Readonly<Record<string, LambdaFunction>>;
    onLog?: LogListener;
  }) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.#functions = options.functions;
    this.#onLog = options.onLog;
  }

  /**
   * Invokes and waits for the answer.
   * @param nameOrArn a function's name, or its ARN with or without a version
   * @throws TaskFailure in Lambda's words: the handler's error, `Sandbox.Timedout`, `Lambda.ResourceNotFoundException`
   */
  async invoke(nameOrArn: string, payload: unknown): Promise<unknown> {
    return this.#run(nameOrArn, payload, uuid(this.#random));
  }

  /**
   * Invokes as EventBridge does: a failed function runs again after one minute and after two more, then the event is a
   * dead letter. Resolves when it has been taken or lost.
   */
  async invokeAsync(nameOrArn: string, payload: unknown): Promise<Delivery> {
    const requestId = uuid(this.#random);
    let failure = new TaskFailure('Lambda.Unknown');
    for (const wait of [...RETRY_WAITS_MILLISECONDS, undefined]) {
      try {
        return { answer: await this.#run(nameOrArn, payload, requestId) };
      } catch (error) {
        failure = TaskFailure.from(error);
        if (wait !== undefined) await this.#clock.sleep(wait);
      }
    }
    this.#bury(nameOrArn, payload, failure);
    return { lost: failure };
  }

  /** The hold of an invocation whose handler still runs, for a caller that must let time pass under it. */
  holdOf(requestId: string): Hold | undefined {
    return this.#holds.get(requestId);
  }

  #bury(nameOrArn: string, payload: unknown, error: TaskFailure): void {
    this.deadLetters.push({ functionName: functionName(nameOrArn), payload, error, instant: this.#clock.now() });
  }

  async #run(nameOrArn: string, payload: unknown, requestId: string): Promise<unknown> {
    const name = functionName(nameOrArn);
    const definition = Object.hasOwn(this.#functions, name) ? this.#functions[name] : undefined;
    if (!definition) {
      throw new TaskFailure('Lambda.ResourceNotFoundException', `Function not found: ${functionArn(name)}`);
    }
    const invocation = { requestId, functionName: name, payload };
    return await this.#limit(this.#handle(definition, invocation), definition.timeoutSeconds, requestId);
  }

  async #handle(definition: LambdaFunction, invocation: Invocation): Promise<unknown> {
    const hold = new Hold(this.#clock);
    this.#holds.set(invocation.requestId, hold);
    try {
      const next = async () => {
        const handler = await definition.handler();
        return handler(throughJson(invocation.payload), contextOf(invocation, definition.timeoutSeconds));
      };
      return throughJson(await asInvocation(invocation, this.#onLog, () => this.interceptor(invocation, next)));
    } catch (error) {
      throw TaskFailure.from(error);
    } finally {
      this.#holds.delete(invocation.requestId);
      hold.end();
    }
  }

  #limit(work: Promise<unknown>, timeoutSeconds: number, requestId: string): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const cancel = this.#clock.at(this.#clock.now() + timeoutSeconds * 1000, () => {
        const errorMessage = `RequestId: ${requestId} Error: Task timed out after ${timeoutSeconds.toFixed(2)} seconds`;
        const cause = JSON.stringify({ errorType: 'Sandbox.Timedout', errorMessage });
        reject(new TaskFailure('Sandbox.Timedout', cause));
      });
      work.finally(cancel).then(resolve, reject);
    });
  }
}

/** The invocation in which code runs: what a handler calls over HTTP says so, because its caller holds the clock. */
const running = new AsyncLocalStorage<{ invocation: Invocation; onLog: LogListener | undefined }>();

/** Has `run` call and write as that invocation. */
export function asInvocation<T>(invocation: Invocation, onLog: LogListener | undefined, run: () => T): T {
  return running.run({ invocation, onLog }, run);
}

subscribe('http.client.request.created', (message) => {
  const requestId = running.getStore()?.invocation.requestId;
  if (requestId) (message as { request: ClientRequest }).request.setHeader(INVOCATION_HEADER, requestId);
});

subscribe('undici:request:create', (message) => {
  const requestId = running.getStore()?.invocation.requestId;
  const { request } = message as { request: { addHeader(name: string, value: string): void } };
  if (requestId) request.addHeader(INVOCATION_HEADER, requestId);
});

for (const stream of [process.stdout, process.stderr]) divert(stream);

/** What a handler writes is its function's log; all other output passes. Once a process: streams are global. */
function divert(stream: NodeJS.WriteStream): void {
  const write = stream.write.bind(stream) as (...args: unknown[]) => boolean;
  stream.write = (chunk: Uint8Array | string, ...rest: unknown[]): boolean => {
    const { invocation, onLog } = running.getStore() ?? {};
    if (!invocation || !onLog) return write(chunk, ...rest);
    const text = typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
    for (const line of text.split('\n').filter(Boolean)) onLog(line, invocation);
    const written = rest.at(-1);
    if (typeof written === 'function') queueMicrotask(() => written());
    return true;
  };
}

function functionName(nameOrArn: string): string {
  return nameOrArn.startsWith('arn:') ? (nameOrArn.split(':')[6] ?? nameOrArn) : nameOrArn;
}

/** A fresh copy, as over the wire; nothing becomes null. */
function throughJson(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value) ?? 'null');
}

function contextOf({ requestId, functionName: name }: Invocation, timeoutSeconds: number): Context {
  const deadline = performance.now() + timeoutSeconds * 1000;
  const outdated = () => {
    throw new Error('context.done, fail and succeed are gone from Lambda: answer with a promise.');
  };
  return {
    awsRequestId: requestId,
    functionName: name,
    functionVersion: '$LATEST',
    invokedFunctionArn: functionArn(name),
    memoryLimitInMB: '512',
    logGroupName: `/aws/lambda/${name}`,
    logStreamName: 'local',
    callbackWaitsForEmptyEventLoop: true,
    // A handler computes in real time, whatever the world's clock does.
    getRemainingTimeInMillis: () => Math.max(0, Math.round(deadline - performance.now())),
    done: outdated,
    fail: outdated,
    succeed: outdated,
  };
}
