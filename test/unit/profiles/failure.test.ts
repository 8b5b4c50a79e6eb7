import { describe, expect, it } from 'vitest';
import { OURS, VERDICTS } from '../../../lib/errors.ts';
import type { Enrolment, FailureDecision, Hook } from '../../../lib/state.ts';
import { abandonOf, decideAbandon, decideFailure, isRecorded } from '../../../profiles/failure.ts';

const HOOK: Hook = {
  autoScalingGroupName: 'web',
  lifecycleHookName: 'muster-launch',
};

interface Case {
  error?: string;
  onFailure?: Enrolment['onFailure'];
  hook?: Hook | null;
  /** How far the enrolment got: nowhere (no profile yet), claimed, or enrolled with only its launch left. */
  progress?: 'nowhere' | 'claimed' | 'enrolled';
  status?: Enrolment['status'];
  isUnproved?: boolean;
}

function decided(given: Case): FailureDecision {
  const { error = 'AssociationFailed', onFailure = 'hold', hook = HOOK } = given;
  const { progress = 'claimed', status = 'enrolling', isUnproved = false } = given;
  const enrolment = progress === 'nowhere' ? undefined : { onFailure, status };
  return decideFailure({ error, isUnproved, hook, enrolment, isEnrolled: progress === 'enrolled' });
}

const HOLD = { action: 'hold', undo: false, instead: null };
const NONE = { action: 'none', undo: false, instead: null };
const ABANDON = { action: 'abandon', undo: true, instead: null };
const CONTINUE = { action: 'continue', undo: false, instead: null };
const held = (because: string) => ({ action: 'hold', undo: false, instead: expect.stringContaining(because) });

const WITHOUT_VERDICT = [
  ...OURS,
  'IdentityUnproved',
  'Error',
  'TypeError',
  'States.TaskFailed',
  'States.Runtime',
  'Lambda.Unknown',
  'Throttled',
];

describe('the failure policy', () => {
  it.each<[string, Case, unknown]>([
    ['holds when the profile says hold', { onFailure: 'hold' }, HOLD],
    ['abandons, and undoes, when the profile says abandon', { onFailure: 'abandon' }, ABANDON],
    ['continues, and undoes nothing, when the profile says continue', { onFailure: 'continue' }, CONTINUE],
    ['does nothing to a launch that does not wait', { onFailure: 'abandon', hook: null }, NONE],
    ['does nothing to a launch that waits no more', { onFailure: 'abandon', error: 'LaunchDecided' }, NONE],
    ['never abandons a node that is enrolled', { onFailure: 'abandon', progress: 'enrolled' }, HOLD],
    [
      'holds an enrolled node although the profile says continue',
      { onFailure: 'continue', progress: 'enrolled' },
      HOLD,
    ],
    ['holds when the profile is not known yet', { progress: 'nowhere', error: 'InvalidRequest' }, HOLD],
    ['does nothing when neither profile nor launch is known', { progress: 'nowhere', hook: null }, NONE],
    ['undoes what was begun for an instance that is gone', { error: 'InstanceGone' }, { ...NONE, undo: true }],
    [
      'undoes nothing for an instance that is gone and was enrolled before',
      { error: 'InstanceGone', status: 'enrolled' },
      NONE,
    ],
    [
      'undoes nothing for an instance that went before it was claimed',
      { error: 'InstanceGone', progress: 'nowhere' },
      NONE,
    ],
  ])('%s', (_sentence, given, decision) => {
    expect(decided(given)).toEqual(decision);
  });

  it('abandons within the limit of the group, and holds above it', () => {
    expect(decideAbandon(3, true)).toEqual(ABANDON);
    expect(decideAbandon(3, false)).toEqual(held('3 launches of its group were abandoned within an hour'));
  });

  it('never abandons for a deadline that passed while the identity document was older than the launch', () => {
    const waited = { onFailure: 'abandon', isUnproved: true } as const;
    expect(decided({ ...waited, error: 'DeadlinePassed' })).toEqual(held('this is no verdict on the instance'));
    expect(decided({ ...waited, error: 'IdentityRejected' })).toEqual(ABANDON);
  });

  it.each(VERDICTS)('abandons for %s, which is a verdict on the instance', (error) =>
    expect(decided({ onFailure: 'abandon', error })).toEqual(ABANDON),
  );

  it.each(WITHOUT_VERDICT)('holds instead of abandoning for %s, which is none', (error) => {
    expect(decided({ onFailure: 'abandon', error })).toEqual(held('no verdict'));
    expect(decided({ onFailure: 'continue', error })).toEqual(CONTINUE);
    expect(decided({ onFailure: 'hold', error })).toEqual(HOLD);
  });
});

describe('an abandon', () => {
  const enrolment = { abandonLimit: 3, ledgerKey: 'i-1', hook: HOOK };

  it('counts once for its instance, in its group of its Region', () => {
    expect(abandonOf({ region: 'us-east-1' }, enrolment)).toEqual({
      group: 'us-east-1/web',
      instance: 'i-1',
      limit: 3,
    });
  });

  it.each([
    ['no launch waits', { region: 'us-east-1' }, { ...enrolment, hook: null }],
    ['the instance is not known', undefined, enrolment],
  ])('counts for no group where %s', (_sentence, instance, given) => {
    expect(abandonOf(instance, given)).toBeNull();
  });
});

describe('a failure', () => {
  it.each<[string, Pick<Enrolment, 'status' | 'enrolledBefore'> | undefined, boolean]>([
    ['is recorded for an instance that is being enrolled', { status: 'enrolling', enrolledBefore: false }, true],
    ['is recorded for one that this execution enrolled', { status: 'enrolled', enrolledBefore: false }, true],
    ['is not recorded for one that was enrolled before', { status: 'enrolled', enrolledBefore: true }, false],
    ['is not recorded for one that is ignored', { status: 'ignored', enrolledBefore: false }, false],
    ['is not recorded before the profile is known', undefined, false],
  ])('%s', (_sentence, enrolment, expected) => {
    expect(isRecorded(enrolment)).toBe(expected);
  });
});
