import { once } from 'node:events';
import { request } from 'node:https';
import { OpsWorksClient, RegisterInstanceCommand } from '@aws-sdk/client-opsworks';
import { AssociateNodeCommand, OpsWorksCMClient } from '@aws-sdk/client-opsworkscm';
import { readDeployment } from '../../local/deployment.ts';
import { createWorld, type World } from '../../local/world.ts';
import { REGION } from '../../world/kernel/account.ts';
import { WorldClock } from '../../world/kernel/clock.ts';
import { seededRandom } from '../../world/kernel/random.ts';
import { type KeySource, publicKeySha256 } from '../../world/pki/keys.ts';
import { thriftyKeys } from '../../world/pki/thrifty-keys.ts';
import { ChefInfra } from '../../world/services/chef-infra/chef-infra.ts';
import { PuppetCa } from '../../world/services/puppet-ca.ts';
import { createGateway } from '../../world/wire/listen.ts';
import { makeNode } from '../support/make-node.ts';
import { chefProfile, puppetProfile } from '../support/self-managed.ts';
import { deploy } from '../support/sweeps.ts';
import { MINUTE } from './chance.ts';
import { profilesWith, SOAK_ESTATE, STRANGE_NODES, STRANGERS } from './estate.ts';
import { History } from './history.ts';
import type { ServerNode } from './servers.ts';

const START = new Date('2031-05-06T07:08:09Z');

/** One instance, from its launch on. */
export interface Life {
  /** The EC2 instance's id, or the Lightsail instance's name. */
  readonly name: string;
  /** Its Auto Scaling group, or `lightsail site`. */
  readonly place: string;
  /** Of a Lightsail instance, whose name may be given again. */
  readonly arn: string | undefined;
  /** SHA-256 of its public key's SPKI, in hexadecimal; undefined where it has no machine. */
  fingerprint: Promise<string> | undefined;
  /** The same, once it is known. */
  key: string | undefined;
  /** Why it can never be enrolled: it lies about its identity, or the server has a stranger's node of its name. */
  unfit: string | undefined;
  /** A person has retired it while it ran. */
  isRetiredByHand: boolean;
}

/** A world, and what the soak knows of it beside what its services hold. */
export interface SoakWorld extends World {
  readonly chef: ChefInfra;
  readonly puppet: PuppetCa;
  readonly history: History;
  /** Every instance that ever launched, oldest first. */
  readonly lives: Life[];
  /** Nodes that are not ours. */
  readonly strangeNodes: ServerNode[];
  /** An instance of another team that is registered in our stack. */
  readonly strangerInstance: string;
  readonly strangerKeys: KeySource;
}

interface OpenWorld extends SoakWorld {
  onCall: Parameters<typeof createWorld>[0]['onCall'];
  end: () => Promise<void>;
}

export async function createSoakWorld(seed: number): Promise<OpenWorld> {
  const clock = new WorldClock({ speed: Number.POSITIVE_INFINITY, start: START });
  const now = () => new Date(clock.now());
  // It compares the callers' clock, which is the real one, with its own.
  const chef = await ChefInfra.start();
  const puppet = await PuppetCa.start({ now, managed: /^site-\d+$/ });
  const own = { chefInfra: chefProfile(chef), puppet: puppetProfile(puppet) };
  const gateway = createGateway();
  const history = new History(() => clock.now());
  const holder: Pick<OpenWorld, 'onCall'> = { onCall: undefined };
  const world = await createWorld({
    ...{ clock, gateway, keySource: thriftyKeys(), estate: SOAK_ESTATE, deployment: readDeployment() },
    random: seededRandom(seed + 1),
    port: await gateway.listen(0),
    profiles: profilesWith({ chefInfra: own.chefInfra.associate, puppet: own.puppet.associate }),
    exemptions: [],
    secrets: { ...own.chefInfra.secrets, ...own.puppet.secrets },
    ec2: { visibleAfterSeconds: 4, tagsAfterSeconds: 8, volumesAfterSeconds: 60, tasksAfterSeconds: 30 },
    onLog: () => {},
    onEvent: (event) => history.event(event),
    onCall: (call) => {
      history.call(call);
      holder.onCall?.(call);
    },
  });
  deploy((file) => Object.assign(file, { sweep: { maxStarts: 1000, maxRetirements: 1000 } }));
  const lives: Life[] = [];
  const strangerKeys = thriftyKeys();
  const open = Object.assign(holder, world, { chef, puppet, history, lives, strangerKeys });
  const strangers = await settleStrangers(open);
  return Object.assign(open, strangers, {
    end: async () => {
      world.close();
      await Promise.all([gateway.close(), chef.close(), puppet.close()]);
    },
  });
}

/** What belongs to others, before anything of ours launches. */
async function settleStrangers(world: World & Pick<SoakWorld, 'puppet' | 'strangerKeys'>) {
  const { clock, endpoint, autoScaling, lightsail, fleet, puppet, strangerKeys } = world;
  const image = { availabilityZone: `${REGION}a`, blueprintId: 'debian_12', bundleId: 'nano_3_0' };
  void lightsail.createInstances({ instanceNames: [STRANGERS.lightsail], ...image }, { requestId: 'a-stranger' });
  const [strangerInstance = ''] = autoScaling.launch(STRANGERS.group, 1);
  const client = { endpoint, region: REGION, credentials: { accessKeyId: 'stranger', secretAccessKey: 'stranger' } };
  const strangeNodes: ServerNode[] = [];
  for (const name of STRANGE_NODES) {
    const { identity } = await makeNode(name, await strangerKeys());
    const fingerprint = publicKeySha256(identity.publicKey);
    for (const [ServerName, Name, Value] of [
      ['ChefServer', 'CHEF_NODE_PUBLIC_KEY', identity.publicKey],
      ['PuppetServer', 'PUPPET_NODE_CSR', identity.csr],
    ] as const) {
      const EngineAttributes = [{ Name, Value }];
      await new OpsWorksCMClient(client).send(
        new AssociateNodeCommand({ ServerName, NodeName: name, EngineAttributes }),
      );
      strangeNodes.push({ server: ServerName, name, fingerprint });
    }
    puppet.plant(name, identity.csr);
    if (name.startsWith('site-')) {
      await sign(puppet, name);
      strangeNodes.push({ server: 'puppet', name, fingerprint });
    }
  }
  await clock.advance(5 * MINUTE);
  const { document: Document, signature: Signature } = (await fleet.get(strangerInstance)?.identity()) ?? {};
  const StackId = SOAK_ESTATE.stacks[0]?.StackId;
  const InstanceIdentity = { Document, Signature };
  await new OpsWorksClient(client).send(new RegisterInstanceCommand({ StackId, InstanceIdentity }));
  return { strangerInstance, strangeNodes };
}

/** As the CA's own operator does. */
async function sign({ url, caCertificate: ca, enrol }: PuppetCa, name: string): Promise<void> {
  const path = `${url}/puppet-ca/v1/certificate_status/${name}`;
  const call = request(path, { method: 'PUT', ca, cert: enrol.certificate, key: enrol.privateKey });
  call.end(JSON.stringify({ desired_state: 'signed' }));
  const [answer] = await once(call, 'response');
  if (answer.statusCode !== 204) throw new Error(`The CA answered ${answer.statusCode} when ${name} was to be signed.`);
  answer.resume();
}
