import { REGION } from '../world/kernel/account.ts';
import type { Journal } from './journal.ts';
import { untilAtRest } from './rest.ts';
import type { World } from './world.ts';

/** How long the Chef server refuses nodes: long enough for the patience of AssociateNode to be seen. */
const MAINTENANCE_SECONDS = 240;
/** A moment in which what has happened can be read. */
const PAUSE_MILLISECONDS = 60_000;

/** What the scene is about, for its audience. */
export const SCENE = [
  'One launch under Chef, whose server is UNDER_MAINTENANCE for four minutes.',
  'Two under Puppet, of which one fails and is held in its hook. Two new Lightsail',
  "instances, locked to IMDSv2. One launch in another team's group, which is none",
  'of our business. Then a person mends what failed and enrols that instance by',
  'hand, and the instance under Chef is scaled in.',
] as const;

/**
 * Plays what `npm start` shows, up to the last thing that is done; the world comes to rest by itself.
 * @returns the instances that are to be enrolled in the end
 */
export async function playScene(world: World, journal: Journal): Promise<string[]> {
  const { autoScaling, clock, faults, machines, opsWorksCm, enrolNodeArn } = world;
  opsWorksCm.maintenance('ChefServer', MAINTENANCE_SECONDS);
  const [underChef = ''] = autoScaling.launch('web', 1);
  const [underPuppet = '', held = ''] = autoScaling.launch('database', 2);
  faults.set([
    { service: 'ssm', operation: 'SendCommand', error: 'AccessDeniedException', match: { InstanceIds: held } },
  ]);
  autoScaling.launch('analytics', 1);
  const instanceNames = await createBlogs(world);
  await untilAtRest(world, journal, [underChef, underPuppet, held, ...instanceNames]);
  await clock.sleep(PAUSE_MILLISECONDS);

  faults.set([]);
  machines.start({ stateMachineArn: enrolNodeArn, input: JSON.stringify({ instanceId: held }) });
  autoScaling.setDesiredCapacity('web', 0);
  return [underPuppet, held, ...instanceNames];
}

async function createBlogs({ lightsail }: World): Promise<string[]> {
  const instanceNames = ['blog-1', 'blog-2'];
  const image = { availabilityZone: `${REGION}a`, blueprintId: 'amazon_linux_2023', bundleId: 'nano_3_0' };
  await lightsail.createInstances({ instanceNames, ...image }, { requestId: 'scene' });
  return instanceNames;
}
