import type { Instance } from '../lib/instance.ts';
import type { Profile } from '../lib/profile.ts';
import type { Look } from './look.ts';
import type { ReportRow } from './report.ts';

/** What a row says beside the instance; what it leaves out: nothing is started. */
type Told = Pick<ReportRow, 'finding'> & Partial<ReportRow>;

/** The report's row of an instance that was looked at. */
export function rowOf(instance: Instance, { name }: Profile, { reason, exempt }: Look, told: Told): ReportRow {
  const ends = Object.values(exempt).flatMap((exemption) => exemption?.expires ?? []);
  return {
    instance: instance.instanceId,
    platform: instance.platform,
    region: instance.region,
    profile: name,
    reason,
    action: 'nothing',
    starts: null,
    execution: null,
    exemptUntil: ends.toSorted()[0] ?? null,
    ...told,
  };
}
