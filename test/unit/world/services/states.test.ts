import type {
  DescribeExecutionOutput,
  DescribeStateMachineOutput,
  GetExecutionHistoryOutput,
  ListExecutionsOutput,
  ListStateMachinesOutput,
  RedriveExecutionOutput,
  StartExecutionOutput,
} from '@aws-sdk/client-sfn';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { numberedPage } from '../../../../world/services/paging/numbered-page.ts';
import { StepFunctions } from '../../../../world/services/states.ts';
import { TaskFailure } from '../../../../world/states/engine.ts';
import { call } from '../../../support/call.ts';
import { createWorld, only, START, task } from '../../../support/play.ts';

const DAY = 86_400_000;
const wait = only({ Type: 'Wait', Seconds: 60 });

function api(definition: object = wait, work?: Parameters<typeof createWorld>[0]) {
  const world = createWorld(work);
  const { service } = new StepFunctions(world);
  const stateMachineArn = world.machines.create({ name: 'enrol', definition });
  const run = <Answer>(operation: string, input: object) => call<Answer>(service, operation, input);
  const start = (input: object = {}) => run<StartExecutionOutput>('StartExecution', { stateMachineArn, ...input });
  const describeExecution = (executionArn: string | undefined) =>
    run<DescribeExecutionOutput>('DescribeExecution', { executionArn });
  return { ...world, run, start, describeExecution, stateMachineArn };
}

describe('StartExecution', () => {
  it('names the execution with a UUID and gives it an empty object, when nothing else is said', async () => {
    const { start, describeExecution, stateMachineArn } = api();
    const { executionArn, startDate } = await start();
    expect(executionArn).toMatch(/^arn:aws:states:eu-west-1:123456789012:execution:enrol:[0-9a-f]{8}-[0-9a-f-]{27}$/);
    expect(startDate).toEqual(START);
    expect(await describeExecution(executionArn)).toEqual({
      executionArn,
      stateMachineArn,
      name: executionArn?.split(':').at(-1),
      status: 'RUNNING',
      startDate: START,
      input: '{}',
      inputDetails: { included: true },
      redriveCount: 0,
      redriveStatus: 'NOT_REDRIVABLE',
      redriveStatusReason: 'Execution is RUNNING and cannot be redriven',
    });
  });

  it('answers the same again while an execution of that name and input runs', async () => {
    const { clock, start, machines } = api();
    const first = await start({ name: 'i-1', input: '{"a":1}' });
    await clock.advance(1000);
    expect(await start({ name: 'i-1', input: '{"a":1}' })).toEqual(first);
    expect(machines.executions()).toHaveLength(1);
  });

  it('refuses the name for another input, and for any once the execution has ended', async () => {
    const { clock, start } = api();
    const { executionArn } = await start({ name: 'i-1', input: '{"a":1}' });
    const refused = { code: 'ExecutionAlreadyExists', message: `Execution Already Exists: '${executionArn}'` };
    await expect(start({ name: 'i-1', input: '{"a":2}' })).rejects.toMatchObject(refused);
    await clock.run();
    await expect(start({ name: 'i-1', input: '{"a":1}' })).rejects.toMatchObject(refused);
  });

  it.each([
    [{ stateMachineArn: 'enrol' }, 'InvalidArn', "Invalid Arn: 'Invalid ARN prefix: enrol'"],
    [
      { stateMachineArn: 'arn:aws:states:x' },
      'StateMachineDoesNotExist',
      "State Machine Does Not Exist: 'arn:aws:states:x'",
    ],
    [{ name: 'with space' }, 'InvalidName', "Invalid Name: 'with space'"],
    [{ name: 'a:b' }, 'InvalidName', "Invalid Name: 'a:b'"],
    [{ input: '' }, 'InvalidExecutionInput', "Invalid State Machine Execution Input: 'Invalid execution input.'"],
    [{ input: '{"a":' }, 'InvalidExecutionInput', 'Invalid State Machine Execution Input: '],
    [{ input: JSON.stringify('é'.repeat(131_072)) }, 'InvalidExecutionInput', '262144 bytes'],
  ])('refuses %o', async (input, code, message) => {
    const { start, machines } = api();
    await expect(start(input)).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
    expect(machines.executions()).toEqual([]);
  });
});

