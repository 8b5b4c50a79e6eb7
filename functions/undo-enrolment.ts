import { executionName, naming } from '../events/request.ts';
import { environment } from '../lib/config.ts';
import { Instance } from '../lib/instance.ts';
import { Enrolment } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { startAnnounced } from '../services/announced-start.ts';

/** Has `retire-node` undo what was done for an instance that will not be enrolled. */
export const handler = task(
  { instance: Instance, enrolment: Enrolment },
  async ({ instance, enrolment: { ledgerKey, generation }, task: { enteredTime } }, call) => {
    const trigger = {
      detailType: 'Instance Enrolment Failed',
      eventId: `undo-${generation}`,
      eventTime: enteredTime,
    };
    const input = naming(instance);
    const name = executionName({ ...input, trigger });
    const outcome = await startAnnounced(
      { stateMachineArn: environment('RETIRE_NODE_STATE_MACHINE_ARN'), name, input },
      { ...trigger, subject: ledgerKey, by: 'undo', generation },
      call.signal,
    );
    return { execution: name, outcome };
  },
);
