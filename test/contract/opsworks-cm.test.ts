import { OpsWorksCMClient } from '@aws-sdk/client-opsworkscm';
import type { Associate } from '../../lib/servers.ts';
import { clientOptions } from '../../services/aws.ts';
import { opsWorksCmServer } from '../../services/config-servers/opsworks-cm/server.ts';
import { WorldClock } from '../../world/kernel/clock.ts';
import { seededRandom } from '../../world/kernel/random.ts';
import { OpsWorksCm } from '../../world/services/opsworks-cm/opsworks-cm.ts';
import { Apis } from '../../world/wire/apis.ts';
import { Faults } from '../../world/wire/faults.ts';
import { createGateway } from '../../world/wire/listen.ts';
import { describeConfigServer, type Stage } from '../support/config-server-contract.ts';
import { makeNode } from '../support/make-node.ts';

type Engine = Extract<Associate, { engine: 'opsworks-cm' }>['serverEngine'];

for (const [serverEngine, name] of [
  ['ChefAutomate', 'Chef under OpsWorks CM'],
  ['Puppet', 'Puppet under OpsWorks CM'],
] as const)
  describeConfigServer(name, {
    start: () => start(serverEngine),
    notReady: ['ServerNotReady'],
    issuesCertificates: serverEngine === 'Puppet',
    takesTime: true,
    showsKey: false,
    canBeHopeless: true,
    hasRate: true,
  });

/** The double of OpsWorks CM behind a port of its own, spoken to by the SDK's client. */
async function start(serverEngine: Engine): Promise<Stage> {
  const clock = new WorldClock({ speed: Number.POSITIVE_INFINITY, start: new Date('2031-05-06T07:08:09Z') });
  const random = seededRandom(1);
  const faults = new Faults();
  const servers = [{ serverName: 'MyServer', engine: serverEngine }];
  const double = new OpsWorksCm({ clock, random, servers, rate: false });
  const gateway = createGateway();
  gateway.world = { clock, apis: new Apis({ clock, random, faults, services: [double.service] }) };
  const client = new OpsWorksCMClient({
    ...clientOptions,
    endpoint: `http://127.0.0.1:${await gateway.listen(0)}`,
    region: 'eu-west-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  const misbehave = async (fault: object) =>
    faults.set([{ service: 'opsworks-cm', operation: 'AssociateNode', ...fault }]);
  const server = opsWorksCmServer({ engine: 'opsworks-cm', serverName: 'MyServer', serverEngine }, client);
  return {
    server,
    unknownServer: opsWorksCmServer({ engine: 'opsworks-cm', serverName: 'NoServer', serverEngine }, client),
    // Who may call is IAM's affair, which stands before the double.
    asStranger: async () => {
      faults.set([{ service: 'opsworks-cm', error: 'AccessDeniedException', times: 1 }]);
      return server;
    },
    makeNode,
    managedNodes: async () => double.associations('MyServer').map(({ nodeName }) => nodeName),
    settle: () => clock.advance(60_000),
    makeBusy: async () => double.setStatus('MyServer', 'UNDER_MAINTENANCE'),
    makeReady: async () => double.setStatus('MyServer', 'HEALTHY'),
    makeHopeless: async () => double.setStatus('MyServer', 'FAILED'),
    throttle: () => misbehave({ error: 'ThrottlingException', times: clientOptions.maxAttempts }),
    loseAnswer: () => misbehave({ drop: true, after: true, times: 1 }),
    close: async () => {
      client.destroy();
      clock.close();
      await gateway.close();
    },
  };
}
