import { startOn } from '../events/start.ts';
import { Instance } from '../lib/instance.ts';
import { Enrolment } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { startRetirement } from '../services/announced-start.ts';

/** Has `retire-node` take a node that has moved off the servers that had it before. */
export const handler = task(
  { instance: Instance, enrolment: Enrolment },
  async ({ instance, enrolment: { generation }, task: { enteredTime } }, { signal }) => {
    const occasion = {
      by: 'move',
      detailType: 'Instance Moved',
      eventId: `move-${generation}`,
      eventTime: enteredTime,
      generation,
    } as const;
    const start = startOn(instance, occasion);
    return { execution: start.execution, outcome: await startRetirement(start, signal) };
  },
);
