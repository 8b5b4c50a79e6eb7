import { describe, expect, it } from 'vitest';
import type { Profile } from '../../../lib/profile.ts';
import type { Hook } from '../../../lib/state.ts';
import { type DeadlineFacts, deadlineOf } from '../../../profiles/deadline.ts';
import { readProfiles } from '../../../profiles/file.ts';
import { type AnnouncedLaunch, isLaunchOver, launchHook, whyIgnored, whyNotStarted } from '../../../profiles/launch.ts';

const INSTANCE = { instanceId: 'i-0123456789abcdef0' };
const WITH_HOOK = { name: 'web', lifecycleHook: 'muster-launch' };
const WITHOUT_HOOK = { name: 'batch' };
const HOOK = { autoScalingGroupName: 'web', lifecycleHookName: 'muster-launch' };
const IN_GROUP = { autoScalingGroupName: 'web' };

describe('an enrolment', () => {
  it.each<
    [string, AnnouncedLaunch | undefined, typeof WITH_HOOK | typeof WITHOUT_HOOK | undefined, string | undefined]
  >([
    ['enrols in the hook of its profile', HOOK, WITH_HOOK, undefined],
    ['enrols by hand whatever hook the profile has', undefined, WITH_HOOK, undefined],
    ['enrols after the launch where the profile has no hook', IN_GROUP, WITHOUT_HOOK, undefined],
    ['is ignored where no profile matches', undefined, undefined, 'No profile matches i-0123456789abcdef0.'],
    [
      'is ignored for another hook than the profile’s',
      { ...HOOK, lifecycleHookName: 'other' },
      WITH_HOOK,
      'other is not the hook of the profile web, which matches i-0123456789abcdef0.',
    ],
    [
      'is ignored for a hook where the profile has none',
      HOOK,
      WITHOUT_HOOK,
      'muster-launch is not the hook of the profile batch, which matches i-0123456789abcdef0.',
    ],
    [
      'is ignored after the launch where the profile enrols in a hook',
      IN_GROUP,
      WITH_HOOK,
      'The profile web enrols i-0123456789abcdef0 in its hook muster-launch.',
    ],
  ])('%s', (_sentence, announced, profile, reason) => {
    expect(whyIgnored(announced, INSTANCE, profile)).toBe(reason);
  });
});

describe('an announced launch', () => {
  const [template] = readProfiles('profiles.yml') as [Profile];
  const { lifecycleHook: _, ...plain } = template;
  const hooked = { ...plain, match: { autoScalingGroup: 'web*' }, lifecycleHook: 'muster-launch' };
  const unhooked = { ...plain, match: { autoScalingGroup: 'batch*' } };

  it.each<[string, Profile[], AnnouncedLaunch, string | undefined]>([
    ['starts an enrolment in the hook of a profile', [hooked], HOOK, undefined],
    ['starts one for an instance of no group', [hooked], {}, undefined],
    [
      'starts one after the launch for a profile without a hook',
      [hooked, unhooked],
      { autoScalingGroupName: 'batch-1' },
      undefined,
    ],
    ['starts none in a Region of no profile', [], HOOK, 'i-0123456789abcdef0 is in eu-west-1, which no profile names.'],
    [
      'starts none in a hook of another team',
      [hooked],
      { ...HOOK, lifecycleHookName: 'other' },
      'i-0123456789abcdef0 launches under the hook other, which no profile names.',
    ],
    [
      'starts none for a group that no profile matches',
      [hooked],
      { autoScalingGroupName: 'db' },
      'i-0123456789abcdef0 was launched by the group db, which no profile matches.',
    ],
    [
      'starts none after the launch where the hook’s event does',
      [hooked],
      IN_GROUP,
      'i-0123456789abcdef0 was launched by the group web, whose profile enrols in a hook.',
    ],
  ])('%s', (_sentence, profiles, announced, reason) => {
    expect(whyNotStarted(profiles, { ...INSTANCE, region: 'eu-west-1' }, announced)).toBe(reason);
  });
});

