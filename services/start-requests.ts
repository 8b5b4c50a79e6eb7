import type { Invocation } from '../lib/task.ts';
import type { AnnouncedStart } from './announced-start.ts';

export type StartOutcome =
  | { readonly execution: string; readonly outcome: 'started' | 'already-started' }
  | { readonly outcome: 'ignored'; readonly reason: string };

interface Starter<Request> {
  readonly kind: 'Enrolment' | 'Retirement';
  /** Why the request starts nothing: a sentence. */
  readonly whyIgnored: (request: Request) => string | undefined | Promise<string | undefined>;
  /** The execution to start. Its name is derived from the event, so that a duplicate event starts nothing twice. */
  readonly startOf: (request: Request) => AnnouncedStart;
  readonly start: (
    start: AnnouncedStart,
    signal: AbortSignal,
    request: Request,
  ) => Promise<'started' | 'already-started'>;
}

/**
 * Starts an execution for each request of an event, except for those to ignore.
 * @param requests of the event; a sentence where it makes none
 */
export async function startRequests<
  Request extends { readonly instanceId?: string | undefined; readonly lightsailInstanceName?: string | undefined },
>(
  requests: readonly Request[] | string,
  { kind, whyIgnored, startOf, start }: Starter<Request>,
  { signal, log }: Invocation,
): Promise<StartOutcome | StartOutcome[]> {
  if (typeof requests === 'string') return ignore(requests);
  const outcomes: StartOutcome[] = [];
  for (const request of requests) {
    const reason = await whyIgnored(request);
    outcomes.push(reason === undefined ? await startOne(request) : ignore(reason));
  }
  return outcomes;

  function ignore(reason: string): StartOutcome {
    log('Ignored', { reason });
    return { outcome: 'ignored', reason };
  }

  async function startOne(request: Request): Promise<StartOutcome> {
    const announced = startOf(request);
    const { execution } = announced;
    const outcome = await start(announced, signal, request);
    const instance = request.instanceId ?? request.lightsailInstanceName;
    log(`${kind} ${outcome === 'started' ? 'started' : 'was started before'}`, { instance, execution });
    return { execution, outcome };
  }
}
