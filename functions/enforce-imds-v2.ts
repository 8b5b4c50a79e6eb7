import { InstanceGone, MetadataOptionsPending, MetadataOptionsUnsupported } from '../lib/errors.ts';
import { Metadata } from '../lib/profiles.ts';
import { complies, Enrolment, type Hardening, Instance } from '../lib/state.ts';
import { type Call, task } from '../lib/task.ts';
import { findInstance, updateMetadataOptions } from '../services/instances.ts';
import { recordMetadataBefore } from '../services/ledger.ts';

/** Has the instance refuse IMDSv1, as the profile says. An instance that already complies is sent nothing. */
export const handler = task(
  { instance: Instance, enrolment: Enrolment, metadata: Metadata },
  async ({ instance, enrolment, metadata }, call): Promise<Hardening> => {
    const found = await findInstance(instance, call.signal);
    if (!found) throw new InstanceGone(`${instance.instanceId} is gone: there is nothing left to harden.`);
    const before = found.instance.metadataOptions;
    if (complies(before, metadata)) {
      return { state: before.state ?? 'applied', before, operationId: null, reason: null };
    }
    if (before.state === 'pending') {
      throw new MetadataOptionsPending(
        `The metadata options of ${instance.instanceId} are still being changed: wait for that first.`,
      );
    }
    const owner = { instance: enrolment.ledgerKey, generation: enrolment.generation };
    await recordMetadataBefore(owner, before, call.signal);
    return enforce(instance, metadata, before, call);
  },
);

async function enforce(
  instance: Instance,
  metadata: Metadata,
  before: Hardening['before'],
  call: Call,
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
