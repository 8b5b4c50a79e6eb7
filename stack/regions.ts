import type { Profile } from '../lib/profile.ts';
import { nearest } from '../lib/wording.ts';
import type { YamlFile } from '../lib/yaml-file.ts';

/**
 * Holds the Regions that profiles name against those that AWS's certificates are known of: no node of another is believed.
 * @param file the profiles
 * @param regions the Regions that there are
 * @returns one sentence for each fault: file, line, profile and what to do
 */
export function faultsOfRegions(
  file: YamlFile,
  profiles: readonly Pick<Profile, 'name' | 'regions'>[],
  regions: readonly string[],
): string[] {
  return profiles.flatMap(({ name, regions: own = [] }, index) =>
    own.flatMap((region, nth) => {
      if (regions.includes(region)) return [];
      const meant = nearest(region, regions);
      const what = `${file.placeOf(['profiles', index, 'regions', nth])}: the profile ${name} names the Region ${region}`;
      const how = `${meant ? `write ${meant}` : 'correct it'}, or add its certificate there`;
      return [`${what}, which services/identity/aws-certificates does not have: ${how}.`];
    }),
  );
}
