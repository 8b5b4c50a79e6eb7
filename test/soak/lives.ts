import { REGION } from '../../world/kernel/account.ts';
import type { Random } from '../../world/kernel/random.ts';
import { SimulatedNode } from '../../world/machines/node.ts';
import { publicKeySha256 } from '../../world/pki/keys.ts';
import type { Ec2Instance } from '../../world/services/ec2/instance.ts';
import { ServiceError } from '../../world/wire/service.ts';
import { call } from '../support/call.ts';
import { makeNode } from '../support/make-node.ts';
import { between, HOUR, isOneOf, MINUTE, oneOf, SECOND, shared } from './chance.ts';
import { SHARES, STRANGERS } from './estate.ts';
import type { Life, SoakWorld } from './world.ts';

const HOSTILE = 0.02;
const SQUATTED = 0.01;
const SHORT_LIVED = 0.1;
const ENDED_BEHIND_THE_GROUP = 0.25;
const LIGHTSAIL_NAMES = 150;
const BY_THE_SOAK = { requestId: 'by-the-soak' };

/** What a hostile node answers in the place of the truth. */
const LIES: Readonly<Record<string, (node: SimulatedNode, other: SimulatedNode) => object>> = {
  'the identity document of another instance': (_node, other) => ({ identity: () => other.identity() }),
  'a CSR for another name': (node) => ({ csr: node.csr.bind(node, 'mainframe') }),
  'a document that AWS did not sign': (node) => ({
    identity: async () => {
      const forged = { signature: 'bm8=', rsa2048: 'bm8=' };
      return { ...(await SimulatedNode.prototype.identity.call(node)), ...forged };
    },
  }),
  'no CSR': () => ({ csr: async () => 'nothing' }),
  'terminal escapes': () => ({ csr: async () => '\u001b[2J\u202e'.repeat(500) }),
};

/** Launches `count` instances between now and `until`, in all places; each lives as long as chance will have it. */
export function planLives(world: SoakWorld, random: Random, { count, until }: { count: number; until: number }): void {
  const { clock, autoScaling, ec2, lives } = world;
  const begin = clock.now();
  const onLaunch = (instance: Ec2Instance) => lives.push(adopt(world, random, instance, until));
  for (const { instance } of autoScaling.members.all) onLaunch(instance);
  ec2.observe({ onLaunch });
  for (let serial = 0; serial < count; serial++) {
    const place = shared(random, SHARES);
    clock.at(between(random, begin, until - HOUR), () => {
      if (place.startsWith('lightsail ')) createAtLightsail(world, random, place, until);
      else autoScaling.launch(place, 1);
    });
  }
}

function adopt(world: SoakWorld, random: Random, instance: Ec2Instance, until: number): Life {
  const { clock, fleet, history } = world;
  const { instanceId: name, tags } = instance;
  const place = tags.get('aws:autoscaling:groupName') ?? '';
  const node = fleet.get(name);
  const life: Life = {
    name,
    place,
    arn: undefined,
    fingerprint: fingerprintOf(node),
    key: undefined,
    unfit: undefined,
    isRetiredByHand: false,
  };
  void life.fingerprint?.then((key) => {
    life.key ??= key;
  });
  history.add(name, `launches in ${place}`);
  // The warm pool fills before the soak begins; its nodes are enrolled already.
  const isNew = instance.state === 'pending' && place !== STRANGERS.group;
  if (isNew && node && isOneOf(random, HOSTILE)) life.unfit = lie(world, random, node);
  else if (isNew && isOneOf(random, SQUATTED)) void squat(world, life);
  const end = clock.now() + lifetime(random);
  if (end < until) clock.at(end, () => terminate(world, name, isOneOf(random, ENDED_BEHIND_THE_GROUP)));
  return life;
}

export async function fingerprintOf(node: SimulatedNode | undefined): Promise<string> {
  return node ? publicKeySha256(await node.publicKeyPem()) : '';
}

/** @returns the lie */
function lie({ fleet, history }: SoakWorld, random: Random, node: SimulatedNode): string {
  const [what, answers] = oneOf(random, Object.entries(LIES));
  // Its own document would be the truth.
  const { node: other } = oneOf(
    random,
    [...fleet.members].filter((member) => member.node !== node),
  );
  Object.assign(node, answers(node, other));
  history.add(node.instanceId, `shows ${what}`);
  return what;
}

