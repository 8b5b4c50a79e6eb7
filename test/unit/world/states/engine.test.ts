import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WorldClock } from '../../../../world/kernel/clock.ts';
import { StateMachines, TaskFailure } from '../../../../world/states/engine.ts';
import { createWorld, eventTypes, FUNCTION, failure, history, only, play, START, task } from '../../../support/play.ts';

const seconds = (from: number, to: number | undefined) => ((to ?? Number.NaN) - from) / 1000;

describe('An execution', () => {
  it('leads its input through the states and tells it in the events of AWS', async () => {
    const definition = {
      StartAt: 'Prepare',
      States: {
        Prepare: { Type: 'Pass', Result: 7, ResultPath: '$.number', Next: 'Work' },
        Work: { Type: 'Task', Resource: FUNCTION, TimeoutSeconds: 30, ResultPath: '$.work', End: true },
      },
    };
    const execution = await play(definition, { id: 'i-1' }, () => ({ done: true }));
    const [started, entered, , , scheduled, begun, succeeded, , ended] = history(execution);
    expect(eventTypes(execution)).toEqual([
      'ExecutionStarted',
      'PassStateEntered',
      'PassStateExited',
      'TaskStateEntered',
      'LambdaFunctionScheduled',
      'LambdaFunctionStarted',
      'LambdaFunctionSucceeded',
      'TaskStateExited',
      'ExecutionSucceeded',
    ]);
    expect(started).toEqual({
      id: 1,
      previousEventId: 0,
      timestamp: START,
      type: 'ExecutionStarted',
      executionStartedEventDetails: {
        input: '{"id":"i-1"}',
        inputDetails: { truncated: false },
        roleArn: 'arn:aws:iam::123456789012:role/machine-1',
      },
    });
    expect(entered).toMatchObject({ id: 2, previousEventId: 0, stateEnteredEventDetails: { name: 'Prepare' } });
    expect(scheduled).toMatchObject({
      previousEventId: 4,
      lambdaFunctionScheduledEventDetails: {
        resource: FUNCTION,
        input: '{"id":"i-1","number":7}',
        timeoutInSeconds: 30,
      },
    });
    expect(begun).toEqual({ id: 6, previousEventId: 5, timestamp: START, type: 'LambdaFunctionStarted' });
    expect(succeeded).toMatchObject({ lambdaFunctionSucceededEventDetails: { output: '{"done":true}' } });
    expect(ended).toMatchObject({
      executionSucceededEventDetails: { output: '{"id":"i-1","number":7,"work":{"done":true}}' },
    });
    expect(execution).toMatchObject({
      status: 'SUCCEEDED',
      outcome: { output: { id: 'i-1', number: 7, work: { done: true } } },
    });
  });

  it('hands the task a copy, and takes a copy of its answer', async () => {
    const answer = { list: [1] };
    const definition = task({ ResultPath: '$.answer' });
    const execution = await play(definition, { mine: { x: 1 } }, ({ input }) => {
      (input as { mine: { x: number } }).mine.x = 2;
      setImmediate(() => answer.list.push(2));
      return answer;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(execution.outcome.output).toEqual({ mine: { x: 1 }, answer: { list: [1] } });
  });

  it('takes no answer for null, as Lambda does', async () => {
    expect((await play(task(), {}, () => undefined)).outcome.output).toBeNull();
  });

  it('knows its own names and times, and counts retries, in the context object', async () => {
    const { clock, start, invocations } = createWorld(({ input }) => {
      if ((input as { retries: number }).retries < 2) throw failure('NotYet');
    });
    const execution = start(
      task({
        Parameters: { 'retries.$': '$$.State.RetryCount', 'all.$': '$$' },
        Retry: [{ ErrorEquals: ['NotYet'] }],
      }),
      { id: 1 },
    );
    await clock.run();
    expect(invocations.map(({ input }) => (input as { retries: number }).retries)).toEqual([0, 1, 2]);
    expect(invocations[0]?.input).toMatchObject({
      all: {
        Execution: {
          Id: execution.arn,
          Name: execution.name,
          Input: { id: 1 },
          StartTime: START.toISOString(),
          RedriveCount: 0,
        },
        State: { Name: 'It', EnteredTime: START.toISOString() },
        StateMachine: { Id: execution.machine.arn, Name: 'machine-1' },
      },
    });
  });

  it('plays the same history again from the same seed', async () => {
    const once = async (seed: number) => {
      const world = createWorld((invocation) => {
        if (invocation.stateName === 'It' && world.invocations.length < 4) throw new TaskFailure('NotYet', 'wait');
      }, seed);
      const execution = world.start(
        task({ Retry: [{ ErrorEquals: ['NotYet'], MaxAttempts: 5, JitterStrategy: 'FULL' }] }),
      );
      await world.clock.run();
      return { name: execution.name, history: history(execution) };
    };
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        expect(await once(seed)).toEqual(await once(seed));
      }),
      { numRuns: 20 },
    );
    expect(await once(1)).not.toEqual(await once(2));
  });

  it('takes no time for what it does at once, however fast the clock', async () => {
    const clock = new WorldClock({ speed: 3_600_000, start: START });
    const machines = new StateMachines({ clock, random: () => 0, invokeTask: async () => null });
    const names = Array.from({ length: 50 }, (_, index) => `S${index}`);
    const passes = names.map((name, index) => [name, { Type: 'Pass', Next: names[index + 1] ?? 'End' }]);
    const definition = { StartAt: 'S0', States: { ...Object.fromEntries(passes), End: { Type: 'Succeed' } } };
    const execution = machines.start({ stateMachineArn: machines.create({ name: 'm', definition }) });
    await clock.run();
    expect(new Set(execution.events.slice(1).map(({ at }) => at)).size).toBe(1);
  });

  it('ends before it would have more events than AWS keeps', async () => {
    const circle = { StartAt: 'A', States: { A: { Type: 'Pass', Next: 'B' }, B: { Type: 'Pass', Next: 'A' } } };
    const execution = await play(circle);
    expect(execution.events).toHaveLength(25_000);
    expect(execution.outcome).toMatchObject({ error: 'States.Runtime', cause: expect.stringContaining('25000') });
  });

  it('tells of each event and each change of status, and may be stopped by whoever listens', async () => {
    const clock = new WorldClock({ speed: Number.POSITIVE_INFINITY, start: START });
    const told: string[] = [];
    const machines = new StateMachines({
      clock,
      random: () => 0,
      invokeTask: async () => null,
      onStatusChange: ({ status }) => told.push(status),
      onEvent: ({ arn }, { type }) => {
        told.push(type);
        if (type === 'TaskStateEntered') machines.stop(arn);
      },
    });
    machines.start({ stateMachineArn: machines.create({ name: 'm', definition: task() }) });
    await clock.run();
    expect(told.slice(0, 3)).toEqual(['ExecutionStarted', 'RUNNING', 'TaskStateEntered']);
    expect(told.slice(-2)).toEqual(['ExecutionAborted', 'ABORTED']);
  });
});

