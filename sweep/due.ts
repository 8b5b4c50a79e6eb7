import { SWEEP } from '../events/request.ts';
import { type Start, startOn } from '../events/start.ts';
import type { Exemptible } from '../lib/profile.ts';
import { profileVersion } from '../profiles/version.ts';
import type { ReportRow } from './report.ts';
import type { SweepLimits } from './services.ts';
import type { Candidate } from './survey.ts';

/** A candidate to enrol or retire now, and the reason. */
export interface Due extends Candidate {
  readonly starts: 'enrol-node' | 'retire-node';
  readonly finding: ReportRow['finding'];
  /** Whether its launch or its termination waits in a hook. */
  readonly isWaiting: boolean;
  /** What its enrolment leaves out. */
  readonly leaveOut: readonly Exemptible[];
  readonly reason: string;
}

/**
 * The execution that an instance is due. The same occasion has the same name, so that a second sweep starts nothing that
 * the first has started: for a day or, where a hook waits and expires, for an hour.
 */
export function startOf(due: Due, { at }: Pick<SweepLimits, 'at'>): Start {
  const { instance, record, profile, starts, isWaiting, leaveOut } = due;
  const generation = record?.generation ?? 0;
  const occasion =
    starts === 'enrol-node'
      ? [instance.region, instance.launchTime, generation, profileVersion(profile)]
      : [isWaiting ? 'terminating' : 'move', generation];
  return startOn(instance, {
    by: starts === 'retire-node' && !isWaiting ? 'move' : 'sweep',
    detailType: SWEEP,
    eventId: [...occasion, isWaiting ? at.slice(0, 13) : at.slice(0, 10)].join(' '),
    eventTime: at,
    ...(leaveOut.length > 0 && { leaveOut: [...leaveOut] }),
  });
}