describe('the hook of a launch', () => {
  const inState = (lifecycleState: string) => ({ autoScalingGroupName: 'web', lifecycleState });
  const waiting = inState('Pending:Wait');

  it.each<[string, Parameters<typeof launchHook>, Hook | null]>([
    ['is the profile’s where the instance waits', [undefined, waiting, WITH_HOOK], HOOK],
    ['is the profile’s in a warm pool too', [undefined, inState('Warmed:Pending:Wait'), WITH_HOOK], HOOK],
    ['is in the group that the service says', [{ ...HOOK, autoScalingGroupName: 'b' }, waiting, WITH_HOOK], HOOK],
    ['is the announced one although the service is late to say so', [HOOK, inState('Pending'), WITH_HOOK], HOOK],
    ['is none before the instance waits, without an event', [undefined, inState('Pending'), WITH_HOOK], null],
    ['is none when the launch is over', [HOOK, inState('InService'), WITH_HOOK], null],
    ['is none when every hook has let the instance go', [HOOK, inState('Pending:Proceed'), WITH_HOOK], null],
    ['is none for an instance of no group, whatever the event says', [HOOK, undefined, WITH_HOOK], null],
    ['is none where the profile names none', [HOOK, waiting, { lifecycleHook: undefined }], null],
  ])('%s', (_sentence, facts, hook) => {
    expect(launchHook(...facts)).toEqual(hook);
  });

  it.each<[string, boolean, string | undefined, boolean]>([
    ['over when it has waited for us and is in service', true, 'InService', true],
    ['over when all of its hooks have ended', true, 'Pending:Proceed', true],
    ['not over while the instance waits, perhaps in another team’s hook', true, 'Pending:Wait', false],
    ['not over for us before it has waited for us', false, 'InService', false],
    ['not over because the service does not show the instance', true, undefined, false],
  ])('is %s', (_sentence, hasWaited, state, over) => {
    expect(isLaunchOver(hasWaited, state === undefined ? undefined : inState(state))).toBe(over);
  });
});

describe('the deadline', () => {
  const facts: DeadlineFacts = {
    profile: { enrolWithinMinutes: 30 },
    hookTimes: { heartbeatTimeoutSeconds: 3600, globalTimeoutSeconds: 48 * 3600 },
    announcedAt: '2031-05-06T12:00:00.000Z',
    seenAt: null,
    launchTime: '2031-05-06T11:59:00.000Z',
    startTime: '2031-05-06T12:10:00.000Z',
  };

  it.each<[string, Partial<DeadlineFacts>, string]>([
    ['is an hour before the hook’s global timeout, counted from the event', {}, '2031-05-08T11:00:00.000Z'],
    ['is the profile’s where no hook waits', { hookTimes: undefined }, '2031-05-06T12:40:00.000Z'],
    [
      'is the hook’s, counted from the launch, where no event says more',
      { announcedAt: null },
      '2031-05-08T10:59:00.000Z',
    ],
    [
      'is the hook’s, counted from the round before the watch saw it, where it was launched long before, into a warm pool',
      { announcedAt: null, launchTime: '2031-04-01T00:00:00.000Z', seenAt: '2031-05-06T12:05:00.000Z' },
      '2031-05-08T11:03:00.000Z',
    ],
    [
      'is the hook’s, counted from the round before the start, where the watch has not seen it either',
      { announcedAt: null, launchTime: '2031-04-01T00:00:00.000Z' },
      '2031-05-08T11:08:00.000Z',
    ],
    [
      'leaves a quarter of an hour for the decision in a short hook',
      { hookTimes: { heartbeatTimeoutSeconds: 30, globalTimeoutSeconds: 3000 } },
      '2031-05-06T12:35:00.000Z',
    ],
    [
      'is the hook’s also where the profile would wait for longer',
      { profile: { enrolWithinMinutes: 1e6 } },
      '2031-05-08T11:00:00.000Z',
    ],
  ])('%s', (_sentence, given, deadline) => {
    expect(deadlineOf({ ...facts, ...given })).toBe(deadline);
  });
});