describe('DescribeExecution', () => {
  it('shows the input as it was given, and the output', async () => {
    const { clock, start, describeExecution } = api(only({ Type: 'Pass' }));
    const { executionArn } = await start({ input: '{ "a": 1.0 }' });
    await clock.run();
    expect(await describeExecution(executionArn)).toMatchObject({
      status: 'SUCCEEDED',
      input: '{ "a": 1.0 }',
      output: '{"a":1}',
      outputDetails: { included: true },
      stopDate: START,
      redriveStatusReason: 'Execution is SUCCEEDED and cannot be redriven',
    });
  });

  it('shows why an execution failed', async () => {
    const { clock, start, describeExecution } = api({
      StartAt: 'It',
      States: { It: { Type: 'Fail', Error: 'EnrolmentFailed', Cause: 'i-1 is gone.' } },
    });
    const { executionArn } = await start();
    await clock.run();
    const described = await describeExecution(executionArn);
    expect(described).toMatchObject({
      status: 'FAILED',
      error: 'EnrolmentFailed',
      cause: 'i-1 is gone.',
      redriveStatus: 'REDRIVABLE',
    });
    expect(described).not.toHaveProperty('output');
  });

  it('leaves out the data when only the rest is asked for', async () => {
    const { run, start } = api();
    const { executionArn } = await start();
    const described = await run('DescribeExecution', { executionArn, includedData: 'METADATA_ONLY' });
    expect(described).not.toHaveProperty('input');
  });

  it('refuses an execution that does not exist', async () => {
    const { describeExecution } = api();
    await expect(describeExecution('arn:aws:states:x')).rejects.toMatchObject({
      code: 'ExecutionDoesNotExist',
      message: "Execution Does Not Exist: 'arn:aws:states:x'",
    });
  });
});

describe('ListExecutions', () => {
  it('gives the newest first, page by page, and none twice although more are started between', async () => {
    const { run, start, stateMachineArn } = api();
    for (const name of ['a', 'b', 'c']) await start({ name });
    const list = (input: object) =>
      run<ListExecutionsOutput>('ListExecutions', { stateMachineArn, maxResults: 2, ...input });
    const first = await list({});
    await start({ name: 'd' });
    const second = await list({ nextToken: first.nextToken });
    expect(first.executions?.map(({ name }) => name)).toEqual(['c', 'b']);
    expect(second).toEqual({
      executions: [expect.objectContaining({ name: 'a', status: 'RUNNING', redriveCount: 0 })],
    });
  });

  it('filters by status and by redrives', async () => {
    const { clock, run, start, machines, stateMachineArn } = api();
    const { executionArn = '' } = await start({ name: 'a' });
    await start({ name: 'b' });
    machines.stop(executionArn);
    const names = async (filter: object) => {
      const { executions } = await run<ListExecutionsOutput>('ListExecutions', { stateMachineArn, ...filter });
      return executions?.map(({ name }) => name);
    };
    expect(await names({ statusFilter: 'ABORTED' })).toEqual(['a']);
    expect(await names({ statusFilter: 'RUNNING' })).toEqual(['b']);
    machines.redrive(executionArn);
    await clock.run();
    expect(await names({ redriveFilter: 'REDRIVEN', statusFilter: 'SUCCEEDED' })).toEqual(['a']);
    expect(await names({ redriveFilter: 'NOT_REDRIVEN' })).toEqual(['b']);
  });

  it('refuses a token that it did not give, and Map Runs', async () => {
    const { run, stateMachineArn } = api();
    await expect(run('ListExecutions', { stateMachineArn, nextToken: 'mine' })).rejects.toMatchObject({
      code: 'InvalidToken',
    });
    await expect(run('ListExecutions', { mapRunArn: 'arn:x' })).rejects.toMatchObject({ code: 'ValidationException' });
  });
});

