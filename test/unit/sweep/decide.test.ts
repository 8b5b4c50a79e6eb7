import { describe, expect, it } from 'vitest';
import { type DeployedProfile, deployed } from '../../../lib/profile.ts';
import { readProfiles } from '../../../profiles/file.ts';
import { decide } from '../../../sweep/decide.ts';
import { Survey } from '../../../sweep/survey.ts';
import { WEB } from '../../support/instance.ts';

const AT = '2031-05-06T12:00:00.000Z';
const HOUR = 3600 * 1000;
const profiles = readProfiles('profiles.yml').map((profile) => deployed(profile, 'eu-west-1'));
const [batch] = profiles.filter(({ name }) => name === 'batch') as [DeployedProfile];

/** What is due of an instance of a group, of which the ledger knows nothing and which uses IMDSv1. */
function dueOf(
  lifecycleState: string,
  createdHoursAgo: number,
  { startedHoursAgo = createdHoursAgo, calls = 900 } = {},
) {
  const hoursAgo = (hours: number) => new Date(Date.parse(AT) - hours * HOUR).toISOString();
  const times = { createdTime: hoursAgo(createdHoursAgo), launchTime: hoursAgo(startedHoursAgo) };
  const instance = { ...WEB, ...times, autoScalingGroupName: 'batch-1' };
  const groups = { lifecycleStates: new Map([[instance.instanceId, lifecycleState]]), unread: new Set<string>() };
  const survey = new Survey({ profile: batch, exemptions: [], at: AT }, [batch], new Map(), groups);
  survey.take({ instance, state: 'running' });
  const { due } = decide(survey, {
    at: AT,
    imdsV1Calls: new Map([[instance.instanceId, calls]]),
  });
  return due.map(({ leaveOut }) => leaveOut);
}

describe('IMDSv1 that is in use', () => {
  it.each(['Pending', 'Pending:Wait', 'Pending:Proceed', 'Warmed:Pending:Wait'])(
    'is closed on a launch that is %s, for nothing runs on it yet',
    (state) => {
      expect(dueOf(state, 1)).toEqual([[]]);
    },
  );

  it.each(['Pending', 'Pending:Wait', 'Pending:Proceed', 'Warmed:Pending:Wait'])(
    'is closed on one that is %s for hours only where nothing has used it: it may have run before it was attached',
    (state) => {
      expect(dueOf(state, 47, { calls: 0 })).toEqual([[]]);
      expect(dueOf(state, 47)).toEqual([['imdsv2']]);
    },
  );

  it('is left open on one that was created long ago, started a moment ago and attached to its group', () => {
    expect(dueOf('Pending:Wait', 240, { startedHoursAgo: 0.5 })).toEqual([['imdsv2']]);
  });

  it.each(['InService', 'Standby', 'EnteringStandby', 'Warmed:Running'])('is left open on one that is %s', (state) => {
    expect(dueOf(state, 1)).toEqual([['imdsv2']]);
  });

  it('is left open on one that was launched long ago and comes back to its group, or is attached to it', () => {
    expect(dueOf('Pending', 49)).toEqual([['imdsv2']]);
  });
});
