import { SHARE_ENV, Worker } from 'node:worker_threads';
import type { Context } from 'aws-lambda';
import type { Handler } from '../world/services/lambda.ts';
import { TaskFailure } from '../world/states/task-failure.ts';

/** What the thread is sent: a file of functions/ to load, and an invocation of its handler. */
export interface Work {
  readonly id: number;
  readonly file: string;
  /** Left out: the file is only loaded, as in a cold start. */
  readonly invocation?: Omit<Context, 'getRemainingTimeInMillis' | 'done' | 'fail' | 'succeed'> & {
    readonly event: unknown;
    readonly remainingMilliseconds: number;
  };
}

export interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly failure?: Pick<TaskFailure, 'error' | 'cause'>;
}

/** Of a thousand invocations in one moment, more at a time are no sooner done, and keep what they hold from the collector. */
const MOST_AT_A_TIME = 32;

/**
 * A thread beside the world's, for handlers: on AWS, what the services do does not come out of a function's time either.
 * It sees the environment that the world deploys, and calls the world over its port.
 */
export class HandlerThread {
  readonly #worker = new Worker(new URL('handler-worker.ts', import.meta.url), { env: SHARE_ENV });
  readonly #queue: Work[] = [];
  readonly #answers = new Map<number, PromiseWithResolvers<unknown>>();
  #asked = 0;
  #running = 0;

  constructor() {
    this.#worker.on('message', ({ id, value, failure }: Answer) => {
      const answer = this.#answers.get(id);
      this.#answers.delete(id);
      this.#running -= 1;
      this.#send();
      if (failure) answer?.reject(new TaskFailure(failure.error, failure.cause));
      else answer?.resolve(value);
    });
    // Nothing could be told of a world whose handlers are gone.
    this.#worker.on('error', (error) => {
      throw error;
    });
  }

  /** What the world loads in place of the file itself: a handler that has this thread run it. */
  readonly load = async (file: string): Promise<{ handler: Handler }> => {
    await this.#answerTo({ file });
    return {
      handler: (event, { getRemainingTimeInMillis, done, fail, succeed, ...context }) => {
        const invocation = { ...context, event, remainingMilliseconds: getRemainingTimeInMillis() };
        return this.#answerTo({ file, invocation });
      },
    };
  };

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #answerTo(work: Omit<Work, 'id'>): Promise<unknown> {
    this.#asked += 1;
    const id = this.#asked;
    const answer = Promise.withResolvers<unknown>();
    this.#answers.set(id, answer);
    this.#queue.push({ id, ...work });
    this.#send();
    return answer.promise;
  }

  #send(): void {
    while (this.#running < MOST_AT_A_TIME) {
      const work = this.#queue.shift();
      if (!work) return;
      this.#running += 1;
      this.#worker.postMessage(work);
    }
  }
}
