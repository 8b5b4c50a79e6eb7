import { describe, expect, it } from 'vitest';
import { LONGEST_PAUSE_SECONDS } from '../../../functions/keep-waiting.ts';
import { readDeployment } from '../../../local/deployment.ts';
import { SHORTEST_HEARTBEAT_SECONDS } from '../../../profiles/deadline.ts';

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
}

const definition: unknown = readDeployment().stateMachines.find(({ name }) => name.endsWith('enrol-node'))?.definition;
const { StartAt, States } = definition as { StartAt: string; States: Record<string, State> };
const HEARTBEAT = 'KeepWaiting';
/** What comes after it changes nothing of the launch any more. */
const DECISION = 'ReleaseLaunch';

function stateOf(name: string): State {
  const state = States[name];
  if (!state) throw new Error(`There is no state ${name}.`);
  return state;
}

function nextOf({ Next, Default, Choices = [], Catch = [] }: State): string[] {
  return [Next, Default, ...Choices.map((choice) => choice.Next), ...Catch.map((catcher) => catcher.Next)].filter(
    (name) => name !== undefined,
  );
}

/** The delays of one retrier, each its longest: JitterStrategy FULL only makes them shorter. */
function delaysOf({ IntervalSeconds = 1, MaxAttempts = 3, BackoffRate = 2, MaxDelaySeconds = Infinity }: Retrier) {
  return Array.from({ length: MaxAttempts }, (_, index) =>
    Math.min(IntervalSeconds * BackoffRate ** index, MaxDelaySeconds),
  );
}

/** Every attempt takes its whole time, and every delay is the longest. Each retrier counts for itself. */
function longestSeconds({ Type, TimeoutSeconds = 0, Seconds = LONGEST_PAUSE_SECONDS, Retry = [] }: State): number {
  if (Type === 'Wait') return Seconds;
  const delays = Retry.flatMap(delaysOf);
  return TimeoutSeconds * (1 + delays.length) + delays.reduce((sum, delay) => sum + delay, 0);
}

interface Path {
  readonly seconds: number;
  readonly states: readonly string[];
}

/** Many ways lead through one state; how it goes on from there is the same for all of them. */
const known = new Map<string, Path>();

/** The longest way from a state to the next heartbeat, or to the decision of the launch. */
function longestPath(from: string, before: readonly string[] = []): Path {
  const path = known.get(from) ?? findLongestPath(from, before);
  known.set(from, path);
  return path;
}

function findLongestPath(from: string, before: readonly string[]): Path {
  const states = [...before, from];
  if (before.includes(from)) throw new Error(`A loop without a heartbeat: ${states.join(' -> ')}`);
  const state = stateOf(from);
  const own = longestSeconds(state);
  const onward = from === DECISION ? [] : nextOf(state).filter((next) => next !== 'UndoEnrolment');
  const rest = onward.map((next) =>
    next === HEARTBEAT ? { seconds: longestSeconds(stateOf(next)), states: [next] } : longestPath(next, states),
  );
  const longest = rest.reduce((a, b) => (b.seconds > a.seconds ? b : a), { seconds: 0, states: [] });
  return { seconds: own + longest.seconds, states: [from, ...longest.states] };
}

/** Whatever follows a heartbeat; where it cannot be sent, it is tried again. */
const afterHeartbeat = nextOf(stateOf(HEARTBEAT))
  .map((next) => longestPath(next))
  .reduce((a, b) => (b.seconds > a.seconds ? b : a));

/** An attempt that was heard may be followed by others that were not: the time of KeepWaiting counts at both ends. */
const betweenHeartbeats = longestSeconds(stateOf(HEARTBEAT)) + afterHeartbeat.seconds;

describe('enrol-node, whatever takes its longest', () => {
  const allowedSeconds = 0.9 * SHORTEST_HEARTBEAT_SECONDS;

  it('comes from one heartbeat to the next, or to the end of its decision, well within the shortest time-out', () => {
    expect(betweenHeartbeats, afterHeartbeat.states.join(' -> ')).toBeLessThan(allowedSeconds);
    expect(afterHeartbeat.states).toEqual(expect.arrayContaining(['Pause', 'AssociateNode', 'FinishLaunch', DECISION]));
  });

  it('comes from its start to its first heartbeat as well', () => {
    const { seconds, states } = longestPath(StartAt);
    expect(seconds, states.join(' -> ')).toBeLessThan(allowedSeconds);
  });

  it('has been long enough for this test to mean something', () => {
    expect(betweenHeartbeats).toBeGreaterThan(SHORTEST_HEARTBEAT_SECONDS / 2);
  });
});

