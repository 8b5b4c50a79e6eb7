import { PuppetCa } from '../../world/services/puppet-ca.ts';
import { describeConfigServer, type Stage } from '../support/config-server-contract.ts';
import { connectPuppet } from '../support/connect-puppet.ts';
import { makeNode } from '../support/make-node.ts';

describeConfigServer('a Puppet Server', {
  start,
  notReady: ['ServerNotReady'],
  issuesCertificates: true,
  takesTime: false,
  showsKey: true,
  canBeHopeless: false,
  hasRate: false,
});

/** The double of its CA on a port of its own. */
async function start(): Promise<Stage> {
  const ca = await PuppetCa.start();
  const { url, caCertificate, enrol, retire } = ca;
  const reached = { url, caCertificate, enrol, retire };
  return {
    server: connectPuppet(reached),
    unknownServer: connectPuppet({ ...reached, url: `${url}/elsewhere` }),
    asStranger: async () => connectPuppet({ ...reached, enrol: ca.stranger, retire: ca.stranger }),
    makeNode,
    managedNodes: async () => ca.signed,
    settle: async () => {},
    makeBusy: async () => {
      ca.isDown = true;
    },
    makeReady: async () => {
      ca.isDown = false;
    },
    loseAnswer: async () => ca.loseNextSignature(),
    close: () => ca.close(),
  };
}
