import { traitsOf } from '../lib/engines.ts';
import { InvalidRequest } from '../lib/errors.ts';
import { Instance } from '../lib/instance.ts';
import { refusedValue } from '../lib/node-values.ts';
import { Associate } from '../lib/servers.ts';
import { Enrolment } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { nodeNameFault } from '../profiles/node-names.ts';
import { requireSecrets } from '../services/config-servers/secrets.ts';
import { findItem } from '../services/ledger.ts';
import { takeNodeName } from '../services/node-names.ts';

/** Checks the node's name and the server's secrets, before the node or any server is asked. */
export const handler = task(
  // An execution that began before a deployment may bring neither.
  { instance: Instance.optional(), enrolment: Enrolment.optional(), associate: Associate },
  async ({ instance, enrolment, associate }, { signal }) => {
    requireNodeValues(associate, instance);
    if (instance && enrolment) await claimName(instance, enrolment.ledgerKey, associate, signal);
    await requireSecrets(associate, signal);
    return { checked: true };
  },
);

/** A node that a server has confirmed keeps its name, whatever the rules for names have become since. */
async function claimName(instance: Instance, holder: string, associate: Associate, signal: AbortSignal): Promise<void> {
  if (instance.platform === 'ec2') return;
  const { associations = {} } = (await findItem(holder, signal)) ?? {};
  const isConfirmed = Object.values(associations).some(
    ({ nodeName, status }) => nodeName === instance.nodeName && status === 'confirmed',
  );
  if (isConfirmed) return;
  const fault = nodeNameFault(instance, associate);
  if (fault !== undefined) throw new InvalidRequest(fault);
  await takeNodeName(instance.nodeName, holder, signal);
}

/** The build accepts only what the node's document takes; a request may be from before that, and a name is not the profile's. */
function requireNodeValues(associate: Associate, instance: Instance | undefined): void {
  const { installation, displayName } = traitsOf(associate);
  const refused = refusedValue({ ...installation?.parameters, ...(instance && { NodeName: instance.nodeName }) });
  if (refused === undefined) return;
  throw new InvalidRequest(
    `${instance?.instanceId ?? 'The instance'} is not enrolled with ${displayName}: Muster's document takes no such ${refused}. Correct it, in profiles.yml or in the instance's name.`,
  );
}
