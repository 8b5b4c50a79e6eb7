import type { Journal } from './journal.ts';
import type { World } from './world.ts';

/** How often the world is asked whether it has come to rest, in its own time. */
const LOOK_MILLISECONDS = 1000;

/** Waits until the instances are known (or an event is lost), every event is delivered, nothing runs or is on its way. */
export async function untilAtRest(world: World, journal: Journal, instances: readonly string[]): Promise<void> {
  const isKnown = (instance: string) => journal.stories.some((story) => story.instance === instance);
  const isAccounted = () => world.lambda.deadLetters.length > 0 || instances.every(isKnown);
  const isMoving = () => world.autoScaling.members.all.some(isOnItsWay) || isChanging(world);
  const isAtRest = () => journal.isQuiet && isAccounted() && !isMoving();
  // What was just begun is heard of a turn later.
  do await world.clock.sleep(LOOK_MILLISECONDS);
  while (!isAtRest());
}

/** Whether something of Auto Scaling's own is about to happen to the instance, so that no step is due. */
export function isOnItsWay({ lifecycleState }: { readonly lifecycleState: string }): boolean {
  return /(^|:)(Pending|Terminating)(:Proceed)?$/.test(lifecycleState);
}

/** Whether OpsWorks still works on an instance: it is not waited for, but it ends by itself. */
function isChanging({ opsWorks }: World): boolean {
  return opsWorks.snapshot().instances.some(({ status }) => status === 'assigning' || status === 'deregistering');
}
