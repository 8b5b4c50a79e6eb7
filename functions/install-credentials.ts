import { environment } from '../lib/config.ts';
import { InstallationPending } from '../lib/errors.ts';
import { Instance } from '../lib/instance.ts';
import { Associate, type ChefInfraServer, type PuppetServer } from '../lib/profile.ts';
import { Association, Command } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { chefServerUrl } from '../services/config-servers/chef-infra/api.ts';
import { sendCommand } from '../services/run-command.ts';
import { secretText } from '../services/secrets.ts';

/** Sends the node what its agent needs: Puppet's certificate and CA, or Chef's configuration; and has it run, if asked. */
export const handler = task(
  { instance: Instance, associate: Associate, association: Association, command: Command },
  async ({ instance, associate, association, command: { managedId } }, call): Promise<Command> => {
    const { instanceId, nodeName } = instance;
    const documents = environment();
    const isChef = associate.engine === 'chef-infra';
    const document = isChef ? documents.INSTALL_CHEF_DOCUMENT : documents.INSTALL_CREDENTIALS_DOCUMENT;
    const own = isChef
      ? await chefParameters(associate, call.signal)
      : puppetParameters(association, associate.engine === 'puppet' ? associate : null);
    const commandId = await sendCommand(
      document,
      { ...instance, managedId },
      { NodeName: nodeName, ...own },
      call.signal,
    );
    if (commandId) return { commandId, managedId };
    throw new InstallationPending(`The Systems Manager agent of ${instanceId} does not answer now.`);
  },
);

/** Under OpsWorks CM the agent's configuration is the image's own. */
function puppetParameters({ certificate, caCertificate }: Association, server: PuppetServer | null) {
  const { hostname = '', port = '' } = server ? new URL(server.url) : {};
  return {
    Certificate: certificate ?? '',
    CaCertificate: caCertificate ?? '',
    Server: hostname,
    ServerPort: server ? port || '443' : '',
    Environment: server?.environment ?? '',
    FirstRun: server?.firstRun ?? 'none',
  };
}

async function chefParameters(server: ChefInfraServer, signal: AbortSignal) {
  const { caSecret, runList = [], policyName = '', policyGroup = '', environment = '', firstRun } = server;
  return {
    ServerUrl: chefServerUrl(server),
    TrustedCertificates: caSecret ? await secretText(caSecret, signal) : '',
    RunList: runList.join(','),
    PolicyName: policyName,
    PolicyGroup: policyGroup,
    Environment: environment,
    FirstRun: firstRun,
  };
}