describe('A task that fails', () => {
  it('fails as a Lambda function: the name of its error, and what it said as JSON', async () => {
    const execution = await play(task(), {}, () => {
      throw failure('InstanceGone', 'i-1 is gone.');
    });
    expect(execution).toMatchObject({ status: 'FAILED', outcome: { error: 'InstanceGone' } });
    expect(JSON.parse(execution.outcome.cause ?? '')).toEqual({
      errorType: 'InstanceGone',
      errorMessage: 'i-1 is gone.',
      trace: expect.arrayContaining([expect.stringContaining('engine.test.ts')]),
    });
    expect(eventTypes(execution).slice(-2)).toEqual(['LambdaFunctionFailed', 'ExecutionFailed']);
  });

  it('is tried again after each delay, with the events of every attempt', async () => {
    const { clock, start, invocations } = createWorld(() => {
      if (invocations.length < 3) throw new TaskFailure('NotYet', 'not yet');
      return 'done';
    });
    const execution = start(task({ Retry: [{ ErrorEquals: ['NotYet'], IntervalSeconds: 10, BackoffRate: 3 }] }));
    await clock.run();
    const attempts = history(execution).filter(({ type }) => type === 'LambdaFunctionScheduled');
    expect(attempts.map(({ timestamp }) => (timestamp.getTime() - START.getTime()) / 1000)).toEqual([0, 10, 40]);
    expect(eventTypes(execution).filter((type) => type.startsWith('LambdaFunction'))).toHaveLength(9);
    expect(execution.outcome.output).toBe('done');
  });

  it('leads, once its retries are used up, to the first catcher that answers, past OutputPath', async () => {
    const definition = {
      StartAt: 'Work',
      States: {
        Work: {
          Type: 'Task',
          Resource: FUNCTION,
          OutputPath: '$.nowhere',
          Retry: [{ ErrorEquals: ['Bad'], MaxAttempts: 1 }],
          Catch: [
            { ErrorEquals: ['Worse'], Next: 'Failed' },
            { ErrorEquals: ['States.TaskFailed'], ResultPath: '$.error', Next: 'Done' },
            { ErrorEquals: ['States.ALL'], Next: 'Failed' },
          ],
          Next: 'Failed',
        },
        Done: { Type: 'Succeed' },
        Failed: { Type: 'Fail' },
      },
    };
    const execution = await play(definition, { id: 1 }, () => {
      throw new TaskFailure('Bad', 'because');
    });
    expect(execution.outcome.output).toEqual({ id: 1, error: { Error: 'Bad', Cause: 'because' } });
  });

  it('fails with States.Timeout when it takes too long, runs on, and is not heard any more', async () => {
    const finished: string[] = [];
    const definition = task({
      TimeoutSeconds: 5,
      Retry: [{ ErrorEquals: ['States.Timeout'], IntervalSeconds: 1, MaxAttempts: 1 }],
    });
    const execution = await play(definition, {}, async (_invocation, clock) => {
      await clock.sleep(60_000);
      finished.push('late');
    });
    expect(finished).toHaveLength(2);
    expect(execution).toMatchObject({ status: 'FAILED', outcome: { error: 'States.Timeout', cause: undefined } });
    expect(seconds(execution.startedAt, execution.stoppedAt)).toBe(11);
    expect(history(execution)[4]).toMatchObject({
      type: 'LambdaFunctionTimedOut',
      lambdaFunctionTimedOutEventDetails: { error: 'States.Timeout' },
    });
    expect(eventTypes(execution).at(-1)).toBe('ExecutionFailed');
  });

  it('is not tried again by States.TaskFailed when it timed out, and says nothing as the cause', async () => {
    const definition = {
      StartAt: 'Work',
      States: {
        Work: {
          Type: 'Task',
          Resource: FUNCTION,
          TimeoutSecondsPath: '$.limit',
          Retry: [{ ErrorEquals: ['States.TaskFailed'] }],
          Catch: [{ ErrorEquals: ['States.ALL'], Next: 'Done' }],
          End: true,
        },
        Done: { Type: 'Succeed' },
      },
    };
    const execution = await play(definition, { limit: 3 }, (_invocation, clock) => clock.sleep(60_000));
    expect(execution.outcome.output).toEqual({ Error: 'States.Timeout', Cause: '' });
    expect(seconds(execution.startedAt, execution.stoppedAt)).toBe(3);
  });

  it('fails with States.DataLimitExceeded when it answers more than 256 KiB, counted in UTF-8', async () => {
    const fits = await play(task(), {}, () => 'x'.repeat(262_142));
    const tooMuch = await play(task(), {}, () => 'é'.repeat(131_072));
    expect(fits.status).toBe('SUCCEEDED');
    expect(tooMuch.outcome).toEqual({
      error: 'States.DataLimitExceeded',
      cause: `The state/task '${FUNCTION}' returned a result with a size exceeding the maximum number of bytes service limit.`,
    });
  });

  it('tells of a Lambda integration in the events of a task', async () => {
    const definition = task({ Resource: 'arn:aws:states:::lambda:invoke', Parameters: { FunctionName: 'work' } });
    const execution = await play(definition, {}, () => {
      throw new TaskFailure('Bad', 'because');
    });
    expect(history(execution).slice(2, 5)).toMatchObject([
      {
        taskScheduledEventDetails: {
          resource: 'invoke',
          resourceType: 'lambda',
          region: 'eu-west-1',
          parameters: '{"FunctionName":"work"}',
        },
      },
      { taskStartedEventDetails: { resource: 'invoke', resourceType: 'lambda' } },
      { taskFailedEventDetails: { resource: 'invoke', error: 'Bad', cause: 'because' } },
    ]);
  });
});

