import { conjure } from './conjure.ts';
import { isoSeconds } from './doubles/aws-event.ts';
import type { Announcement } from './event-files.ts';
import type { Journal } from './journal.ts';
import { playScene } from './scene.ts';
import type { World } from './world.ts';

/** How often the world is asked whether it has come to rest, in its own time. */
const LOOK_MILLISECONDS = 1000;

/**
 * Plays the announcements, or the scene when there are none.
 * @returns the instances that are to be enrolled in the end, as far as that is known beforehand
 */
export async function play(world: World, announcements: readonly Announcement[]): Promise<readonly string[]> {
  if (announcements.length === 0) return await playScene(world);
  for (const announcement of announcements) conjure(world, announcement);
  for (const announcement of announcements) announce(world, announcement);
  return [];
}

/**
 * An event comes from EventBridge, and as if it were sent now: at the time that stands in a file its launch would long
 * be over. A request is typed in the Step Functions console.
 */
function announce({ clock, bus, machines, enrolNodeArn }: World, announcement: Announcement): void {
  if (announcement.kind === 'event') bus.deliver({ ...announcement.event, time: isoSeconds(clock.now()) });
  else machines.start({ stateMachineArn: enrolNodeArn, input: JSON.stringify(announcement.input) });
}

/** Waits until the instances are known (or an event is lost), every event is delivered, nothing runs or is on its way. */
export async function untilAtRest(world: World, journal: Journal, instances: readonly string[]): Promise<void> {
  const isKnown = (instance: string) => journal.stories.some((story) => story.instance === instance);
  const isAccounted = () => world.lambda.deadLetters.length > 0 || instances.every(isKnown);
  const isMoving = () => world.autoScaling.members.all.some(isOnItsWay) || isAssigning(world);
  const isAtRest = () => journal.isQuiet && isAccounted() && !isMoving();
  while (!isAtRest()) await world.clock.sleep(LOOK_MILLISECONDS);
}

/** Whether something of Auto Scaling's own is about to happen to the instance, so that nobody has to do anything. */
export function isOnItsWay({ lifecycleState }: { readonly lifecycleState: string }): boolean {
  return /(^|:)(Pending|Terminating)(:Proceed)?$/.test(lifecycleState);
}

/** Whether OpsWorks still sets an instance up: nobody waits for it, but it ends by itself. */
function isAssigning({ opsWorks }: World): boolean {
  return opsWorks.snapshot().instances.some(({ status }) => status === 'assigning');
}
