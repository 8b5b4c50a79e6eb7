import { describe, expect, it } from 'vitest';
import type { WaitingAction } from '../../../lib/waiting-action.ts';
import { readDeployment } from '../../../local/deployment.ts';
import {
  dueAfterSeconds,
  isExpiring,
  LONGEST_ROUND_SECONDS,
  longestLookSeconds,
  marginSeconds,
  SHORT_LOOK_SECONDS,
  WATCH_TIMEOUT_SECONDS,
} from '../../../profiles/waiting.ts';

interface Retrier {
  readonly ErrorEquals: readonly string[];
  readonly IntervalSeconds?: number;
  readonly MaxAttempts?: number;
  readonly BackoffRate?: number;
  readonly MaxDelaySeconds?: number;
}

interface State {
  readonly Type: string;
  readonly Next?: string;
  readonly Default?: string;
  readonly TimeoutSeconds?: number;
  readonly Seconds?: number;
  readonly Choices?: readonly { readonly Next: string }[];
  readonly Catch?: readonly { readonly Next: string }[];
  readonly Retry?: readonly Retrier[];
  readonly Parameters?: { readonly task?: Readonly<Record<string, string>> };
}

const definition: unknown = readDeployment().stateMachines.find(({ name }) => name.endsWith('enrol-node'))?.definition;
const machine = definition as { States: Record<string, State> };
const { States } = machine;
function stateOf(name: string): State {
  const state = States[name];
  if (!state) throw new Error(`There is no state ${name}.`);
  return state;
}

/** The delays of one retrier, each its longest: JitterStrategy FULL only makes them shorter. */
function delaysOf({ IntervalSeconds = 1, MaxAttempts = 3, BackoffRate = 2, MaxDelaySeconds = Infinity }: Retrier) {
  return Array.from({ length: MaxAttempts }, (_, index) =>
    Math.min(IntervalSeconds * BackoffRate ** index, MaxDelaySeconds),
  );
}

/** Every attempt takes its whole time, and every delay is the longest. Each retrier counts for itself. */
function longestSeconds({ Type, TimeoutSeconds = 0, Seconds = 0, Retry = [] }: State): number {
  if (Type === 'Wait') return Seconds;
  const delays = Retry.flatMap(delaysOf);
  return TimeoutSeconds * (1 + delays.length) + delays.reduce((sum, delay) => sum + delay, 0);
}

/** The limits that Auto Scaling allows, with its own rule for the whole: min(48 h, 100 x HeartbeatTimeout). */
const limitsOf = (heartbeatTimeoutSeconds: number) => ({
  heartbeatTimeoutSeconds,
  globalTimeoutSeconds: Math.min(48 * 3600, 100 * heartbeatTimeoutSeconds),
});
const ALLOWED_SECONDS = Array.from({ length: 7200 - 30 + 1 }, (_, index) => 30 + index);

const ACTION: WaitingAction = {
  ...{ subject: 'i-1', region: 'eu-west-1', autoScalingGroupName: 'web', lifecycleHookName: 'up' },
  ...{ transition: 'launching', since: '2031-05-06T00:00:00.000Z', seenAt: '2031-05-06T00:00:00.000Z' },
  ...{ heartbeatTimeoutSeconds: 30, globalTimeoutSeconds: 3000, expiresAt: 0 },
};

describe('the watch', () => {
  /** A heartbeat is due, and the look that sees it begins and ends as late as it can. */
  const longestStretch = (seconds: number) => {
    const limits = limitsOf(seconds);
    return dueAfterSeconds(limits) + longestLookSeconds(limits);
  };

  it('sends a heartbeat within every HeartbeatTimeout that Auto Scaling allows', () => {
    for (const seconds of ALLOWED_SECONDS) expect(longestStretch(seconds), `of ${seconds} s`).toBeLessThan(seconds);
  });

  it('sends one also where a round fails, if the HeartbeatTimeout is five minutes or more', () => {
    for (const seconds of ALLOWED_SECONDS.filter((allowed) => allowed >= 300))
      expect(longestStretch(seconds) + LONGEST_ROUND_SECONDS, `of ${seconds} s`).toBeLessThan(seconds);
  });

  it('looks as often as these numbers say', () => {
    const { schedules, functions, stateMachines } = readDeployment();
    const [watch] = schedules;
    expect(watch).toMatchObject({ name: 'muster-dev-watch', everySeconds: LONGEST_ROUND_SECONDS / 2 });
    expect(functions.find(({ name }) => name === watch?.functionName)?.timeoutSeconds).toBe(WATCH_TIMEOUT_SECONDS);
    const shortLooks = stateMachines.find(({ name }) => name.endsWith('watch-hooks'))?.definition;
    const { Pause, Watch } = (shortLooks as typeof machine).States;
    expect(Pause?.Seconds).toBe(SHORT_LOOK_SECONDS);
    expect(Number(Pause?.Seconds) + Number(Watch?.TimeoutSeconds)).toBe(longestLookSeconds(limitsOf(30)));
  });
});

describe('an enrolment that has waited until its deadline', () => {
  const secondsThrough = (...names: string[]) => names.reduce((sum, name) => sum + longestSeconds(stateOf(name)), 0);

  /** A state that was entered just before the deadline; no task begins after it. */
  const timed = Object.entries(States).filter(([, { Parameters }]) => Parameters?.task?.['deadline.$'] !== undefined);
  const last = Math.max(...timed.map(([name]) => longestSeconds(stateOf(name))), secondsThrough('ConfirmAssociation'));
  const decided = last + secondsThrough('KeepWaiting', 'DecideFailure');

  it('begins no state that enrols after the deadline', () => {
    const tasks = Object.entries(States).filter(([, { Type }]) => Type === 'Task');
    const untimed = tasks.map(([name]) => name).filter((name) => !timed.some(([own]) => own === name));
    // The first two find the deadline, the others finish or decide the launch.
    expect(untimed.toSorted()).toEqual(
      [
        ...['DescribeInstance', 'ResolveProfile', 'FinishLaunch', 'LeaveFormerServers', 'KeepWaiting'],
        ...['DecideFailure', 'ReleaseLaunch', 'UndoEnrolment', 'ReportFailure'],
      ].toSorted(),
    );
  });

  it('is decided before the hook’s limit, whatever takes its longest', () => {
    for (const seconds of ALLOWED_SECONDS)
      expect(decided + secondsThrough('ReleaseLaunch'), `of ${seconds} s`).toBeLessThan(
        marginSeconds(limitsOf(seconds)),
      );
  });

  it('is decided before the watch takes its launch for a held one', () => {
    for (const seconds of [30, 300, 3600, 7200]) {
      const limits = limitsOf(seconds);
      const action = { ...ACTION, ...limits };
      const deadlineSeconds = limits.globalTimeoutSeconds - marginSeconds(limits);
      const at = new Date(Date.parse(action.since) + (deadlineSeconds + decided) * 1000).toISOString();
      expect(isExpiring(action, at)).toBe(false);
    }
  });
});
