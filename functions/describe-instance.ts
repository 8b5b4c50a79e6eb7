import * as z from 'zod';
import { type EnrolmentRequest, isSwept, namedIn, parseEnrolmentRequest } from '../events/request.ts';
import { home, requireOurRegion } from '../lib/config.ts';
import { InstanceGone, InstanceNotReady } from '../lib/errors.ts';
import type { Instance, InstanceRef } from '../lib/instance.ts';
import { task } from '../lib/task.ts';
import { findInstance } from '../services/instances.ts';

/** A launch is announced before EC2 shows it everywhere. What is not there after this was there and is gone. */
const VISIBLE_WITHIN_MINUTES = 5;

/** Describes the instance that was launched. The name under which a node is enrolled comes from here and never from the node. */
export const handler = task(
  { request: z.unknown() },
  async ({ request, task: { enteredTime } }, call): Promise<Instance> => {
    const asked = parseEnrolmentRequest(request);
    const what = namedIn(asked, home());
    requireOurRegion(what.region);
    const found = await findInstance(what, call.signal);
    if (!found) throw absent(what, asked, enteredTime);
    const { instance, state } = found;
    if (state === 'running') return instance;
    if (state === 'pending' || state === 'stopping' || state === 'stopped' || state === 'starting')
      throw new InstanceNotReady(`${what.instanceId} is ${state}: it can be enrolled once it runs.`);
    throw new InstanceGone(`${what.instanceId} is ${state}: there is nothing left to enrol.`);
  },
);

function absent({ platform, instanceId, region }: InstanceRef, { trigger }: EnrolmentRequest, now: string): Error {
  const [service, field] = platform === 'ec2' ? ['EC2', 'instanceId'] : ['Lightsail', 'lightsailInstanceName'];
  if (!trigger) {
    return new InstanceGone(
      `${service} knows no ${instanceId} in ${region}. Correct ${field}, say its region, or start this in its account.`,
    );
  }
  const announcedMinutesAgo = (Date.parse(now) - Date.parse(trigger.eventTime)) / 60_000;
  // A sweep has seen it: what it does not find now has gone since.
  return announcedMinutesAgo < VISIBLE_WITHIN_MINUTES && !isSwept(trigger)
    ? new InstanceNotReady(`${service} does not show ${instanceId} yet.`)
    : new InstanceGone(`${service} knows no ${instanceId} any more: it went before it was enrolled.`);
}
