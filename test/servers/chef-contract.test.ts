import type { ChefInfraServer } from '../../lib/servers.ts';
import { chefInfraServer } from '../../services/config-servers/chef-infra/server.ts';
import { describeConfigServer, type Stage } from '../support/config-server-contract.ts';
import { makeNode } from '../support/make-node.ts';
import { chefProfile } from '../support/self-managed.ts';
import { chefClient } from '../support/servers/chef-client.ts';
import { startDetour } from '../support/servers/detour.ts';
import { startGoiardi } from '../support/servers/goiardi.ts';

describeConfigServer('A real Chef server', {
  start,
  notReady: ['ServerNotReady'],
  issuesCertificates: false,
  takesTime: false,
  showsKey: true,
  canBeHopeless: false,
  hasRate: false,
});

async function start(): Promise<Stage> {
  const goiardi = await startGoiardi();
  const detour = await startDetour(Number(new URL(goiardi.url).port));
  const { associate, secrets } = chefProfile({ ...goiardi, url: `https://127.0.0.1:${detour.port}` });
  const at = (changes: Partial<ChefInfraServer>) =>
    chefInfraServer({ ...associate, ...changes }, async (name) => secrets[name as keyof typeof secrets]);
  const asAdmin = chefClient(goiardi, goiardi.admin);
  return {
    server: at({}),
    // It has no organizations, and answers for one with 200 and nothing.
    unknownServer: at({ organization: 'nowhere' }),
    // Each signs with the other's key.
    asStranger: async () => at({ keySecret: 'chef/admin', retireKeySecret: 'chef/validator' }),
    makeNode,
    managedNodes: async () => Object.keys((await asAdmin('GET', '/clients')).body as object),
    settle: async () => {},
    makeBusy: () => goiardi.stop(),
    makeReady: () => goiardi.restart(),
    loseAnswer: async () => detour.loseAnswer(1),
    close: async () => {
      await detour.close();
      await goiardi.close();
    },
  };
}
