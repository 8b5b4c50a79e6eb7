import { environment } from '../lib/config.ts';
import { type Installation, traitsOf } from '../lib/engines.ts';
import { InstallationPending, InvalidRequest } from '../lib/errors.ts';
import { Instance } from '../lib/instance.ts';
import { Associate } from '../lib/servers.ts';
import { Association, Command } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { certificateText } from '../services/config-servers/certificates.ts';
import { sendCommand } from '../services/run-command.ts';
import { secretText } from '../services/secrets.ts';
import { untilTagsShow } from '../services/tag-conditions.ts';

const DOCUMENTS = { InstallCredentials: 'INSTALL_CREDENTIALS_DOCUMENT', InstallChef: 'INSTALL_CHEF_DOCUMENT' } as const;

/** Sends the node what its agent needs, and has the agent run if the profile asks for a first run. */
export const handler = task(
  { instance: Instance, associate: Associate, association: Association, command: Command },
  async (
    { instance, associate, association, command: { managedId }, task: { enteredTime } },
    call,
  ): Promise<Command> => {
    const { installation, displayName } = traitsOf(associate);
    const { instanceId, nodeName } = instance;
    if (!installation) throw new InvalidRequest(`${instanceId} needs no installation for ${displayName}.`);
    const document = environment(DOCUMENTS[installation.document]);
    const parameters = {
      NodeName: nodeName,
      ...installation.parameters,
      ...(installation.sendsCertificate && certificatesOf(association)),
      ...(await secretsOf(installation, call.signal)),
    };
    const commandId = await untilTagsShow(instance, enteredTime, () =>
      sendCommand(document, { ...instance, managedId }, parameters, call.signal),
    );
    if (commandId) return { commandId, managedId };
    throw new InstallationPending(`The Systems Manager agent of ${instanceId} does not answer now.`);
  },
);

function certificatesOf({ certificate, caCertificate }: Association) {
  return { Certificate: certificate ?? '', CaCertificate: caCertificate ?? '' };
}

async function secretsOf({ secretParameters }: Installation, signal: AbortSignal): Promise<Record<string, string>> {
  const texts = Object.entries(secretParameters).map(async ([parameter, secret]) => {
    return [parameter, certificateText(secret, await secretText(secret, signal))];
  });
  return Object.fromEntries(await Promise.all(texts));
}
