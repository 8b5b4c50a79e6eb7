import { describe, expect, it } from 'vitest';
import { InvalidRequest } from '../../../lib/errors.ts';
import { type DeadlineFacts, deadlineOf } from '../../../profiles/deadline.ts';
import { type LaunchRequest, launchHook, whyIgnored } from '../../../profiles/launch.ts';

const INSTANCE = { instanceId: 'i-0123456789abcdef0', autoScalingGroupName: 'web' };
const WITH_HOOK = { name: 'web', lifecycleHook: 'muster-launch' };
const WITHOUT_HOOK = { name: 'batch' };
const ACTION = {
  autoScalingGroupName: 'web',
  lifecycleHookName: 'muster-launch',
  lifecycleActionToken: '87654321-4321-4321-4321-210987654321',
};

describe('a request for an enrolment', () => {
  it.each<[string, LaunchRequest, typeof WITH_HOOK | typeof WITHOUT_HOOK | undefined, string | undefined]>([
    ['enrols in the hook of its profile', { lifecycleAction: ACTION }, WITH_HOOK, undefined],
    ['enrols by hand whatever hook the profile has', {}, WITH_HOOK, undefined],
    ['enrols after the launch where the profile has no hook', { autoScalingGroupName: 'web' }, WITHOUT_HOOK, undefined],
    ['is ignored where no profile matches', {}, undefined, 'No profile matches i-0123456789abcdef0.'],
    [
      'is ignored for another hook than the profile’s',
      { lifecycleAction: { ...ACTION, lifecycleHookName: 'other' } },
      WITH_HOOK,
      'other is not the hook of the profile web, which matches i-0123456789abcdef0.',
    ],
    [
      'is ignored for a hook where the profile has none',
      { lifecycleAction: ACTION },
      WITHOUT_HOOK,
      'muster-launch is not the hook of the profile batch, which matches i-0123456789abcdef0.',
    ],
    [
      'is ignored after the launch where the profile enrols in a hook',
      { autoScalingGroupName: 'web' },
      WITH_HOOK,
      'The profile web enrols i-0123456789abcdef0 in its hook muster-launch.',
    ],
  ])('%s', (_sentence, request, profile, reason) => {
    expect(whyIgnored(request, INSTANCE, profile)).toBe(reason);
  });
});

describe('the hook of a launch', () => {
  const own = { autoScalingGroupName: 'web', lifecycleHookName: 'muster-launch', lifecycleActionToken: null };

  it.each<[string, LaunchRequest, boolean, unknown]>([
    ['is the event’s, with its token', { lifecycleAction: ACTION }, false, ACTION],
    ['is the profile’s, without a token, where the instance waits', {}, true, own],
    ['is none where the instance does not wait', {}, false, null],
  ])('%s', (_sentence, request, waits, hook) => {
    expect(launchHook(request, INSTANCE, WITH_HOOK, waits)).toEqual(hook);
  });

  it('is none without a group, and none where the profile names none', () => {
    expect(launchHook({}, { autoScalingGroupName: null }, WITH_HOOK, true)).toBeNull();
    expect(launchHook({}, INSTANCE, { lifecycleHook: undefined }, true)).toBeNull();
  });
});

describe('the deadline', () => {
  const facts: DeadlineFacts = {
    profile: { enrolWithinMinutes: 30 },
    hook: { ...ACTION },
    hookTimes: { heartbeatTimeoutSeconds: 3600, globalTimeoutSeconds: 48 * 3600 },
    announcedAt: '2031-05-06T12:00:00.000Z',
    startTime: '2031-05-06T12:10:00.000Z',
  };

  it.each<[string, Partial<DeadlineFacts>, string]>([
    ['is an hour before the hook’s global timeout, counted from the event', {}, '2031-05-08T11:00:00.000Z'],
    ['is the profile’s where no hook waits', { hook: null, hookTimes: undefined }, '2031-05-06T12:40:00.000Z'],
    ['is the profile’s where the hook has no event', { announcedAt: null }, '2031-05-06T12:40:00.000Z'],
    ['is the profile’s where the group no longer has the hook', { hookTimes: undefined }, '2031-05-06T12:40:00.000Z'],
  ])('%s', (_sentence, given, deadline) => {
    expect(deadlineOf({ ...facts, ...given })).toBe(deadline);
  });

  it('is refused for a hook that expires between two heartbeats', () => {
    const hookTimes = { heartbeatTimeoutSeconds: 3599, globalTimeoutSeconds: 7200 };
    const refused = () => deadlineOf({ ...facts, hookTimes });
    expect(refused).toThrow(InvalidRequest);
    expect(refused).toThrow('muster-launch of web has a HeartbeatTimeout of 3599 seconds: set it to 3600');
  });
});
