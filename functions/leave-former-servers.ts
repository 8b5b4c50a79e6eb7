import { executionName, naming } from '../events/request.ts';
import { environment } from '../lib/config.ts';
import { Instance } from '../lib/instance.ts';
import { Enrolment } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { startAnnounced } from '../services/announced-start.ts';

/** Has `retire-node` take a node that has moved off the servers that had it before. */
export const handler = task(
  { instance: Instance, enrolment: Enrolment },
  async ({ instance, enrolment: { ledgerKey, generation }, task: { enteredTime } }, call) => {
    const trigger = { detailType: 'Instance Moved', eventId: `move-${generation}`, eventTime: enteredTime };
    const input = naming(instance);
    const name = executionName({ ...input, trigger });
    const outcome = await startAnnounced(
      { stateMachineArn: environment('RETIRE_NODE_STATE_MACHINE_ARN'), name, input },
      { ...trigger, subject: ledgerKey, by: 'move', generation },
      call.signal,
    );
    return { execution: name, outcome };
  },
);
