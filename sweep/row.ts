import type { Instance } from '../lib/instance.ts';
import type { Profile } from '../lib/profile.ts';
import type { Assessment } from './assessment.ts';
import type { ReportRow } from './report.ts';

/** The fields of a row that are not about the instance. By default nothing is started. */
type RowFields = Pick<ReportRow, 'finding'> & Partial<ReportRow>;

/** The report's row for an assessed instance. */
export function rowOf(
  instance: Instance,
  { name }: Profile,
  { reason, exempt }: Assessment,
  fields: RowFields,
): ReportRow {
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
    ...fields,
  };
}
