import * as z from 'zod';
import { namedIn, parseEnrolmentRequest } from '../events/request.ts';
import { secondsUntilConfirmed } from '../lib/absence.ts';
import { requireOurRegion } from '../lib/compiled.ts';
import { InstanceGone, InstanceNotFound, InstanceNotReady } from '../lib/errors.ts';
import type { Instance, InstanceRef } from '../lib/instance.ts';
import { task } from '../lib/task.ts';
import { secondsBetween } from '../profiles/waiting.ts';
import { replacementsOf } from '../services/ec2.ts';
import { findInstance } from '../services/instances.ts';

/** Describes the instance. The name under which a node is enrolled comes from here and never from the node. */
export const handler = task(
  {
    request: z.unknown(),
    /**
     * When looks began to miss the instance; null if the last look showed it, or there was none. A state machine of the
     * version before does not know it.
     */
    absentSince: z.iso.datetime().nullish(),
  },
  async ({ request, absentSince, task: { enteredTime } }, call): Promise<Instance> => {
    const ref = namedIn(parseEnrolmentRequest(request));
    requireOurRegion(ref.region);
    const found = await findInstance(ref, call.signal);
    if (!found) throw absence(ref, absentSince, enteredTime);
    const { instance, state } = found;
    if (state === 'running') {
      const replacedAt = await findReplacement(instance, enteredTime, call.signal);
      return { ...instance, describedAt: enteredTime, replacedAt };
    }
    if (state === 'pending' || state === 'stopping' || state === 'stopped' || state === 'starting')
      throw new InstanceNotReady(`${ref.instanceId} is ${state}: it can be enrolled once it runs.`);
    throw new InstanceGone(`${ref.instanceId} is ${state}: there is nothing left to enrol.`);
  },
);

/**
/**
 * A root volume that was attached so shortly after the primary network interface is the first one. SPIRE's awsiid plugin
 * uses the same limit of 60 seconds.
 */
const FIRST_VOLUME_SECONDS = 60;

/** An instance that is younger cannot have been in service and re-imaged, so that EC2 still showed its first volume. */
const FRESH_MINUTES = 5;

function isFreshLaunch({ createdTime, rootVolume }: Instance, now: string): boolean {
  if (createdTime === null || !rootVolume?.attachedAt) return false;
  const attachedAfterSeconds = (Date.parse(rootVolume.attachedAt) - Date.parse(createdTime)) / 1000;
  return secondsBetween(createdTime, now) < FRESH_MINUTES * 60 && attachedAfterSeconds <= FIRST_VOLUME_SECONDS;
}

/**
 * When EC2 last replaced the root volume. A fresh launch costs no call.
 * @throws InstanceNotReady while EC2 is replacing it, or does not show it
 */
async function findReplacement(instance: Instance, now: string, signal: AbortSignal): Promise<string | null> {
  const { instanceId, rootDeviceType, rootVolume } = instance;
  if (rootDeviceType !== 'ebs') return null;
  if (!rootVolume) throw new InstanceNotReady(`EC2 shows no root volume of ${instanceId}: it may be being replaced.`);
  if (isFreshLaunch(instance, now)) return null;
  const { replacedAt, isUnderWay } = await replacementsOf(instance, signal);
  if (!isUnderWay) return replacedAt;
  throw new InstanceNotReady(`EC2 is replacing the root volume of ${instanceId}: it can be enrolled on the new one.`);
}

/**
 * For about five minutes EC2 may not show an instance that is there, also one that it has shown before. Source: EC2,
 * "Eventual consistency in the Amazon EC2 API".
 */
function absence(
  { platform, instanceId, region }: InstanceRef,
  absentSince: string | null | undefined,
  now: string,
): Error {
  const [service, field] = platform === 'ec2' ? ['EC2', 'instanceId'] : ['Lightsail', 'lightsailInstanceName'];
  if (secondsUntilConfirmed(absentSince, now) > 0) {
    const NotYet = absentSince === undefined ? InstanceNotReady : InstanceNotFound;
    return new NotYet(`${service} does not show ${instanceId} in ${region}. A later look decides if it is gone.`);
  }
  return new InstanceGone(
    `${service} has not shown ${instanceId} in ${region} since ${absentSince}: it is gone, or never was there. If you ` +
      `started this by hand, check ${field}, its region and its account.`,
  );
}
