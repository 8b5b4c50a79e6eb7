import { InstallationFailed, InstallationPending, InstanceNotReady } from '../lib/errors.ts';
import { Instance } from '../lib/instance.ts';
import { Command } from '../lib/state.ts';
import { task } from '../lib/task.ts';
import { commandResult } from '../services/run-command.ts';

/** Waits until the node has its credentials, and its first run behind it where the profile waits for that. */
export const handler = task(
  { instance: Instance, installing: Command },
  async ({ instance, installing: { commandId, managedId } }, call) => {
    const { instanceId } = instance;
    const result = await commandResult(commandId, { ...instance, managedId }, call.signal);
    switch (result.outcome) {
      case 'succeeded':
        // The command is sent again after a pause (WhereToResume); before the restart it answers the same.
        if (isBeforeRestart(result.output))
          throw new InstanceNotReady(
            `${instanceId} is to restart, and its first run goes on after that: its client scheduled it.`,
          );
        return { installed: true };
      case 'failed':
        throw new InstallationFailed(
          `${instanceId} could not install its credentials; its script printed ${result.errorOutput}.`,
        );
      case 'lost':
        throw new InstanceNotReady(`${instanceId} lost the command that installs its credentials: ${result.status}.`);
      case 'running':
        throw new InstallationPending(
          `${instanceId} has not finished its installation: its command is ${result.status}.`,
        );
    }
  },
);

/** Whether the script has ended to be run again after a restart of the node: documents/install-chef.sh. */
function isBeforeRestart(output: string): boolean {
  return /"restart":"scheduled"/.test(output);
}
