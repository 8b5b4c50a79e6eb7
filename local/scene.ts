import { REGION } from './account.ts';
import type { World } from './world.ts';

/** How long the Chef server refuses nodes: long enough for the patience of AssociateNode to be seen. */
const MAINTENANCE_SECONDS = 240;

/** What the scene is about, for its audience. */
export const SCENE = [
  'One launch under Chef, whose server is UNDER_MAINTENANCE for four minutes.',
  'One launch under Puppet. Two new Lightsail instances, locked to IMDSv2.',
  "And one launch in another team's group, which is none of our business.",
] as const;

/**
 * Plays what `npm start` shows: everything is launched at once.
 * @returns the instances that are to be enrolled in the end
 */
export async function playScene({ autoScaling, lightsail, opsWorksCm }: World): Promise<string[]> {
  opsWorksCm.maintenance('ChefServer', MAINTENANCE_SECONDS);
  const launched = [...autoScaling.launch('web', 1), ...autoScaling.launch('database', 1)];
  autoScaling.launch('analytics', 1);
  const instanceNames = ['blog-1', 'blog-2'];
  const image = { availabilityZone: `${REGION}a`, blueprintId: 'amazon_linux_2023', bundleId: 'nano_3_0' };
  await lightsail.createInstances({ instanceNames, ...image }, { requestId: 'scene' });
  return [...launched, ...instanceNames];
}
