import { describeEnrolment, describeIgnored } from '../enrolments.ts';
import type { Journal, Story } from '../journal.ts';
import { isOnItsWay } from '../rest.ts';
import type { World } from '../world.ts';
import type { View } from './view.ts';

/**
 * One JSON object a line (`Enrolment`) for each enrolment that has ended, and nothing else: the rest goes to
 * standard error.
 */
export function jsonView(world: World, journal: Journal): View {
  const printing: Promise<void>[] = [];
  const onEnd = (story: Story) => {
    if (story.kind === 'enrolment') printing.push(printSettled(world, story));
  };
  const onNote = (sentence: string) => console.error(sentence);
  journal.on('end', onEnd).on('note', onNote);
  return {
    async end() {
      journal.off('end', onEnd).off('note', onNote);
      await Promise.all(printing);
    },
  };
}

/** An enrolment ends when it lets the instance into service; the instance is in service a moment later. */
async function printSettled(world: World, story: Story): Promise<void> {
  for (let member = memberOf(world, story); member && isOnItsWay(member); member = memberOf(world, story))
    await world.clock.sleep(1000);
  const { execution, reason } = story;
  console.log(JSON.stringify(execution ? describeEnrolment(world, execution) : describeIgnored(world, story, reason)));
}

function memberOf(world: World, { instance }: Story) {
  return world.autoScaling.members.get(instance);
}
