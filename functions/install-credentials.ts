import { environment } from '../lib/config.ts';
import { InstallationPending } from '../lib/errors.ts';
import { Association, Instance } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { sendCommand } from '../services/run-command.ts';

/** Sends the node the certificate that the server signed for it, and the server's CA. */
export const handler = task(
  { instance: Instance, association: Association },
  async ({ instance: { instanceId, nodeName }, association }, call) => {
    const parameters = {
      NodeName: nodeName,
      Certificate: association.certificate ?? '',
      CaCertificate: association.caCertificate ?? '',
    };
    const commandId = await sendCommand(
      environment().INSTALL_CREDENTIALS_DOCUMENT,
      instanceId,
      parameters,
      call.signal,
    );
    if (commandId) return { commandId };
    throw new InstallationPending(`The Systems Manager agent of ${instanceId} does not answer now.`);
  },
);
