import * as z from 'zod';
import { namedIn, parseRetirementRequest, type RetirementRequest } from '../events/request.ts';
import { home, requireOurRegion } from '../lib/config.ts';
import { InvalidRequest } from '../lib/errors.ts';
import { ledgerKey } from '../lib/instance.ts';
import type { LedgerItem } from '../lib/ledger-item.ts';
import type { Retirement, TaskContext } from '../lib/state.ts';
import { type Call, task } from '../lib/task.ts';
import { findInstance } from '../services/instances.ts';
import { claim, findItem } from '../services/ledger.ts';
import { isRunning, stopExecution } from '../services/state-machines.ts';

type Subject = Pick<Retirement, 'platform' | 'instanceId' | 'region' | 'ledgerKey'>;

/**
 * Finds what was done for the instance, claims it, and stops an enrolment of it that still runs. An instance that the
 * ledger does not know is claimed too: an enrolment that is just about to begin finds it retired.
 */
export const handler = task({ request: z.unknown() }, async ({ request, task }, call): Promise<Retirement> => {
  const asked = parseRetirementRequest(request);
  const { ledgerKey, ...named } = subjectOf(asked);
  const seen = await findItem(ledgerKey, call.signal);
  // The ledger knows better than a person where an instance is: in another Region it would not be found, and taken for gone.
  const subject = { ...named, ledgerKey, region: seen?.region ?? named.region };
  if (!asked.trigger) await requireSense(asked, seen, subject, call);
  const reason = await whyNothing(seen, asked, task, call);
  if (reason) return { ...undoing(subject, seen), status: 'nothing', reason, generation: seen?.generation ?? 0 };

  const interruptedExecution = seen?.status === 'enrolling' ? seen.execution : seen?.interruptedExecution;
  const { region } = subject;
  const owner = { instance: subject.ledgerKey, region, execution: task.execution, claimedAt: task.enteredTime };
  const goneSince = asked.trigger?.eventTime ?? task.enteredTime;
  const item = await claim(seen, { ...owner, status: 'retiring', goneSince, interruptedExecution }, call.signal);
  if (interruptedExecution) await stopExecution(interruptedExecution, stopReason(subject, task), call.signal);
  return { ...undoing(subject, item), generation: item.generation, wasRunning: interruptedExecution !== undefined };
});

function subjectOf(request: RetirementRequest): Subject {
  const subject = namedIn(request, home());
  return { ...subject, ledgerKey: ledgerKey(subject) };
}

/**
 * What a person asks for may be a slip.
 * @throws InvalidRequest for an instance that nobody knows, and for one that still exists if that is not said to be meant
 */
async function requireSense(
  { confirm }: RetirementRequest,
  seen: LedgerItem | undefined,
  which: Subject,
  call: Call,
): Promise<void> {
  const { platform, instanceId, region } = which;
  requireOurRegion(region);
  const found = await findInstance(which, call.signal);
  if (!found && !seen) {
    const [service, field] = platform === 'ec2' ? ['EC2', 'instanceId'] : ['Lightsail', 'lightsailInstanceName'];
    throw new InvalidRequest(
      `Neither ${service} nor the ledger knows ${instanceId} in ${region}. Correct ${field}, say its region, or start this in its account.`,
    );
  }
  if (!found || confirm || found.state === 'terminated' || found.state === 'shutting-down') return;
  throw new InvalidRequest(
    `${instanceId} is ${found.state}: retiring it would take it from its servers. Add "confirm": true if that is meant.`,
  );
}

async function whyNothing(
  seen: LedgerItem | undefined,
  { trigger, lifecycleAction }: RetirementRequest,
  task: TaskContext,
  call: Call,
): Promise<string | undefined> {
  // The instance lives, and stays enrolled; only its hook is to be completed.
  if (lifecycleAction?.destination === 'WarmPool') return 'It returns to its warm pool.';
  if (!seen) return undefined;
  if (seen.status === 'retired') return `${seen.instance} was retired at ${seen.endedAt}.`;
  if (seen.execution === task.execution) return undefined;
  if (seen.launchTime && trigger && Date.parse(trigger.eventTime) < Date.parse(seen.launchTime))
    return `The event is about an earlier instance of the name: ${seen.instance} was launched at ${seen.launchTime}.`;
  if (seen.status === 'retiring' && (await isRunning(seen.execution, call.signal)))
    return `${seen.instance} is being retired by ${seen.execution}.`;
  return undefined;
}

function stopReason({ instanceId }: Subject, task: TaskContext) {
  return { error: 'InstanceGone', cause: `${instanceId} is being retired by ${task.execution}.` };
}

/** What there may be to undo. A key is bound before anything is told to a stack or a server, and never without. */
function undoing(subject: Subject, seen: LedgerItem | undefined): Retirement {
  const wasShown = seen?.publicKeyFingerprint !== undefined;
  const register = (wasShown && seen.register) || null;
  const associate = (wasShown && seen.associate) || null;
  return {
    ...subject,
    status: 'retiring',
    reason: null,
    generation: 0,
    wasRunning: false,
    nodeName: seen?.nodeName ?? null,
    profile: seen?.profile ?? null,
    profileVersion: seen?.profileVersion ?? null,
    autoScalingGroupName: seen?.autoScalingGroupName ?? null,
    register,
    associate,
    wants: { disassociation: associate !== null, deregistration: register !== null },
  };
}