/** Another team's node takes the name on the server before ours. Not in the moving group, whose server changes. */
async function squat(world: SoakWorld, life: Life): Promise<void> {
  const { clock, history, opsWorksCm, strangeNodes } = world;
  const isPuppet = life.place.startsWith('db-');
  if (!isPuppet && !/^(web-|batch)/.test(life.place)) return;
  const release = clock.hold();
  try {
    const { identity } = await makeNode(life.name, await world.strangerKeys());
    const ServerName = isPuppet ? 'PuppetServer' : 'ChefServer';
    const Value = isPuppet ? identity.csr : identity.publicKey;
    const EngineAttributes = [{ Name: isPuppet ? 'PUPPET_NODE_CSR' : 'CHEF_NODE_PUBLIC_KEY', Value }];
    // Past the faults: a lost answer would leave open whose name it is.
    await call(opsWorksCm.service, 'AssociateNode', { ServerName, NodeName: life.name, EngineAttributes });
    life.unfit = 'a stranger has its name';
    strangeNodes.push({ server: ServerName, name: life.name, fingerprint: publicKeySha256(identity.publicKey) });
    history.add(life.name, `a stranger takes its name at ${ServerName}`);
  } catch (error) {
    // In maintenance, or at its rate, the server refuses: then the name stays free.
    if (!(error instanceof ServiceError)) throw error;
    history.add(life.name, `a stranger does not get its name: ${error.message}`);
  } finally {
    release();
  }
}

/** One in ten goes within three minutes of its launch, in the middle of its enrolment; the others within hours. */
function lifetime(random: Random): number {
  return isOneOf(random, SHORT_LIVED) ? between(random, 0, 3 * MINUTE) : between(random, 5 * MINUTE, 8 * HOUR);
}

/** Through its group, which grows smaller, or at EC2 itself, so that the group replaces it. */
function terminate({ autoScaling, ec2, history }: SoakWorld, instanceId: string, isBehindTheGroup: boolean): void {
  const member = autoScaling.members.get(instanceId);
  if (!member || member.group.leaving.has(member)) return;
  const isDirect = isBehindTheGroup || member.group.warm.has(member);
  history.add(instanceId, isDirect ? 'is terminated at EC2' : 'is terminated by its group');
  if (isDirect) ec2.terminate(instanceId);
  else autoScaling.terminate(instanceId, true);
}

/** One of few names, so that names are given again and again; where it is taken, the next. */
function createAtLightsail(world: SoakWorld, random: Random, place: string, until: number): void {
  const { clock, lightsail, lives, history } = world;
  const prefix = place.split(' ')[1];
  const first = Math.floor(random() * LIGHTSAIL_NAMES);
  const names = Array.from({ length: LIGHTSAIL_NAMES }, (_, index) => `${prefix}-${(first + index) % LIGHTSAIL_NAMES}`);
  const name = names.find((candidate) => !lightsail.instance(candidate));
  if (name === undefined) return;
  const image = { availabilityZone: `${REGION}a`, blueprintId: 'debian_12', bundleId: 'nano_3_0' };
  void lightsail.createInstances({ instanceNames: [name], ...image }, BY_THE_SOAK);
  const arn = lightsail.instance(name)?.arn;
  const isSquatted = world.strangeNodes.some((node) => node.name === name);
  const unfit = isSquatted ? 'a stranger has its name' : undefined;
  const life: Life = { name, place, arn, fingerprint: undefined, key: undefined, unfit, isRetiredByHand: false };
  lives.push(life);
  history.add(name, `is created as ${arn}`);
  let node: SimulatedNode | undefined;
  if (place === 'lightsail site')
    clock.at(clock.now() + between(random, 20, 300) * SECOND, () => {
      if (lightsail.instance(name)?.arn !== arn) return;
      node = world.activate(name);
      life.fingerprint = fingerprintOf(node);
      if (isOneOf(random, HOSTILE)) life.unfit ??= lie(world, random, node);
    });
  const end = clock.now() + lifetime(random);
  if (end < until)
    clock.at(end, () => {
      history.add(name, `${arn} is deleted`);
      void lightsail.deleteInstance({ instanceName: name }, BY_THE_SOAK);
      node?.shutDown();
    });
}
