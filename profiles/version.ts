import { createHash } from 'node:crypto';
import type { Profile } from '../lib/profile.ts';
import type { Associate } from '../lib/servers.ts';

/**
 * The profile's version: changes with what it asks of a node and with nothing else. Whom it matches, how long it waits, what a
 * failure means for a launch and how a sweep goes about it are none of that: a change of those enrols no instance again.
 */
export function profileVersion({ name, register, associate, csrFrom, metadata }: Profile): string {
  const { lookBackDays: _, canary: __, ...asked } = metadata ?? {};
  const server = associate && withoutDefaults(associate);
  const content = JSON.stringify({ name, register, associate: server, csrFrom, ...(metadata && { metadata: asked }) });
  return createHash('sha256').update(content).digest('hex').slice(0, 12);
}

/** A field that is newer than nodes with the version must not change it while it says nothing. */
function withoutDefaults(server: Associate): object {
  const { service, ...others } = { service: undefined, ...server };
  return service === 'leave' ? server : others;
}
