import { type EnrolmentInput, executionName, naming, SWEEP } from '../events/request.ts';
import type { Exemptible } from '../lib/profile.ts';
import { profileVersion } from '../profiles/version.ts';
import type { SweepLimits } from './services.ts';
import type { Candidate } from './survey.ts';

/**
 * The enrolment of an instance that drifts, and the name of its execution. The same drift has the same name for a day:
 * a second sweep starts nothing that the first has started.
 */
export function enrolmentOf(
  { instance, record, profile }: Candidate,
  { at }: Pick<SweepLimits, 'at'>,
  leaveOut: readonly Exemptible[] = [],
) {
  const occasion = [instance.region, instance.launchTime, record?.generation ?? 0, profileVersion(profile)];
  const trigger = { detailType: SWEEP, eventId: [...occasion, at.slice(0, 10)].join(' '), eventTime: at };
  const request: EnrolmentInput = {
    ...naming(instance),
    ...(leaveOut.length > 0 && { leaveOut: [...leaveOut] }),
    trigger,
  };
  return { request, execution: executionName(request) };
}