describe('What no Catch can catch', () => {
  const caught = { Retry: [{ ErrorEquals: ['States.ALL'] }], Catch: [{ ErrorEquals: ['States.ALL'], Next: 'It' }] };

  it.each([
    [
      'a path of the input',
      task({ ...caught, InputPath: '$.gone' }),
      "Invalid path '$.gone' : No results for path: $['gone']",
    ],
    [
      'a path of the output',
      task({ ...caught, OutputPath: '$.no.way' }),
      "Invalid path '$.no.way' : Missing property in path $['no']",
    ],
    [
      'a field of Parameters',
      task({ ...caught, Parameters: { 'a.$': '$.gone' } }),
      "The JSONPath '$.gone' specified for the field 'a.$' could not be found in the input '{}'",
    ],
    [
      'a field of ResultSelector',
      task({ ...caught, ResultSelector: { 'a.$': '$.gone' } }),
      "The JSONPath '$.gone' specified for the field 'a.$' could not be found in the input '{\"ok\":true}'",
    ],
    [
      'a field of the context object',
      only({ Type: 'Pass', Parameters: { 'a.$': '$$.Task.Token' } }),
      "The JSONPath '$$.Task.Token'",
    ],
    [
      'the variable of a choice',
      only({ Type: 'Choice', Choices: [{ Variable: '$.gone', IsNull: true, Next: 'It' }] }),
      "Invalid path '$.gone': The choice state's condition path references an invalid value.",
    ],
    [
      'the seconds of a wait',
      only({ Type: 'Wait', SecondsPath: '$.gone' }),
      'The SecondsPath parameter does not reference an input value: $.gone',
    ],
    [
      'the error of a Fail state',
      { StartAt: 'It', States: { It: { Type: 'Fail', ErrorPath: '$.gone' } } },
      "The JSONPath '$.gone' specified for the field 'ErrorPath' could not be found in the input '{}'",
    ],
  ])('is %s that leads nowhere: States.Runtime, in the words of AWS', async (_what, definition, sentence) => {
    const execution = await play(definition, {}, () => ({ ok: true }));
    expect(execution).toMatchObject({ status: 'FAILED', outcome: { error: 'States.Runtime' } });
    expect(execution.outcome.cause).toContain(
      "An error occurred while executing the state 'It' (entered at the event id #2). ",
    );
    expect(execution.outcome.cause).toContain(sentence);
  });

  it('is a result that its ResultPath has no place for', async () => {
    const execution = await play(task({ ...caught, ResultPath: '$.a.b' }), { a: 'text' });
    expect(execution.outcome).toMatchObject({ error: 'States.ResultPathMatchFailure' });
  });

  it('is a choice of nothing', async () => {
    const execution = await play(only({ Type: 'Choice', Choices: [{ Variable: '$.a', IsNull: true, Next: 'It' }] }), {
      a: 1,
    });
    expect(execution.outcome).toMatchObject({ error: 'States.NoChoiceMatched' });
  });

  it('is a state that gives on too much', async () => {
    const execution = await play(only({ Type: 'Pass', Parameters: { 'a.$': '$', 'b.$': '$' } }), 'x'.repeat(200_000));
    expect(execution.outcome).toMatchObject({ error: 'States.DataLimitExceeded' });
  });
});

