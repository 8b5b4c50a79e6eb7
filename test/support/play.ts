import { WorldClock } from '../../world/kernel/clock.ts';
import { seededRandom } from '../../world/kernel/random.ts';
import { type ExecutionView, StateMachines, type TaskInvocation } from '../../world/states/engine.ts';
import { type HistoryEvent, toHistoryEvent } from '../../world/states/history.ts';

export const START = new Date('2026-03-14T09:00:00Z');
export const FUNCTION = 'arn:aws:lambda:eu-west-1:123456789012:function:work';

export interface World {
  readonly clock: WorldClock;
  readonly machines: StateMachines;
  readonly invocations: TaskInvocation[];
  start(definition: object, input?: unknown): ExecutionView;
}

/** State machines on a virtual clock, and a log of what they invoke. */
export function createWorld(
  work: (invocation: TaskInvocation, clock: WorldClock) => unknown = () => null,
  seed = 1,
): World {
  const clock = new WorldClock({ speed: Number.POSITIVE_INFINITY, start: START });
  const invocations: TaskInvocation[] = [];
  const machines = new StateMachines({
    clock,
    random: seededRandom(seed),
    invokeTask: async (invocation) => {
      invocations.push(invocation);
      return work(invocation, clock);
    },
  });
  const start = (definition: object, input: unknown = {}) => {
    const name = `machine-${machines.machines().length + 1}`;
    const stateMachineArn = machines.create({ name, definition });
    return machines.start({ stateMachineArn, input: JSON.stringify(input) });
  };
  return { clock, machines, invocations, start };
}

/** Plays one execution until nothing more happens. */
export async function play(
  definition: object,
  input: unknown = {},
  work?: (invocation: TaskInvocation, clock: WorldClock) => unknown,
): Promise<ExecutionView> {
  const world = createWorld(work);
  const execution = world.start(definition, input);
  await world.clock.run();
  return execution;
}

/** A machine of one state. */
export function only(state: object): object {
  return { StartAt: 'It', States: { It: { ...state, ...('Choices' in state ? {} : { End: true }) } } };
}

export function task(fields: object = {}): object {
  return only({ Type: 'Task', Resource: FUNCTION, ...fields });
}

export function history(execution: ExecutionView): HistoryEvent[] {
  return execution.events.map((event) => toHistoryEvent(event));
}

export function eventTypes(execution: ExecutionView): string[] {
  return execution.events.map(({ type }) => type);
}

/** An error as a handler throws it. */
export function failure(name: string, message = 'It did not work.'): Error {
  return Object.assign(new Error(message), { name });
}
