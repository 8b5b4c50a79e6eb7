import { aboutRetirement } from '../events/outcomes.ts';
import { Retirement } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { emit } from '../lib/telemetry.ts';
import { claimOf, record } from '../services/ledger.ts';
import { releaseKeysOf } from '../services/node-keys.ts';
import { releaseNodeName } from '../services/node-names.ts';
import { announceOutcome } from '../services/notifications.ts';

/** Long enough for an auditor to ask, and for every late event to meet it. */
const KEPT_DAYS = 90;

/**
 * Records that nothing of the node is left; DynamoDB deletes the record when it has expired. An instance that stays, and whose
 * root volume is replaced, is no retired one: its enrolment on the new disk reports it.
 */
export const handler = task(
  { retirement: Retirement },
  async ({ retirement, task: { enteredTime, execution } }, call) => {
    const owner = claimOf(retirement);
    if (retirement.status === 're-imaging') {
      await record(owner, { status: 're-imaging', endedAt: enteredTime }, call.signal);
      return { retired: true };
    }
    const expiresAt = Math.floor(Date.parse(enteredTime) / 1000) + KEPT_DAYS * 24 * 3600;
    await record(owner, { status: 'retired', endedAt: enteredTime, expiresAt }, call.signal);
    await releaseKeysOf(owner, call.signal);
    const { platform, nodeName, ledgerKey } = retirement;
    if (platform === 'lightsail' && nodeName) await releaseNodeName(nodeName, ledgerKey, call.signal);
    if (retirement.profile === null) return { retired: true };
    await announceOutcome({ detailType: 'Instance Retired', detail: aboutRetirement(retirement, execution) }, call);
    emit('RetirementsSucceeded');
    return { retired: true };
  },
);