describe('Data', () => {
  it.each([
    ['InputPath null is an empty object', { InputPath: null }, {}],
    ['OutputPath null is an empty object', { OutputPath: null }, {}],
    ['ResultPath null keeps the input and drops the result', { Result: 1, ResultPath: null }, { a: { b: 1 } }],
    [
      'ResultPath puts the result into the input as it came, not as InputPath left it',
      { InputPath: '$.a', ResultPath: '$.r' },
      { a: { b: 1 }, r: { b: 1 } },
    ],
    ['a Result is taken as it stands, dollar signs included', { Result: { 'x.$': '$.a' } }, { 'x.$': '$.a' }],
    ['a Result may be null', { Result: null }, null],
    [
      'Parameters read what InputPath left',
      { InputPath: '$.a', Parameters: { 'c.$': '$.b', list: ['$.b'] } },
      { c: 1, list: ['$.b'] },
    ],
    ['OutputPath reads what ResultPath put together', { Result: 5, ResultPath: '$.r', OutputPath: '$.r' }, 5],
  ])('%s', async (_sentence, fields, output) => {
    expect((await play(only({ Type: 'Pass', ...fields }), { a: { b: 1 } })).outcome.output).toEqual(output);
  });
});

describe('A Wait state', () => {
  it.each([
    ['seconds', { Seconds: 90 }, 90],
    ['seconds from its input', { SecondsPath: '$.seconds' }, 20],
    ['an instant', { Timestamp: '2026-03-14T10:00:00.5+01:00' }, 0.5],
    ['an instant from its input', { TimestampPath: '$.instant' }, 3600],
    ['an instant between two milliseconds, and not less', { Timestamp: '2026-03-14T09:00:00.000000001Z' }, 0.001],
    ['an instant that is past', { Timestamp: '2020-01-01T00:00:00Z' }, 0],
  ])('waits for %s', async (_what, fields, expected) => {
    const execution = await play(only({ Type: 'Wait', ...fields }), { seconds: 20, instant: '2026-03-14T10:00:00Z' });
    expect(execution.status).toBe('SUCCEEDED');
    expect(seconds(execution.startedAt, execution.stoppedAt)).toBe(expected);
  });

  it.each([
    [{ SecondsPath: '$.it' }, -1, 'The SecondsPath parameter references a negative value: $.it == -1'],
    [{ SecondsPath: '$.it' }, 1.5, 'The SecondsPath parameter cannot be parsed as a long value: $.it == 1.5'],
    [
      { TimestampPath: '$.it' },
      '2026-03-14',
      'The TimestampPath parameter does not reference a valid ISO-8601 extended offset date-time format string: $.it == 2026-03-14',
    ],
  ])('%j refuses %j', async (fields, it, sentence) => {
    expect((await play(only({ Type: 'Wait', ...fields }), { it })).outcome.cause).toContain(sentence);
  });
});

