import type { Call } from '../lib/task.ts';

export type StartOutcome =
  | { readonly execution: string; readonly outcome: 'started' | 'already-started' }
  | { readonly outcome: 'ignored'; readonly reason: string };

interface Starter<Request> {
  readonly kind: 'Enrolment' | 'Retirement';
  /** Why the request starts nothing: a sentence. */
  readonly whyIgnored: (request: Request) => string | undefined | Promise<string | undefined>;
  /** The execution's name. It is derived from the event, so that a duplicate event starts nothing twice. */
  readonly nameOf: (request: Request) => string;
  readonly start: (name: string, request: Request) => Promise<'started' | 'already-started'>;
}

/** Starts an execution for each request of an event, except for those to ignore. */
export async function startRequests<
  Request extends { readonly instanceId?: string | undefined; readonly lightsailInstanceName?: string | undefined },
>(
  requests: readonly Request[],
  { kind, whyIgnored, nameOf, start }: Starter<Request>,
  call: Call,
): Promise<StartOutcome[]> {
  const outcomes: StartOutcome[] = [];
  for (const request of requests) {
    const reason = await whyIgnored(request);
    if (reason !== undefined) {
      outcomes.push(ignoreRequest(reason, call));
      continue;
    }
    const execution = nameOf(request);
    const outcome = await start(execution, request);
    const instance = request.instanceId ?? request.lightsailInstanceName;
    call.log(`${kind} ${outcome === 'started' ? 'started' : 'was started before'}`, { instance, execution });
    outcomes.push({ execution, outcome });
  }
  return outcomes;
}

export function ignoreRequest(reason: string, call: Call): StartOutcome {
  call.log('Ignored', { reason });
  return { outcome: 'ignored', reason };
}
