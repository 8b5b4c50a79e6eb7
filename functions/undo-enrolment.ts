import { executionName, naming } from '../events/request.ts';
import { environment, home } from '../lib/config.ts';
import { Instance } from '../lib/instance.ts';
import { Enrolment } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { startExecution } from '../services/state-machines.ts';

/** Has `retire-node` take back what was done for an instance that will not be enrolled. */
export const handler = task(
  { instance: Instance, enrolment: Enrolment },
  async ({ instance, enrolment: { generation }, task: { enteredTime } }, call) => {
    const eventId = `undo-${generation}`;
    const trigger = { detailType: 'Instance Enrolment Failed', eventId, eventTime: enteredTime };
    const request = { ...naming(instance, home()), trigger };
    const execution = executionName(request);
    const outcome = await startExecution(environment().RETIRE_NODE_STATE_MACHINE_ARN, execution, request, call.signal);
    return { execution, outcome };
  },
);
