import type { ChefInfraServer } from '../../lib/servers.ts';
import { chefInfraServer } from '../../services/config-servers/chef-infra/server.ts';
import { ChefInfra } from '../../world/services/chef-infra/chef-infra.ts';
import { describeConfigServer, type Stage } from '../support/config-server-contract.ts';
import { makeNode } from '../support/make-node.ts';
import { chefProfile } from '../support/self-managed.ts';

describeConfigServer('A Chef Infra Server', {
  start,
  notReady: ['ServerNotReady'],
  issuesCertificates: false,
  takesTime: false,
  showsKey: true,
  canBeHopeless: false,
  hasRate: false,
});

/** The double, behind TLS on a port of its own. */
async function start(): Promise<Stage> {
  const chef = await ChefInfra.start();
  const { associate, secrets } = chefProfile(chef);
  const at = (changes: Partial<ChefInfraServer>) =>
    chefInfraServer({ ...associate, ...changes }, async (name) => secrets[name as keyof typeof secrets]);
  return {
    server: at({}),
    unknownServer: at({ url: chef.url.replace(/shop$/, 'nowhere') }),
    // Each signs with the other's key.
    asStranger: async () => at({ keySecret: 'chef/admin', retireKeySecret: 'chef/validator' }),
    makeNode,
    managedNodes: async () => chef.clients,
    settle: async () => {},
    makeBusy: async () => chef.setBusy(true),
    makeReady: async () => chef.setBusy(false),
    loseAnswer: async () => chef.loseNextCreation(),
    close: () => chef.close(),
  };
}
