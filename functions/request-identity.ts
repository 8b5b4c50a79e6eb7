import { environment } from '../lib/config.ts';
import { IdentityPending } from '../lib/errors.ts';
import { Instance } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { sendCommand } from '../services/run-command.ts';

/** Asks the node for its CSR and its identity document. The node makes its key itself, and keeps it. */
export const handler = task({ instance: Instance }, async ({ instance: { instanceId, nodeName } }, call) => {
  const { COLLECT_IDENTITY_DOCUMENT } = environment();
  const commandId = await sendCommand(COLLECT_IDENTITY_DOCUMENT, instanceId, { NodeName: nodeName }, call.signal);
  if (commandId) return { commandId };
  throw new IdentityPending(
    `The Systems Manager agent of ${instanceId} is not up yet. If it never is: check its instance profile.`,
  );
});
