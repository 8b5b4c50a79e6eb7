import { isoSeconds } from '../world/eventbridge/aws-event.ts';
import { conjure } from './conjure.ts';
import type { Announcement } from './event-files.ts';
import type { World } from './world.ts';

/** Puts what the announcements name into the world, and then announces it. */
export function play(world: World, announcements: readonly Announcement[]): void {
  for (const announcement of announcements) conjure(world, announcement);
  for (const announcement of announcements) announce(world, announcement);
}

/**
 * An event comes from EventBridge, and as if it were sent now: at the time that stands in a file its launch would long
 * be over. A request is typed in the Step Functions console.
 */
function announce({ clock, bus, machines, enrolNodeArn }: World, announcement: Announcement): void {
  if (announcement.kind === 'event') bus.deliver({ ...announcement.event, time: isoSeconds(clock.now()) });
  else machines.start({ stateMachineArn: enrolNodeArn, input: JSON.stringify(announcement.input) });
}
