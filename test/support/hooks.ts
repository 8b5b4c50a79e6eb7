import type { Profile } from '../../lib/profile.ts';
import { ESTATE } from '../../local/estate.ts';
import { readProfiles } from '../../profiles/file.ts';
import { type Played, playWorld } from './world.ts';

/** A world whose group web has hooks of this HeartbeatTimeout, and nothing that takes time but the server. */
export async function worldWith(
  HeartbeatTimeout: number,
  { onFailure = 'hold', ...options }: Partial<Parameters<typeof playWorld>[0] & Pick<Profile, 'onFailure'>> = {},
) {
  const profiles = readProfiles('profiles.yml').map(({ register: _, ...profile }) => ({ ...profile, onFailure }));
  const hooks = ESTATE.hooks.map((hook) => ({ ...hook, HeartbeatTimeout }));
  // A third of a long time-out is as good as a minute, and plays faster.
  const scheduleSeconds = Math.max(60, 60 * Math.floor(HeartbeatTimeout / 180));
  return playWorld({ profiles, estate: { ...ESTATE, hooks }, scheduleSeconds, ...options });
}

/** From now on no event arrives. */
export function loseEvents({ lambda }: Played): void {
  lambda.interceptor = async ({ functionName }, next) => (/-start-/.test(functionName) ? {} : next());
}

export function stateOf(world: Played, instance: string): string | undefined {
  return world.autoScaling.members.get(instance)?.lifecycleState;
}
