import type { Profile } from '../lib/profiles.ts';
import { nearest } from './nearest.ts';
import { linesOf } from './template-source.ts';

/**
 * Holds the Regions that profiles name against those that AWS's certificates are known of: no node of another is believed.
 * @param file the profiles, below root
 * @param regions the Regions that there are
 * @returns one sentence for each fault: file, line, profile and what to do
 */
export function faultsOfRegions(
  root: string,
  file: string,
  profiles: readonly Pick<Profile, 'name' | 'regions'>[],
  regions: readonly string[],
): string[] {
  const lineOf = linesOf(root, file);
  return profiles.flatMap(({ name, regions: own = [] }, index) =>
    own.flatMap((region, nth) => {
      if (regions.includes(region)) return [];
      const meant = nearest(region, regions);
      const what = `${lineOf(['profiles', index, 'regions', nth])}: the profile ${name} names the Region ${region}`;
      const how = `${meant ? `write ${meant}` : 'correct it'}, or add its certificate there`;
      return [`${what}, which services/identity/aws-certificates does not have: ${how}.`];
    }),
  );
}
