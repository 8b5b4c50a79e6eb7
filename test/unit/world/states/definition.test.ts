import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDefinition, UnsupportedDefinition } from '../../../../world/states/definition.ts';
import { FUNCTION, only, task } from '../../../support/play.ts';

const whole = {
  Comment: 'Everything that the language has here.',
  Version: '1.0',
  QueryLanguage: 'JSONPath',
  StartAt: 'Prepare',
  TimeoutSeconds: 3600,
  States: {
    Prepare: { Type: 'Pass', Result: { tries: 0 }, ResultPath: '$.prepared', Next: 'Work' },
    Work: {
      Type: 'Task',
      Resource: FUNCTION,
      Parameters: { 'id.$': '$.id', nested: { 'name.$': '$$.Execution.Name', fixed: [1, 2] } },
      ResultSelector: { 'answer.$': '$.answer' },
      ResultPath: '$.work',
      TimeoutSeconds: 30,
      Retry: [
        {
          ErrorEquals: ['NotYet', 'States.Timeout'],
          IntervalSeconds: 2,
          MaxAttempts: 5,
          BackoffRate: 1.5,
          MaxDelaySeconds: 60,
          JitterStrategy: 'FULL',
        },
      ],
      Catch: [{ ErrorEquals: ['States.ALL'], ResultPath: '$.error', Next: 'Failed' }],
      Next: 'IsDone',
    },
    IsDone: {
      Type: 'Choice',
      Choices: [
        {
          And: [{ Variable: '$.work.answer', IsPresent: true }, { Not: { Variable: '$.id', IsNull: true } }],
          Next: 'Rest',
        },
      ],
      Default: 'Failed',
    },
    Rest: { Type: 'Wait', SecondsPath: '$.rest', Next: 'Done' },
    Done: { Type: 'Succeed', OutputPath: '$.work' },
    Failed: { Type: 'Fail', Error: 'WorkFailed', CausePath: '$.error.Cause' },
  },
};

function refusal(definition: unknown): string {
  try {
    parseDefinition(definition);
  } catch (error) {
    if (error instanceof UnsupportedDefinition) return error.message;
    throw error;
  }
  return 'accepted';
}

