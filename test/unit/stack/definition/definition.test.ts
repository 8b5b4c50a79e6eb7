// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the placeholders of a definition
import { describe, expect, it } from 'vitest';
import { NOT_YET } from '../../../../lib/errors.ts';
import { faultsOfDefinition } from '../../../../stack/definition/definition.ts';

const retrier = {
  ErrorEquals: ['Throttled'],
  IntervalSeconds: 3,
  MaxAttempts: 6,
  BackoffRate: 2,
  MaxDelaySeconds: 60,
  JitterStrategy: 'FULL',
};

const associate = {
  Type: 'Task',
  Comment: 'Has the server take the node',
  Resource: '${AssociateNodeFunctionArn}',
  TimeoutSeconds: 30,
  Retry: [retrier],
  Catch: [{ ErrorEquals: ['States.ALL'], ResultPath: '$.failure', Next: 'IsNotYet' }],
  Next: 'Enrolled',
};

/** What a Choice compares the caught error with. */
const compared = (names: readonly string[], families: readonly string[]) => [
  ...names.map((name) => ({ Variable: '$.failure.Error', StringEquals: name })),
  ...families.map((family) => ({ Variable: '$.failure.Error', StringMatches: family })),
];
const WAITED_FOR = [...NOT_YET, 'States.Timeout'];
const FAMILIES = ['Lambda.*', 'Sandbox.*', 'Runtime.*'];

const isNotYet = (names: readonly string[] = WAITED_FOR, families: readonly string[] = FAMILIES) => ({
  Type: 'Choice',
  Comment: 'What passes by itself is waited for',
  Choices: [{ Or: compared(names, families), Next: 'KeepWaiting' }],
  Default: 'Failed',
});

/** A faultless state machine around one task, but for `change` in the task. Every state is reached without it. */
function definition(change: object = {}) {
  const Choices = ['KeepWaiting', 'IsNotYet', 'Enrolled', 'Failed'].map((Next) => ({
    Variable: '$.to',
    StringEquals: Next,
    Next,
  }));
  return {
    StartAt: 'IsAssociationWanted',
    States: {
      IsAssociationWanted: { Type: 'Choice', Comment: 'Only if asked for', Choices, Default: 'AssociateNode' },
      AssociateNode: { ...associate, ...change },
      IsNotYet: isNotYet(),
      KeepWaiting: { Type: 'Pass', Comment: 'Keeps the launch alive', Next: 'AssociateNode' },
      Enrolled: { Type: 'Succeed', Comment: 'Done' },
      Failed: { Type: 'Fail', Comment: 'Red' },
    },
  };
}

const faults = (change: object) => faultsOfDefinition(definition(change), ['associate-node']);

