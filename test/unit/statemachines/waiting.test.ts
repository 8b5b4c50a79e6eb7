import { describe, expect, it } from 'vitest';
import { NOT_YET } from '../../../lib/errors.ts';
import { readDeployment } from '../../../local/deployment.ts';
import { pauseOf } from '../../../profiles/waiting.ts';
import { WorldClock } from '../../../world/kernel/clock.ts';
import { type ExecutionView, StateMachines, TaskFailure, type TaskInvocation } from '../../../world/states/engine.ts';
import { sampled, sized } from '../../support/size.ts';

const HISTORY_LIMIT = 25_000;
const HOUR = 3_600_000;
const START = new Date('2031-05-06T07:08:09Z');

const definition = readDeployment().stateMachines.find(({ name }) => name.endsWith('enrol-node'))?.definition;
const { States } = definition as { States: Record<string, { Type: string; Catch?: { Next: string }[] }> };

/** The tasks whose failure may be waited for. */
const TASKS = Object.entries(States)
  .filter(([, { Catch = [] }]) => Catch.some(({ Next }) => Next === 'IsNotYet'))
  .map(([name]) => name);

type Play = (invocation: TaskInvocation, attempts: number, now: number) => TaskFailure | undefined;

interface Options {
  readonly hours: number;
  readonly identity?: 'node' | 'request';
  /** What tasks answer, in the place of what they answer here. */
  readonly answers?: Record<string, unknown>;
}

/** Plays enrol-node with tasks that succeed at once, but for those that `fail` fails. */
async function play(fail: Play, { hours, identity = 'node', answers: others = {} }: Options) {
  const clock = new WorldClock({ speed: Number.POSITIVE_INFINITY, start: START });
  const deadline = new Date(START.getTime() + hours * HOUR).toISOString();
  const wants = { check: true, hardening: true, identity, registration: true, association: true };
  const enrolment = { status: 'enrolling', deadline, isMoving: false, register: {}, associate: {}, metadata: {} };
  const answers: Record<string, unknown> = {
    ResolveProfile: { ...enrolment, wants: { ...wants, installation: true, assignment: true } },
    EnforceImdsV2: { state: 'pending' },
    ConfirmImdsV2: { state: 'applied' },
    AssociateNode: { statusToken: 'token', isConfirmed: false },
    ConfirmAssociation: { statusToken: null, isConfirmed: true },
    DecideFailure: { action: 'hold', undo: false, hook: null },
    ReportFailure: { error: 'Failed', cause: 'It failed.' },
    ...others,
  };
  const attempts: Record<string, number> = {};
  const succeeded: string[] = [];
  const machines = new StateMachines({
    clock,
    random: () => 0.5,
    invokeTask: async (invocation) => {
      const { stateName, input } = invocation;
      attempts[stateName] = (attempts[stateName] ?? 0) + 1;
      const failure = fail(invocation, attempts[stateName], clock.now());
      if (failure) throw failure;
      succeeded.push(stateName);
      if (stateName === 'KeepWaiting') {
        const { task } = input as { task: { startTime: string; enteredTime: string } };
        if (task.enteredTime >= deadline) throw new TaskFailure('DeadlinePassed', 'Over.');
        const since = { absentSince: null, unregisteredSince: null, outdatedSince: null };
        return { ...pauseOf(task, deadline), ...since, hasWaitedForUs: true };
      }
      return answers[stateName] ?? {};
    },
  });
  const { arn } = machines.start({
    stateMachineArn: machines.create({ name: 'enrol-node', definition }),
    input: '{"instanceId":"i-0123456789abcdef0"}',
  });
  await clock.run();
  return { execution: machines.execution(arn) as ExecutionView, attempts, succeeded };
}

const always =
  (name: string, error: string): Play =>
  ({ stateName }) =>
    stateName === name ? new TaskFailure(error, '{}') : undefined;