describe('GetExecutionHistory', () => {
  it('gives the events in pages, forwards and backwards, with their data or without', async () => {
    const { clock, run, start } = api();
    const { executionArn } = await start({ input: '{"a":1}' });
    await clock.run();
    const get = (input: object) => run<GetExecutionHistoryOutput>('GetExecutionHistory', { executionArn, ...input });
    const first = await get({ maxResults: 3 });
    const second = await get({ maxResults: 3, nextToken: first.nextToken });
    expect([...(first.events ?? []), ...(second.events ?? [])].map(({ id }) => id)).toEqual([1, 2, 3, 4]);
    expect(second).not.toHaveProperty('nextToken');
    expect((await get({ reverseOrder: true })).events?.map(({ id }) => id)).toEqual([4, 3, 2, 1]);
    expect(first.events?.[1]?.stateEnteredEventDetails).toEqual({
      name: 'It',
      input: '{"a":1}',
      inputDetails: { truncated: false },
    });
    expect((await get({ includeExecutionData: false })).events?.[1]?.stateEnteredEventDetails).not.toHaveProperty(
      'input',
    );
  });
});

describe('StopExecution', () => {
  it('stops, says when, and says the same of one that has ended', async () => {
    const { clock, run, start, describeExecution } = api();
    const { executionArn } = await start();
    await clock.advance(1000);
    const stopDate = new Date(START.getTime() + 1000);
    expect(await run('StopExecution', { executionArn, error: 'Enough', cause: 'by hand' })).toEqual({ stopDate });
    await clock.advance(1000);
    expect(await run('StopExecution', { executionArn })).toEqual({ stopDate });
    expect(await describeExecution(executionArn)).toMatchObject({
      status: 'ABORTED',
      error: 'Enough',
      cause: 'by hand',
    });
  });
});

describe('RedriveExecution', () => {
  it('goes on with a failed execution, once for each client token', async () => {
    let broken = true;
    const { clock, run, start, describeExecution } = api(task(), () => {
      if (broken) throw new TaskFailure('Down');
    });
    const { executionArn } = await start();
    await clock.run();
    broken = false;
    const redrive = () => run<RedriveExecutionOutput>('RedriveExecution', { executionArn, clientToken: 'once' });
    const first = await redrive();
    await clock.run();
    expect(await redrive()).toEqual(first);
    expect(await describeExecution(executionArn)).toMatchObject({
      status: 'SUCCEEDED',
      redriveCount: 1,
      redriveDate: first.redriveDate,
    });
  });

  it('refuses one that runs, and one that ended more than 14 days ago', async () => {
    const { clock, run, start, machines } = api();
    const { executionArn = '' } = await start();
    const refused = (message: string) => ({ code: 'ExecutionNotRedrivable', message });
    await expect(run('RedriveExecution', { executionArn })).rejects.toMatchObject(
      refused('Execution is RUNNING and cannot be redriven'),
    );
    machines.stop(executionArn);
    await clock.advance(15 * DAY);
    await expect(run('RedriveExecution', { executionArn })).rejects.toMatchObject(
      refused('Execution redrivable period exceeded'),
    );
  });
});

describe('State machines', () => {
  it('are listed and described, with the definition as it was given', async () => {
    const { run, stateMachineArn } = api();
    const listed = await run<ListStateMachinesOutput>('ListStateMachines', {});
    expect(listed).toEqual({
      stateMachines: [{ stateMachineArn, name: 'enrol', type: 'STANDARD', creationDate: START }],
    });
    const { definition, ...described } = await run<DescribeStateMachineOutput>('DescribeStateMachine', {
      stateMachineArn,
    });
    expect(JSON.parse(definition ?? '')).toEqual(wait);
    expect(described).toMatchObject({
      status: 'ACTIVE',
      type: 'STANDARD',
      roleArn: 'arn:aws:iam::123456789012:role/enrol',
    });
  });
});

describe('Pages', () => {
  it('give every item once and in order, whatever their size, in both directions', () => {
    const items = fc.array(fc.integer(), { maxLength: 30 });
    fc.assert(
      fc.property(items, fc.integer({ min: 1, max: 7 }), fc.boolean(), (list, maxResults, newestFirst) => {
        const keep = (item: number) => item % 3 !== 0;
        const found: number[] = [];
        let nextToken: string | undefined;
        do {
          const page = numberedPage(list, { maxResults, nextToken, newestFirst, keep, refuse: () => new Error() });
          found.push(...page.items);
          nextToken = page.nextToken;
        } while (nextToken);
        const kept = list.filter(keep);
        expect(found).toEqual(newestFirst ? kept.toReversed() : kept);
      }),
    );
  });
});
