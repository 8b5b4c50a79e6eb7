import { InstanceNotReady, MetadataOptionsPending, MetadataOptionsUnsupported } from '../lib/errors.ts';
import { complies, Instance } from '../lib/instance.ts';
import { Metadata } from '../lib/profile.ts';
import { Enrolment, Hardening } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { checkUpdate, findInstance } from '../services/instances.ts';
import { claimOf, record } from '../services/ledger.ts';

/** Waits until the instance really refuses IMDSv1: the service takes the options first and applies them later. */
export const handler = task(
  // An execution that began before a deployment may bring no enrolment.
  { instance: Instance, enrolment: Enrolment.optional(), metadata: Metadata, hardening: Hardening },
  async ({ instance, enrolment, metadata, hardening }, call): Promise<Hardening> => {
    try {
      await checkUpdate(instance, hardening.operationId, call.signal);
    } catch (error) {
      if (!(error instanceof MetadataOptionsUnsupported) || metadata.onFailure === 'fail') throw error;
      call.log('Goes on without IMDSv2, as the profile says', { reason: error.message });
      if (enrolment) {
        const owner = claimOf(enrolment);
        await record(owner, { metadataUnsupported: error.message }, call.signal);
      }
      return { ...hardening, state: 'unsupported', reason: error.message };
    }
    const found = await findInstance(instance, call.signal);
    if (!found) throw new InstanceNotReady(`${instance.instanceId} is not shown by its service now.`);
    const { metadataOptions } = found.instance;
    if (metadataOptions.state === 'applied' && complies(metadataOptions, metadata))
      return { ...hardening, state: 'applied' };
    throw new MetadataOptionsPending(`The metadata options of ${instance.instanceId} are not applied yet.`);
  },
);
