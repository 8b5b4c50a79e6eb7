import { InstanceGone, InstanceNotReady, MetadataOptionsPending, MetadataOptionsUnsupported } from '../lib/errors.ts';
import { complies, Instance } from '../lib/instance.ts';
import { isSameInstance } from '../lib/ledger-item.ts';
import { Metadata } from '../lib/profile.ts';
import { Enrolment, type Hardening } from '../lib/state.ts';
import { type Invocation, task } from '../lib/task.ts';
import { closesImdsV1 } from '../profiles/imdsv1.ts';
import { findInstance, updateMetadataOptions } from '../services/instances.ts';
import { claimOf, record, recordHardening } from '../services/ledger.ts';
import { untilTagsShow } from '../services/tag-conditions.ts';

/** Has the instance refuse IMDSv1, as the profile says. An instance that already complies is sent nothing. */
export const handler = task(
  { instance: Instance, enrolment: Enrolment, metadata: Metadata },
  async ({ instance, enrolment, metadata, task: { enteredTime } }, call): Promise<Hardening> => {
    const found = await findInstance(instance, call.signal);
    if (!found) throw new InstanceNotReady(`${instance.instanceId} is not shown by its service now.`);
    if (!isSameInstance(instance, found.instance))
      throw new InstanceGone(`${instance.instanceId} is another instance by now: the one to be enrolled is gone.`);
    const before = found.instance.metadataOptions;
    if (complies(before, metadata)) {
      return { state: before.state ?? 'applied', before, operationId: null, reason: null };
    }
    if (before.state === 'pending') {
      throw new MetadataOptionsPending(
        `The metadata options of ${instance.instanceId} are still being changed: wait for that first.`,
      );
    }
    const owner = claimOf(enrolment);
    const hardenedAt = hasRun(enrolment) && closesImdsV1(before, metadata) ? enteredTime : null;
    await recordHardening(owner, { before, hardenedAt }, call.signal);
    const hardening = await untilTagsShow(instance, enteredTime, () => enforce(instance, metadata, before, call));
    if (hardening.reason) await record(owner, { metadataUnsupported: hardening.reason }, call.signal);
    return hardening;
  },
);

/** A launch has run nothing yet; whatever a sweep or a person finds has. */
function hasRun({ hook, startedBy }: Enrolment): boolean {
  return hook === null && startedBy !== 'event' && startedBy !== 'watch';
}

async function enforce(
  instance: Instance,
  metadata: Metadata,
  before: Hardening['before'],
  call: Invocation,
): Promise<Hardening> {
  try {
    const operationId = await updateMetadataOptions(instance, metadata, call.signal);
    return { state: 'pending', before, operationId, reason: null };
  } catch (error) {
    if (!(error instanceof MetadataOptionsUnsupported) || metadata.onFailure === 'fail') throw error;
    call.log('Goes on without IMDSv2, as the profile says', { reason: error.message });
    return { state: 'unsupported', before, operationId: null, reason: error.message };
  }
}