describe.each(sampled(TASKS, 5).map((name) => [name]))('%s, never ready', (name) => {
  const identity = name === 'TakeIdentity' ? 'request' : 'node';
  const lambdas = ['Lambda.Unknown', 'Lambda.NameOfNextYear', 'Sandbox.Timedout', 'Runtime.OutOfMemory'];
  const errors = sized({
    // One for each way on from WhereToResume.
    small: ['InstanceNotReady', 'ServerNotReady', 'IdentityPending', 'Lambda.NameOfNextYear'],
    full: [...NOT_YET, ...lambdas, 'States.Timeout'],
  });

  it.each(errors)('is waited for until the deadline, and one history has room: %s', async (error) => {
    const { execution } = await play(always(name, error), { hours: 47, identity });
    expect(execution.outcome.error).toBe('Failed');
    expect(execution.events.length).toBeLessThan(0.95 * HISTORY_LIMIT);
    const waited = (execution.stoppedAt ?? 0) - execution.startedAt;
    expect(waited).toBeGreaterThanOrEqual(47 * HOUR);
    expect(waited).toBeLessThan(47.1 * HOUR);
  });

  it('ends the enrolment at once with any other error', async () => {
    const { execution, attempts } = await play(always(name, 'PermissionDenied'), { hours: 47, identity });
    expect(execution.outcome.error).toBe('Failed');
    expect(attempts.KeepWaiting).toBeUndefined();
  });
});

describe('after a wait', () => {
  /** Fails the state's first `count` attempts. */
  const first =
    (name: string, count: number, error: string): Play =>
    ({ stateName }, attempt) =>
      stateName === name && attempt <= count ? new TaskFailure(error, '{}') : undefined;

  /** Tasks that would change something, or ask the node for it, a second time. */
  const ONCE = ['RequestIdentity', 'RegisterInstance', 'InstallCredentials'];
  const ERRORS = sized({
    small: ['Throttled', 'Lambda.NameOfNextYear'],
    full: ['Throttled', 'ServiceUnavailable', 'OutOfTime', 'Lambda.NameOfNextYear', 'States.Timeout'],
  });
  const cases = TASKS.filter((name) => name !== 'TakeIdentity').flatMap((name) => ERRORS.map((error) => [name, error]));

  it.each(sampled(cases, 8))('for %s because of %s, only what was not done is done', async (name = '', error = '') => {
    const { execution, succeeded } = await play(first(name, 8, error), { hours: 47 });
    expect(execution.status).toBe('SUCCEEDED');
    const position = TASKS.indexOf(name);
    for (const task of ONCE) {
      const times = succeeded.filter((one) => one === task).length;
      expect(times, task).toBe(1);
    }
    for (const task of TASKS.slice(position + 1).filter((task) => task !== 'TakeIdentity'))
      expect(succeeded.filter((one) => one === task).length, task).toBe(1);
  });

  it('for a server that has forgotten the request, it is asked again', async () => {
    const { execution, succeeded } = await play(first('ConfirmAssociation', 8, 'ServerNotReady'), { hours: 47 });
    expect(execution.status).toBe('SUCCEEDED');
    expect(succeeded.filter((task) => task === 'AssociateNode').length).toBeGreaterThan(1);
    expect(succeeded.filter((task) => task === 'RegisterInstance')).toHaveLength(1);
  });

  it('for a command that was lost, only the command is sent again', async () => {
    const { succeeded } = await play(first('ConfirmInstallation', 8, 'InstanceNotReady'), { hours: 47 });
    expect(succeeded.filter((task) => task === 'InstallCredentials').length).toBeGreaterThan(1);
    expect(succeeded.filter((task) => task === 'RequestIdentity')).toHaveLength(1);
  });

  it('for a claim that was lost, everything is looked at afresh', async () => {
    const { execution, succeeded } = await play(first('ConfirmAssociation', 8, 'ClaimedElsewhere'), { hours: 47 });
    expect(execution.status).toBe('SUCCEEDED');
    expect(succeeded.filter((task) => task === 'ResolveProfile').length).toBeGreaterThan(1);
  });
});

