import { InstallationFailed, InstallationPending } from '../lib/errors.ts';
import { Command, Instance } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { commandResult } from '../services/run-command.ts';

/** Waits until the node has its credentials: without them its agent would never be let in. */
export const handler = task(
  { instance: Instance, command: Command },
  async ({ instance: { instanceId }, command }, call) => {
    const result = await commandResult(command.commandId, instanceId, call.signal);
    if (result.outcome === 'succeeded') return { installed: true };
    if (result.outcome === 'failed')
      throw new InstallationFailed(
        `${instanceId} could not install its credentials: ${result.errorOutput.slice(0, 200)}`,
      );
    throw new InstallationPending(
      `${instanceId} has not installed its credentials yet: its command is ${result.status}.`,
    );
  },
);
