import { WorldClock } from '../../world/kernel/clock.ts';
import { seededRandom } from '../../world/kernel/random.ts';
import { Fleet } from '../../world/machines/fleet.ts';
import { IdentitySigner, type Machine } from '../../world/machines/identity.ts';
import { SimulatedNode, type SimulatedNodeOptions } from '../../world/machines/node.ts';
import { oneKey, thriftyKeys } from '../../world/pki/thrifty-keys.ts';

/** Real keys, and few primes. */
const keySource = thriftyKeys();
const signerKeySource = oneKey(thriftyKeys());

/** A virtual clock, a fleet, and machines on demand. */
export async function machines() {
  const clock = new WorldClock({ speed: Number.POSITIVE_INFINITY, start: new Date('2024-05-01T10:00:00Z') });
  const random = seededRandom(7);
  const signer = await IdentitySigner.create(new Date(clock.now()), signerKeySource);
  const fleet = new Fleet();
  let count = 0;

  function launch(options: Partial<SimulatedNodeOptions> & { instanceId?: string } = {}): SimulatedNode {
    count += 1;
    const machine: Machine = {
      instanceId: options.instanceId ?? `i-${count.toString(16).padStart(17, '0')}`,
      imageId: 'ami-0123456789abcdef0',
      instanceType: 't3.micro',
      architecture: 'x86_64',
      availabilityZone: 'eu-west-1a',
      privateIp: `10.0.0.${count}`,
      launchedAt: new Date(clock.now()),
    };
    const node = new SimulatedNode({ machine, clock, random, signer, keySource, agentUpAfterSeconds: 20, ...options });
    fleet.add(node);
    return node;
  }

  return { clock, random, signer, fleet, launch };
}