describe('KeepWaiting', () => {
  it('forgets nothing of what was waited for when it fails itself', async () => {
    const fail: Play = ({ stateName }, attempt) => {
      if (stateName === 'AssociateNode' && attempt <= 8) return new TaskFailure('ServerNotReady', '{}');
      return stateName === 'KeepWaiting' && attempt <= 10 ? new TaskFailure('ServiceUnavailable', '{}') : undefined;
    };
    const { execution, succeeded } = await play(fail, { hours: 47 });
    expect(execution.status).toBe('SUCCEEDED');
    expect(succeeded.filter((task) => task === 'RegisterInstance')).toHaveLength(1);
  });

  it.each(['DeadlinePassed', 'LaunchDecided', 'PermissionDenied', 'InvalidRequest', 'QuotaExceeded'])(
    'ends the waiting with %s, which asking again would not change',
    async (error) => {
      const fail: Play = ({ stateName }) => {
        if (stateName === 'AssociateNode') return new TaskFailure('ServerNotReady', '{}');
        return stateName === 'KeepWaiting' ? new TaskFailure(error, '{}') : undefined;
      };
      const { execution, attempts } = await play(fail, { hours: 47 });
      expect(execution.outcome.error).toBe('Failed');
      expect(attempts.KeepWaiting).toBe(1);
    },
  );

  it('has room in one history when it never answers', async () => {
    const fail: Play = ({ stateName }, _attempt, now) => {
      if (stateName === 'AssociateNode') return new TaskFailure('ServerNotReady', '{}');
      const isAway = now < START.getTime() + 47 * HOUR;
      return stateName === 'KeepWaiting' && isAway ? new TaskFailure('Lambda.Unknown', '{}') : undefined;
    };
    const { execution } = await play(fail, { hours: 47 });
    expect(execution.outcome.error).toBe('Failed');
    expect(execution.events.length).toBeLessThan(0.95 * HISTORY_LIMIT);
  });
});

describe('a decision', () => {
  const outage =
    (names: readonly string[], hours: number, error: string): Play =>
    ({ stateName }, _attempt, now) => {
      if (stateName === 'AssociateNode') return new TaskFailure('AssociationFailed', '{}');
      const isOver = now >= START.getTime() + hours * HOUR;
      return names.includes(stateName) && !isOver ? new TaskFailure(error, '{}') : undefined;
    };
  const DECIDING = ['DecideFailure', 'ReportFailure'];

  const passing = ['ClaimedElsewhere', 'Throttled', 'ServiceUnavailable', 'OutOfTime', 'States.Timeout'];
  const ofLambda = ['Lambda.NameOfNextYear', 'Sandbox.NameOfNextYear', 'Runtime.NameOfNextYear'];
  it.each([...passing, ...ofLambda])('outlasts an outage of a day: %s', async (error) => {
    const { execution, succeeded } = await play(outage(DECIDING, 24, error), { hours: 47 });
    expect(execution.outcome.error).toBe('Failed');
    expect(DECIDING.map((name) => succeeded.filter((one) => one === name).length)).toEqual([1, 1]);
    expect(execution.events.length).toBeLessThan(0.95 * HISTORY_LIMIT);
  });

  it.each(['ReleaseLaunch', 'UndoEnrolment', 'ReportFailure'])(
    'is made and carried out once, although an outage of %s comes between',
    async (name) => {
      const answers = {
        DecideFailure: { action: 'abandon', undo: true, hook: null },
        ReleaseLaunch: { lifecycleAction: 'completed' },
      };
      const { execution, succeeded } = await play(outage([name], 3, 'ServiceUnavailable'), { hours: 47, answers });
      expect(execution.outcome.error).toBe('Failed');
      const carriedOut = ['DecideFailure', 'ReleaseLaunch', 'UndoEnrolment', 'ReportFailure'];
      expect(succeeded.filter((one) => carriedOut.includes(one))).toEqual(carriedOut);
    },
  );

  it.each(DECIDING)('ends red with a sentence where trying again would not help: %s', async (name) => {
    const { execution } = await play(outage([name], 47, 'PermissionDenied'), { hours: 47 });
    expect(execution.status).toBe('FAILED');
    expect(execution.outcome.error).toBe(name === 'ReportFailure' ? 'PermissionDenied' : 'Failed');
  });
});
