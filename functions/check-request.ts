import { Associate } from '../lib/servers.ts';
import { task } from '../lib/task.ts';
import { requireSecrets } from '../services/config-servers/secrets.ts';

/** Looks at the secrets that the configuration server needs, before anything is changed. */
export const handler = task({ associate: Associate }, async ({ associate }, call) => {
  await requireSecrets(associate, call.signal);
  return { checked: true };
});