describe('An execution that is stopped', () => {
  it('starts nothing more, while its task runs on unheard', async () => {
    const finished: string[] = [];
    const { clock, machines, start, invocations } = createWorld(async () => {
      await clock.sleep(10_000);
      finished.push('late');
      throw failure('NotYet');
    });
    const execution = start(task({ Retry: [{ ErrorEquals: ['NotYet'], MaxAttempts: 99 }] }));
    await clock.advance(5000);
    machines.stop(execution.arn, { error: 'Enough', cause: 'A person stopped it.' });
    await clock.run();
    expect(finished).toEqual(['late']);
    expect(invocations).toHaveLength(1);
    expect(history(execution).at(-1)).toMatchObject({
      id: 5,
      previousEventId: 0,
      type: 'ExecutionAborted',
      executionAbortedEventDetails: { error: 'Enough', cause: 'A person stopped it.' },
    });
    expect(execution.status).toBe('ABORTED');
  });

  it.each([
    ['a Wait state', only({ Type: 'Wait', Seconds: 3600 })],
    ['a back-off', task({ Retry: [{ ErrorEquals: ['NotYet'], IntervalSeconds: 3600 }] })],
  ])('leaves no timer behind in %s', async (_where, definition) => {
    const { clock, machines, start } = createWorld(() => {
      throw failure('NotYet');
    });
    const execution = start({ ...definition, TimeoutSeconds: 7200 });
    await clock.advance(1000);
    machines.stop(execution.arn);
    await clock.run();
    expect(clock.now()).toBe(START.getTime() + 1000);
  });

  it('stays as it was when it is stopped again', async () => {
    const { clock, machines, start } = createWorld();
    const execution = start(only({ Type: 'Pass' }));
    await clock.run();
    machines.stop(execution.arn, { error: 'TooLate' });
    expect(execution.status).toBe('SUCCEEDED');
  });
});

describe('An execution that takes too long', () => {
  it('is timed out as a whole, whatever it waits for, and no Catch hears of it', async () => {
    const definition = {
      ...task({ Catch: [{ ErrorEquals: ['States.ALL'], Next: 'It' }] }),
      TimeoutSeconds: 60,
    };
    const execution = await play(definition, {}, (_invocation, clock) => clock.sleep(3_600_000));
    expect(execution).toMatchObject({ status: 'TIMED_OUT', outcome: {} });
    expect(seconds(execution.startedAt, execution.stoppedAt)).toBe(60);
    expect(eventTypes(execution).at(-1)).toBe('ExecutionTimedOut');
  });
});

