import { describe, expect, it } from 'vitest';
import { type Decision, decide } from '../../../functions/decide-failure.ts';
import { NEVER } from '../../../lib/errors.ts';
import type { Enrolment, Hook } from '../../../lib/state.ts';

const HOOK: Hook = {
  autoScalingGroupName: 'web',
  lifecycleHookName: 'muster-launch',
  lifecycleActionToken: '87654321-4321-4321-4321-210987654321',
};

const ENROLMENT: Enrolment = {
  status: 'enrolling',
  reason: null,
  enrolledBefore: false,
  ledgerKey: 'i-1234567890abcdef0',
  generation: 1,
  profile: 'web',
  profileVersion: '3f1d0c9a7b42',
  exempt: [],
  exemptions: { imdsv2: null, association: null },
  onFailure: 'hold',
  abandonLimit: 3,
  hook: HOOK,
  deadline: '2031-05-08T06:08:09.000Z',
  register: null,
  associate: null,
  metadata: null,
  wants: {
    check: false,
    hardening: true,
    identity: 'node',
    registration: true,
    association: true,
    installation: true,
    assignment: true,
  },
};

interface Case {
  error?: string;
  onFailure?: Enrolment['onFailure'];
  hook?: Hook | null;
  /** How far it came: not to its profile, to a claim, or to the end, but for its launch. */
  came?: 'nowhere' | 'claimed' | 'enrolled';
  status?: Enrolment['status'];
  isGuardReached?: boolean;
}

async function decided(given: Case): Promise<Decision> {
  const { error = 'ServerNotFound', onFailure = 'hold', hook = HOOK, came = 'claimed', status = 'enrolling' } = given;
  const enrolment = { ...ENROLMENT, onFailure, hook, status };
  return decide(
    { hook, failure: { Error: error, Cause: '' }, ...(came !== 'nowhere' && { enrolment }) },
    came === 'enrolled',
    async (limit) => {
      expect(limit).toBe(3);
      return !given.isGuardReached;
    },
  );
}

const HOLD = { action: 'hold', undo: false, instead: null };
const NONE = { action: 'none', undo: false, instead: null };
const ABANDON = { action: 'abandon', undo: true, instead: null };
const CONTINUE = { action: 'continue', undo: false, instead: null };
const held = (because: string) => ({ action: 'hold', undo: false, instead: expect.stringContaining(because) });

const WITHOUT_VERDICT = ['Error', 'TypeError', 'States.TaskFailed', 'States.Runtime', 'Lambda.Unknown', 'Throttled'];

describe('the failure policy', () => {
  it.each<[string, Case, unknown]>([
    ['holds when the profile says hold', { onFailure: 'hold' }, HOLD],
    ['abandons, and undoes, when the profile says abandon', { onFailure: 'abandon' }, ABANDON],
    ['continues, and undoes nothing, when the profile says continue', { onFailure: 'continue' }, CONTINUE],
    [
      'holds when too many of the group were abandoned',
      { onFailure: 'abandon', isGuardReached: true },
      held('3 launches of its group'),
    ],
    ['asks the guard for nothing but abandon', { onFailure: 'continue', isGuardReached: true }, CONTINUE],
    ['does nothing to a launch that does not wait', { onFailure: 'abandon', hook: null }, NONE],
    ['does nothing to a launch that waits no more', { onFailure: 'abandon', error: 'LaunchDecided' }, NONE],
    ['never abandons a node that is enrolled', { onFailure: 'abandon', came: 'enrolled' }, HOLD],
    ['never lets an enrolled node through unheard', { onFailure: 'continue', came: 'enrolled' }, HOLD],
    ['holds when the profile is not known yet', { came: 'nowhere', error: 'InvalidRequest' }, HOLD],
    ['does nothing when neither profile nor launch is known', { came: 'nowhere', hook: null }, NONE],
    ['undoes what was begun for an instance that is gone', { error: 'InstanceGone' }, { ...NONE, undo: true }],
    [
      'undoes nothing for an instance that is gone and was enrolled before',
      { error: 'InstanceGone', status: 'enrolled' },
      NONE,
    ],
    [
      'undoes nothing for an instance that went before it was claimed',
      { error: 'InstanceGone', came: 'nowhere' },
      NONE,
    ],
  ])('%s', async (_sentence, given, decision) => {
    expect(await decided(given)).toEqual(decision);
  });

  it.each(NEVER.filter((name) => name !== 'InstanceGone' && name !== 'LaunchDecided'))(
    'abandons for %s, which is a verdict',
    async (error) => expect(await decided({ onFailure: 'abandon', error })).toEqual(ABANDON),
  );

  it.each(WITHOUT_VERDICT)('holds instead of abandoning for %s, which is none', async (error) => {
    expect(await decided({ onFailure: 'abandon', error })).toEqual(held('no verdict'));
    expect(await decided({ onFailure: 'continue', error })).toEqual(CONTINUE);
    expect(await decided({ onFailure: 'hold', error })).toEqual(HOLD);
  });
});
