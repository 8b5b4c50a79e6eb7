import { InstanceNotReady, MetadataOptionsPending } from '../lib/errors.ts';
import { complies, Instance } from '../lib/instance.ts';
import { Metadata } from '../lib/profile.ts';
import { Hardening } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { checkUpdate, findInstance } from '../services/instances.ts';

/** Waits until the instance really refuses IMDSv1: the service takes the options first and applies them later. */
export const handler = task(
  { instance: Instance, metadata: Metadata, hardening: Hardening },
  async ({ instance, metadata, hardening }, call): Promise<Hardening> => {
    await checkUpdate(instance, hardening.operationId, call.signal);
    const found = await findInstance(instance, call.signal);
    if (!found) throw new InstanceNotReady(`${instance.instanceId} is not shown by its service now.`);
    const { metadataOptions } = found.instance;
    if (metadataOptions.state === 'applied' && complies(metadataOptions, metadata))
      return { ...hardening, state: 'applied' };
    throw new MetadataOptionsPending(`The metadata options of ${instance.instanceId} are not applied yet.`);
  },
);