describe('An execution that is redriven', () => {
  it('goes on from the state that failed, with its input, fresh retries and a fresh time-out', async () => {
    let broken = true;
    const { clock, machines, start, invocations } = createWorld(() => {
      if (broken) throw new TaskFailure('Down');
      return 'up';
    });
    const definition = {
      StartAt: 'First',
      TimeoutSeconds: 3600,
      States: {
        First: { Type: 'Pass', Result: 1, ResultPath: '$.first', Next: 'Work' },
        Work: { Type: 'Task', Resource: FUNCTION, Retry: [{ ErrorEquals: ['Down'], MaxAttempts: 1 }], Next: 'Rest' },
        Rest: { Type: 'Wait', Seconds: 3000, End: true },
      },
    };
    const execution = start(definition, {});
    await clock.run();
    await clock.advance(3_000_000);
    broken = false;
    machines.redrive(execution.arn);
    await clock.run();
    expect(execution).toMatchObject({ status: 'SUCCEEDED', redriveCount: 1, outcome: { output: 'up' } });
    expect(invocations.map(({ input }) => input)).toEqual([{ first: 1 }, { first: 1 }, { first: 1 }]);
    const redriven = history(execution).findIndex(({ type }) => type === 'ExecutionRedriven');
    expect(history(execution)[redriven]).toMatchObject({ executionRedrivenEventDetails: { redriveCount: 1 } });
    expect(eventTypes(execution)[redriven + 1]).toBe('LambdaFunctionScheduled');
  });

  it('tries as often as before', async () => {
    const { clock, machines, start, invocations } = createWorld(() => {
      throw new TaskFailure('Down');
    });
    const execution = start(task({ Retry: [{ ErrorEquals: ['Down'], MaxAttempts: 2 }] }));
    await clock.run();
    machines.redrive(execution.arn);
    await clock.run();
    expect(invocations).toHaveLength(6);
  });

  it('fails again at once when it ended in a Fail state', async () => {
    const { clock, machines, start } = createWorld();
    const execution = start({ StartAt: 'It', States: { It: { Type: 'Fail', Error: 'Bad', Cause: 'for good' } } });
    await clock.run();
    machines.redrive(execution.arn);
    await clock.run();
    expect(eventTypes(execution)).toEqual([
      'ExecutionStarted',
      'FailStateEntered',
      'ExecutionFailed',
      'ExecutionRedriven',
      'FailStateEntered',
      'ExecutionFailed',
    ]);
    expect(execution.outcome).toEqual({ error: 'Bad', cause: 'for good' });
  });

  it('does not hear the task that was in flight when it was stopped', async () => {
    const answers = ['first', 'second'];
    const { clock, machines, start } = createWorld(async () => {
      const answer = answers.shift();
      await clock.sleep(answer === 'first' ? 10_000 : 60_000);
      return answer;
    });
    const execution = start(task());
    await clock.advance(1000);
    machines.stop(execution.arn);
    machines.redrive(execution.arn);
    await clock.run();
    expect(execution.outcome.output).toBe('second');
  });

  it('must have ended, and not well', async () => {
    const { clock, machines, start } = createWorld();
    const execution = start(only({ Type: 'Pass' }));
    expect(() => machines.redrive(execution.arn)).toThrow('Execution is RUNNING and cannot be redriven');
    await clock.run();
    expect(() => machines.redrive(execution.arn)).toThrow('Execution is SUCCEEDED and cannot be redriven');
  });
});

describe('State machines', () => {
  it('refuse a second machine or execution of a name, and what is unknown', async () => {
    const { machines } = createWorld();
    const stateMachineArn = machines.create({ name: 'm', definition: only({ Type: 'Pass' }) });
    expect(stateMachineArn).toBe('arn:aws:states:eu-west-1:123456789012:stateMachine:m');
    expect(() => machines.create({ name: 'm', definition: only({ Type: 'Pass' }) })).toThrow("'m' already");
    expect(machines.start({ stateMachineArn, name: 'e' }).arn).toBe(
      'arn:aws:states:eu-west-1:123456789012:execution:m:e',
    );
    expect(() => machines.start({ stateMachineArn, name: 'e' })).toThrow('already');
    expect(() => machines.start({ stateMachineArn: 'x' })).toThrow("no state machine 'x'");
    expect(() => machines.start({ stateMachineArn, input: '{' })).toThrow(SyntaxError);
    expect(() => machines.stop('x')).toThrow("no execution 'x'");
  });
});