describe('A definition', () => {
  it('is read with the defaults that AWS fills in', () => {
    const parsed = parseDefinition(task({ Retry: [{ ErrorEquals: ['X'] }] }));
    expect(parsed.States.It).toMatchObject({
      Retry: [{ IntervalSeconds: 1, MaxAttempts: 3, BackoffRate: 2, JitterStrategy: 'NONE' }],
      Catch: [],
    });
  });

  it('may use the whole language that is spoken here, and is left as it was', () => {
    const before = structuredClone(whole);
    expect(refusal(whole)).toBe('accepted');
    expect(whole).toEqual(before);
  });

  it.each([
    ['a Map state', only({ Type: 'Map' }), "State 'It', field Type"],
    ['a Parallel state', only({ Type: 'Parallel' }), "State 'It', field Type"],
    ['JSONata', { ...only({ Type: 'Pass' }), QueryLanguage: 'JSONata' }, 'field QueryLanguage'],
    ['JSONata in a state', only({ Type: 'Pass', QueryLanguage: 'JSONata' }), "State 'It', field QueryLanguage"],
    [
      'an intrinsic function',
      only({ Type: 'Pass', Parameters: { 'id.$': 'States.UUID()' } }),
      "States.UUID()' is not a path",
    ],
    [
      'an intrinsic function in a Fail state',
      { StartAt: 'It', States: { It: { Type: 'Fail', CausePath: "States.Format('{}', $.a)" } } },
      'field CausePath',
    ],
    ['a variable', only({ Type: 'Pass', InputPath: '$name' }), "'$name' is not a path"],
    [
      'a service integration',
      task({ Resource: 'arn:aws:states:::sqs:sendMessage' }),
      'neither the ARN of a Lambda function',
    ],
    ['an activity', task({ Resource: 'arn:aws:states:eu-west-1:123456789012:activity:a' }), 'neither the ARN'],
    ['a heartbeat', task({ HeartbeatSeconds: 5 }), 'HeartbeatSeconds'],
    [
      'a state that leads nowhere',
      { StartAt: 'It', States: { It: { Type: 'Pass' } } },
      'must have either Next or "End": true',
    ],
    [
      'a transition to no state',
      { StartAt: 'It', States: { It: { Type: 'Pass', Next: 'Gone' } } },
      "State 'It' leads to 'Gone', which is no state.",
    ],
    [
      'a start at no state',
      { StartAt: 'Gone', States: { It: { Type: 'Pass', End: true } } },
      "StartAt leads to 'Gone'",
    ],
    [
      'a state that is never reached',
      { StartAt: 'It', States: { It: { Type: 'Pass', End: true }, Lost: { Type: 'Pass', End: true } } },
      "No transition leads to 'Lost'.",
    ],
    [
      'States.ALL beside another name',
      task({ Retry: [{ ErrorEquals: ['States.ALL', 'X'] }] }),
      'States.ALL must stand alone',
    ],
    [
      'States.ALL before another retrier',
      task({ Retry: [{ ErrorEquals: ['States.ALL'] }, { ErrorEquals: ['X'] }] }),
      'must be the last',
    ],
    [
      'a misspelt reserved error',
      task({ Retry: [{ ErrorEquals: ['States.TimeOut'] }] }),
      "'States.TimeOut' is no error",
    ],
    ['a misspelt field of a retrier', task({ Retry: [{ ErrorEquals: ['X'], MaxAttempt: 1 }] }), 'MaxAttempt'],
    ['a back-off that shrinks', task({ Retry: [{ ErrorEquals: ['X'], BackoffRate: 0.5 }] }), 'BackoffRate'],
    ['two time-outs', task({ TimeoutSeconds: 1, TimeoutSecondsPath: '$.t' }), 'must not have both time-outs'],
    ['a ResultPath that names many places', only({ Type: 'Pass', ResultPath: '$.a[*]' }), 'is not a reference path'],
    ['a ResultPath into the context object', only({ Type: 'Pass', ResultPath: '$$.a' }), 'is not a reference path'],
    ['two ways to wait', only({ Type: 'Wait', Seconds: 1, SecondsPath: '$.s' }), 'must have exactly one of'],
    ['a day that does not exist', only({ Type: 'Wait', Timestamp: '2026-02-30T00:00:00Z' }), 'ISO 8601'],
    [
      'a field of a template that is named twice',
      only({ Type: 'Pass', Parameters: { 'a.$': '$.a', a: 1 } }),
      'name the same field',
    ],
    [
      'a rule without operator',
      only({ Type: 'Choice', Choices: [{ Variable: '$.a', Next: 'It' }] }),
      'exactly one operator; this one has none',
    ],
    [
      'a rule with two operators',
      only({ Type: 'Choice', Choices: [{ Variable: '$.a', IsNull: true, IsString: true, Next: 'It' }] }),
      'IsNull and IsString',
    ],
    [
      'a misspelt operator',
      only({ Type: 'Choice', Choices: [{ Variable: '$.a', StringEqual: 'x', Next: 'It' }] }),
      "'StringEqual' is no operator",
    ],
    [
      'an order of booleans',
      only({ Type: 'Choice', Choices: [{ Variable: '$.a', BooleanLessThan: true, Next: 'It' }] }),
      "'BooleanLessThan' is no operator",
    ],
    [
      'a number to compare a string with',
      only({ Type: 'Choice', Choices: [{ Variable: '$.a', StringEquals: 1, Next: 'It' }] }),
      'cannot be compared with 1',
    ],
    [
      'an inner rule with a Next',
      only({ Type: 'Choice', Choices: [{ Not: { Variable: '$.a', IsNull: true, Next: 'It' }, Next: 'It' }] }),
      'IsNull and Next',
    ],
    ['no definition at all', 'hello', 'The state machine'],
  ])('is refused for %s', (_what, definition, sentence) => {
    expect(refusal(definition)).toContain(sentence);
  });

  it('is refused for any unknown field, wherever it stands', () => {
    const places = [
      [],
      ['States', 'Prepare'],
      ['States', 'Work'],
      ['States', 'Work', 'Retry', '0'],
      ['States', 'Work', 'Catch', '0'],
      ['States', 'IsDone'],
      ['States', 'IsDone', 'Choices', '0'],
      ['States', 'IsDone', 'Choices', '0', 'And', '0'],
      ['States', 'Rest'],
      ['States', 'Done'],
      ['States', 'Failed'],
    ];
    const known = new Set(
      JSON.stringify(whole)
        .match(/"\w+":/g)
        ?.map((key) => key.slice(1, -2)),
    );
    const language = [
      'InputPath',
      'OutputPath',
      'Default',
      'Seconds',
      'Timestamp',
      'TimestampPath',
      'Cause',
      'ErrorPath',
      'End',
      'TimeoutSecondsPath',
    ];
    fc.assert(
      fc.property(
        fc.constantFrom(...places),
        fc.stringMatching(/^[A-Za-z]\w{0,15}$/),
        fc.jsonValue(),
        (place, field, value) => {
          fc.pre(
            !known.has(field) && !language.includes(field) && !['toString', 'valueOf', 'constructor'].includes(field),
          );
          const definition = structuredClone(whole);
          const target = place.reduce<Record<string, unknown>>(
            (node, key) => node[key] as Record<string, unknown>,
            definition,
          );
          target[field] = value;
          expect(refusal(definition)).toContain(field);
        },
      ),
    );
  });
});