describe('a definition', () => {
  it('without faults has none, and is left as it was', () => {
    const own = definition();
    expect(faultsOfDefinition(own, ['associate-node'])).toEqual([]);
    expect(own).toEqual(definition());
  });

  it('must be Amazon States Language', () => {
    const sentence = expect.stringContaining('It is not Amazon States Language');
    expect(faults({ ResultPath: 'instance' })).toContainEqual(sentence);
    expect(faultsOfDefinition({ ...definition(), States: [] }, [])).toContainEqual(sentence);
    expect(faults({ Next: undefined, Choices: [{}] })).toContainEqual(sentence);
  });

  it.each([
    ['IntervalSeconds', [0, 1.5, -1, '3', 100_000_000], 'a whole number from 1 to 99999999'],
    ['MaxAttempts', [-1, 2.5, '6', 100_000_000], 'a whole number from 0 to 99999999'],
    ['BackoffRate', [0.9, 0, '2'], 'a number that is 1.0 or more'],
    ['MaxDelaySeconds', [0, 60.5, '60', 31_622_400], 'a whole number from 1 to 31622399'],
  ])('retries with a %s that Step Functions takes, not with %j', (field, values, name) => {
    expect(values.flatMap((value) => faults({ Retry: [{ ...retrier, [field]: value }] }))).toEqual(
      values.map((value) => {
        return `State AssociateNode retries Throttled with ${field} ${JSON.stringify(value)}: give it ${name}.`;
      }),
    );
  });

  it('is held to that where it says that nothing is tried again, and in a Map state', () => {
    const Retry = [{ ErrorEquals: ['Throttled'], MaxAttempts: 0, BackoffRate: 0.5 }];
    const fault = 'retries Throttled with BackoffRate 0.5: give it a number that is 1.0 or more.';
    expect(faults({ Retry })).toEqual([`State AssociateNode ${fault}`]);
    const Each = { Type: 'Map', Comment: 'One by one', ItemProcessor: definition(), Retry, End: true };
    expect(faultsOfDefinition({ StartAt: 'Each', States: { Each } }, ['associate-node'])).toEqual([
      `State Each ${fault}`,
    ]);
  });

  it.each([
    ['Retry', [retrier, { ...retrier, ErrorEquals: [] }]],
    ['Catch', [{ ErrorEquals: [], Next: 'Failed' }, ...associate.Catch]],
  ])('names an error in every part of its %s', (field, rules) => {
    const fault = `State AssociateNode has an empty ErrorEquals in its ${field}: name the errors that it is for.`;
    expect(faults({ [field]: rules })).toEqual([fault]);
  });

  it.each([0, 1.5, '15', 100_000_000])('gives no task a time-out of %j', (TimeoutSeconds) => {
    expect(faults({ TimeoutSeconds })).toEqual([
      `State AssociateNode has a TimeoutSeconds of ${JSON.stringify(TimeoutSeconds)}: give it a whole number from 1 to 99999999.`,
    ]);
  });

  it.each([
    ['Next', { Next: 'Nowhere' }],
    ['a catcher', { Catch: [{ ErrorEquals: ['States.ALL'], Next: 'Nowhere' }] }],
  ])('leads to states that there are: %s', (_how, change) => {
    expect(faults(change)).toEqual([
      'State AssociateNode leads to Nowhere, which is no state: correct the name, or add the state.',
    ]);
  });

  it('starts at a state that there is', () => {
    expect(faultsOfDefinition({ ...definition(), StartAt: 'Nowhere' }, ['associate-node'])).toEqual([
      'It starts at Nowhere, which is no state: correct the name.',
    ]);
  });

  it('is looked at within its Map states too', () => {
    const States = {
      EachInstance: {
        Type: 'Map',
        Comment: 'One after the other',
        ItemProcessor: { ...definition({ TimeoutSeconds: undefined }) },
        End: true,
      },
    };
    expect(faultsOfDefinition({ StartAt: 'EachInstance', States }, ['associate-node'])).toEqual([
      'State AssociateNode has no TimeoutSeconds: a lost answer would hold it for ever.',
    ]);
  });

  it.each([
    ['first', [{ ...retrier, ErrorEquals: ['States.ALL'] }, retrier]],
    ['beside another', [{ ...retrier, ErrorEquals: ['Throttled', 'States.ALL'] }]],
  ])('retries States.ALL in the last place and alone, not %s', (_where, Retry) => {
    expect(faults({ Retry })).toEqual([expect.stringMatching(/States\.ALL/)]);
  });

  it.each([
    ['a comment', { Comment: undefined }, 'has no Comment'],
    ['a time-out', { TimeoutSeconds: undefined }, 'has no TimeoutSeconds'],
    ['its own function', { Resource: '${FinishLaunchFunctionArn}' }, 'runs ${FinishLaunchFunctionArn}'],
    ['a Catch', { Catch: [] }, 'has no Catch'],
    ['attempts', { Retry: [{ ...retrier, MaxAttempts: undefined }] }, 'retries Throttled without MaxAttempts'],
    ['a ceiling', { Retry: [{ ...retrier, MaxDelaySeconds: undefined }] }, 'without MaxDelaySeconds'],
    [
      'room to back off',
      { Retry: [{ ...retrier, MaxDelaySeconds: 3 }] },
      'with a MaxDelaySeconds of 3, which is no more',
    ],
    ['jitter', { Retry: [{ ...retrier, JitterStrategy: 'NONE' }] }, 'without JitterStrategy FULL'],
    ['a reason to hope', { Retry: [{ ...retrier, ErrorEquals: ['InstanceGone'] }] }, 'retries InstanceGone, which'],
    ['errors that there are', { Retry: [{ ...retrier, ErrorEquals: ['Throtled'] }] }, 'names Throtled, which is no'],
  ])('needs %s in every task', (_what, change, fault) => {
    expect(faults(change)).toEqual([expect.stringMatching(/^State AssociateNode .*\.$/)]);
    expect(faults(change).join()).toContain(fault);
  });

  it('says which function is missing', () => {
    expect(faultsOfDefinition(definition(), [])).toEqual([
      'State AssociateNode has no function: functions/associate-node.ts is missing.',
    ]);
  });

  it.each([
    ['InstanceNotReady', WAITED_FOR.slice(1), FAMILIES],
    ['States.Timeout', WAITED_FOR.slice(0, -1), FAMILIES],
    ['Lambda.*', WAITED_FOR, FAMILIES.slice(1)],
    ['Runtime.*', WAITED_FOR, FAMILIES.slice(0, -1)],
  ])('must wait for everything that is "not yet": %s', (forgotten, names, families) => {
    const States = { ...definition().States, IsNotYet: isNotYet(names, families) };
    expect(faultsOfDefinition({ ...definition(), States }, ['associate-node'])).toContain(
      `State IsNotYet does not wait for ${forgotten}.`,
    );
  });

  it('must catch all that is left', () => {
    const Catch = [{ ErrorEquals: NOT_YET, Next: 'KeepWaiting' }];
    expect(faults({ Catch })).toEqual(['State AssociateNode does not end its Catch with States.ALL.']);
  });

  it('must not take what Lambda raises about itself for an answer', () => {
    const Catch = [{ ErrorEquals: ['States.ALL'], Next: 'Failed' }];
    expect(faults({ Catch })).toEqual([
      "State AssociateNode leads Lambda's own failures to Failed, and to no Choice that waits for them.",
    ]);
  });

  it('lets a task that has only a red end before it fail by itself', () => {
    expect(faults({ Catch: undefined, Next: 'Failed' })).toEqual([]);
  });

  it('may say that an error is not tried again', () => {
    const Retry = [{ ErrorEquals: ['ServerNotReady'], MaxAttempts: 0 }, retrier];
    expect(faults({ Retry })).toEqual([]);
  });

  it('may ask only for errors that there are', () => {
    const States = {
      ...definition().States,
      KeepWaiting: {
        Type: 'Choice',
        Comment: 'Which?',
        Choices: [{ Or: [{ Variable: '$.failure.Error', StringEquals: 'ServerNotRedy' }], Next: 'AssociateNode' }],
        Default: 'Enrolled',
      },
    };
    expect(faultsOfDefinition({ ...definition(), States }, ['associate-node'])).toEqual([
      'State KeepWaiting names ServerNotRedy, which is no known error: write ServerNotReady.',
    ]);
  });
});
