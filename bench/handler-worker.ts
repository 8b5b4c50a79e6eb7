/** The thread of `handler-thread.ts`: it loads handlers, and runs them for the invocations that it is sent. */
import { parentPort } from 'node:worker_threads';
import { asInvocation, type Handler } from '../world/services/lambda.ts';
import { TaskFailure } from '../world/states/task-failure.ts';
import type { Answer, Work } from './handler-thread.ts';

const handlers = new Map<string, Promise<{ handler: Handler }>>();

/** Once, as a warm function has its handler at hand. */
async function loaded(file: string): Promise<Handler> {
  const module = handlers.get(file) ?? import(new URL(`../${file}`, import.meta.url).href);
  handlers.set(file, module);
  return (await module).handler;
}

async function answerTo({ id, file, invocation }: Work): Promise<Answer> {
  try {
    const handler = await loaded(file);
    if (!invocation) return { id };
    const { event, remainingMilliseconds, ...context } = invocation;
    const deadline = performance.now() + remainingMilliseconds;
    const getRemainingTimeInMillis = () => Math.max(0, Math.round(deadline - performance.now()));
    const { awsRequestId: requestId, functionName } = context;
    const value = await asInvocation({ requestId, functionName, payload: event }, ignore, () =>
      handler(event, { ...context, getRemainingTimeInMillis } as Parameters<Handler>[1]),
    );
    return { id, value };
  } catch (thrown) {
    const { error, cause } = TaskFailure.from(thrown);
    return { id, failure: { error, cause } };
  }
}

/** What handlers log plays no part here. */
function ignore(): void {}

parentPort?.on('message', async (work: Work) => parentPort?.postMessage(await answerTo(work)));
