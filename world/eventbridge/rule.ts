import { ACCOUNT_ID } from '../kernel/account.ts';
import type { AwsEvent } from './aws-event.ts';
import { compilePattern } from './event-pattern.ts';

/** Whether an event came to the bus from another account, as it can where the bus accepts an organization's events. */
export function isForeign({ account }: Pick<AwsEvent, 'account'>): boolean {
  return account !== ACCOUNT_ID;
}

/**
 * The test that a rule's pattern makes of an event. A rule with an `account` field matches no event of another account,
 * whichever accounts it lists. Source: EventBridge user guide, "Sending and receiving events between AWS accounts".
 * @throws UnsupportedPattern
 */
export function compileRule(pattern: unknown): (event: AwsEvent) => boolean {
  const matches = compilePattern(pattern);
  const namesAccount = typeof pattern === 'object' && pattern !== null && 'account' in pattern;
  return (event) => !(namesAccount && isForeign(event)) && matches(event);
}
