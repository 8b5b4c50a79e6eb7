import type { Random } from '../../world/kernel/random.ts';
import { TaskFailure } from '../../world/states/task-failure.ts';
import { between, HOUR, isOneOf, oneOf } from './chance.ts';
import type { SoakWorld } from './world.ts';

/** Shares of events that are lost, delayed or repeated. The rest arrive once, immediately. */
const LOST = 0.03;
const DELAYED = 0.05;
const REPEATED = 0.05;
/** Share of invocations that Lambda kills. */
const KILLED = 0.01;

/** What Lambda says of itself, in Step Functions' words. */
const LAMBDA_ERRORS = [
  'Lambda.Unknown',
  'Lambda.ServiceException',
  'Lambda.TooManyRequestsException',
  'Lambda.SdkClientException',
  'Lambda.ClientExecutionTimeoutException',
  'Lambda.CodeStorageExceededException',
  'Sandbox.Timedout',
  'Runtime.ExitError',
];

/**
 * Loses, delays and repeats the events that the functions take, and kills invocations before their work or after it, until
 * `until`.
 */
export function disturbDeliveries({ clock, lambda, history }: SoakWorld, random: Random, until: number): void {
  const seen = new Set<string>();
  lambda.interceptor = async ({ functionName, payload }, next) => {
    if (clock.now() >= until) return next();
    const { id } = payload as { id?: string };
    if (id !== undefined && /-start-(enrolment|retirement)$/.test(functionName) && !seen.has(id)) {
      seen.add(id);
      const later = () => {
        const delay = between(random, 0, HOUR);
        clock.at(clock.now() + delay, () => void lambda.invokeAsync(functionName, payload));
        return `${Math.round(delay / 1000)} s later`;
      };
      if (isOneOf(random, LOST)) return history.event(noted(payload, 'is lost'));
      if (isOneOf(random, DELAYED)) return history.event(noted(payload, `arrives ${later()}`));
      if (isOneOf(random, REPEATED)) history.event(noted(payload, `arrives again ${later()}`));
    }
    if (!isOneOf(random, KILLED)) return next();
    if (isOneOf(random, 0.5)) await next();
    throw new TaskFailure(oneOf(random, LAMBDA_ERRORS), JSON.stringify({ errorMessage: 'The invocation was killed.' }));
  };
}

type Event = Parameters<SoakWorld['history']['event']>[0];

function noted(payload: unknown, fate: string): Event {
  const event = payload as Event;
  return { ...event, 'detail-type': `${event['detail-type']} ${fate}` };
}
