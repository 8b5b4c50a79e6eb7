import { type BrokenRule, IdentityRejected, IdentityUnproved } from '../../lib/errors.ts';
import { emit } from '../../lib/telemetry.ts';

/**
 * Makes a refusal.
 * @param sentence what is wrong, without its full stop: it follows "i-… is not enrolled:". It never quotes the node.
 */
export type Reject = (rule: BrokenRule, sentence: string, cause?: unknown) => IdentityRejected;

/** How the instance's identity is rejected. */
export function rejecting(instanceId: string): Reject {
  return (rule, sentence, cause) =>
    new IdentityRejected(`${instanceId} is not enrolled: ${sentence}.`, { rule, cause });
}

/** Counts what the work rejects, by the rule that is broken. */
export async function countingRejections<Output>(work: () => Promise<Output>): Promise<Output> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof IdentityRejected) emit('IdentitiesRejected', 1, { rule: error.rule });
    if (error instanceof IdentityUnproved) emit('IdentitiesRejected', 1, { rule: 'document-age' });
    throw error;
  }
}
