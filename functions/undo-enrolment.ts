import { startOn } from '../events/start.ts';
import { Instance } from '../lib/instance.ts';
import { Enrolment } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { startRetirement } from '../services/announced-start.ts';

/** Has `retire-node` undo what was done for an instance that will not be enrolled. */
export const handler = task(
  { instance: Instance, enrolment: Enrolment },
  async ({ instance, enrolment: { generation }, task: { enteredTime } }, { signal }) => {
    const occasion = {
      by: 'undo',
      detailType: 'Instance Enrolment Failed',
      eventId: `undo-${generation}`,
      eventTime: enteredTime,
      generation,
    } as const;
    const start = startOn(instance, occasion);
    return { execution: start.execution, outcome: await startRetirement(start, signal) };
  },
);