describe('the history of an enrolment that waits for 48 hours', () => {
  const LIMIT = 25_000;
  const FORTY_EIGHT_HOURS = 48 * 3600;
  const EVENTS = { Task: 2, Choice: 2, Wait: 2, Pass: 2, Succeed: 2, Fail: 1 } as Record<string, number>;

  /** Scheduled, started, and succeeded or failed. */
  const ofAttempts = (attempts: number) => 3 * attempts;

  const counted = new Map<string, number>();

  /** The most states that a way from one state to another passes through, counted in events. */
  function mostEvents(from: string, to: string): number {
    if (from === to) return 0;
    const events = counted.get(`${from} ${to}`) ?? countMostEvents(from, to);
    counted.set(`${from} ${to}`, events);
    return events;
  }

  function countMostEvents(from: string, to: string): number {
    const state = stateOf(from);
    const isTask = state.Type === 'Task';
    const onward = [state.Next, state.Default, ...(state.Choices ?? []).map(({ Next }) => Next)];
    const rest = onward.filter((name) => name !== undefined).map((name) => mostEvents(name, to));
    return (EVENTS[state.Type] ?? 0) + (isTask ? ofAttempts(1) : 0) + Math.max(Number.NEGATIVE_INFINITY, ...rest);
  }

  /** A node whose launch cannot be finished is recorded as enrolled: nothing before that is done again. */
  const before = (name: string) =>
    name === 'FinishLaunch'
      ? mostEvents('DescribeInstance', 'IsEnrolmentWanted') + 2
      : mostEvents('DescribeInstance', name);

  /** A state whose error is "not yet" for ever: what each round adds, with all that is done again before it. */
  function eventsWhileWaitingFor(name: string): number {
    const { Retry = [] } = stateOf(name);
    const delays = Retry.flatMap(delaysOf);
    const ofState = 2 + ofAttempts(1 + delays.length);
    const eventsOfRound = before(name) + ofState + mostEvents(HEARTBEAT, 'DescribeInstance');
    // Jitter halves the delays on average; tasks that are refused at once take no time.
    const retriesSeconds = delays.reduce((sum, delay) => sum + delay, 0) / 2;
    let [waitedSeconds, events] = [0, 0];
    while (waitedSeconds < FORTY_EIGHT_HOURS) {
      // Where nothing is tried again and hardly any time has gone by, the round itself still takes its second.
      waitedSeconds += Math.max(1, retriesSeconds + Math.min(waitedSeconds / 10, LONGEST_PAUSE_SECONDS));
      events += eventsOfRound;
    }
    return events;
  }

  const waiting = Object.entries(States)
    .filter(([, { Catch = [] }]) => Catch.some(({ Next }) => Next === HEARTBEAT))
    .map(([name]) => name)
    .filter((name) => name !== HEARTBEAT);

  it.each(waiting)('has room when %s is never ready', (name) => {
    const events = eventsWhileWaitingFor(name);
    const advice =
      `An execution that waits 48 hours in ${name} writes ${events} events, and Step Functions ends it at ${LIMIT}. ` +
      'Lengthen the delays of its Retry, shorten the way to it, or let IsOneStateToBeRepeated return to it.';
    expect(events, advice).toBeLessThan(0.95 * LIMIT);
  });

  it('has room when no heartbeat can be sent', () => {
    const delays = (stateOf(HEARTBEAT).Retry ?? []).flatMap(delaysOf);
    const pauseSeconds = longestSeconds(stateOf('PauseUnheard'));
    const roundSeconds = pauseSeconds + delays.reduce((sum, delay) => sum + delay, 0) / 2;
    const eventsOfRound = 2 + ofAttempts(1 + delays.length) + 2;
    expect((FORTY_EIGHT_HOURS / roundSeconds) * eventsOfRound).toBeLessThan(0.95 * LIMIT);
  });
});
