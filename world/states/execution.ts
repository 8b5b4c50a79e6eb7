import { REGION } from '../kernel/account.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Random } from '../kernel/random.ts';
import { contextObject } from './context.ts';
import { combine, stateOutput, withinLimit, workInput } from './data-flow.ts';
import { declaredFailure, type Failure } from './fail.ts';
import { Fault } from './fault.ts';
import { EVENT_LIMIT, type EventDetails, type RecordedEvent } from './history.ts';
import type { Json } from './json.ts';
import type { Scope } from './path.ts';
import { covers, Retries } from './retry.ts';
import type { ChoiceState, State, StateMachineDefinition, TaskState, WaitState } from './schema.ts';
import { callTask, type TaskInvoker, taskEvents, timeoutOf } from './task.ts';
import { TaskFailure } from './task-failure.ts';
import { waitsUntil } from './wait.ts';

export type ExecutionStatus = 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'TIMED_OUT' | 'ABORTED';

/** A machine that executions run. */
export interface StateMachine {
  readonly arn: string;
  readonly name: string;
  readonly roleArn: string;
  readonly definition: StateMachineDefinition;
  /** The definition as it was given, as JSON text. */
  readonly definitionText: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
}

/** What all executions of a world share. */
export interface Surroundings {
  readonly clock: Clock;
  readonly random: Random;
  readonly invokeTask: TaskInvoker;
  /** Told of every event as it is written. */
  readonly onEvent: (execution: Execution, event: RecordedEvent) => void;
  /** Told after an execution's start, redrive and end. */
  readonly onStatusChange: (execution: Execution) => void;
}

/** Where to go next, and with what. */
interface Transition {
  readonly name: string;
  readonly input: Json;
}

/** One stay in one state. */
interface Visit extends Transition {
  readonly state: State;
  /** Milliseconds since the epoch. */
  readonly enteredAt: number;
  /** The id of the event that tells of the entry. */
  readonly entryId: number;
  readonly retries: Retries;
}

/** What an execution ended with: its output, or why it has none. Empty while it runs. */
interface Outcome extends Failure {
  readonly output?: Json;
}

/**
 * One run of a state machine, from state to state. Whatever it does, it does at once and without waiting; between two
 * such moments it waits for a timer or for a task, and for one thing only.
 *
 *   start ─> enter ─> work ─> leave ─> enter ─> … ─> end
 *                      │ ^
 *                      v │ timer, task's answer
 *                     wait
 */
export class Execution {
  readonly arn: string;
  readonly name: string;
  readonly machine: StateMachine;
  /** The input as it was given, as JSON text. */
  readonly inputText: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly events: RecordedEvent[] = [];
  status: ExecutionStatus = 'RUNNING';
  outcome: Outcome = {};
  stoppedAt: number | undefined;
  redriveCount = 0;
  redrivenAt: number | undefined;

  readonly #world: Surroundings;
  readonly #input: Json;
  #visit: Visit | undefined;
  #stopWaiting: () => void = () => {};
  #stopTimeout: () => void = () => {};

  constructor(world: Surroundings, machine: StateMachine, identity: { arn: string; name: string; inputText: string }) {
    this.arn = identity.arn;
    this.name = identity.name;
    this.inputText = identity.inputText;
    this.machine = machine;
    this.startedAt = world.clock.now();
    this.#world = world;
    this.#input = JSON.parse(identity.inputText) as Json;
  }

  /** The state in which it is or ended; undefined before the first. */
  get stateName(): string | undefined {
    return this.#visit?.name;
  }

  /** Its first state is entered as soon as the clock goes on. */
  start(): void {
    this.#record('ExecutionStarted', { input: this.#input, roleArn: this.machine.roleArn });
    this.#begin(() => ({ name: this.machine.definition.StartAt, input: this.#input }));
  }

  /** Goes on in the state in which it ended, with the same input and fresh retries. */
  redrive(): void {
    this.status = 'RUNNING';
    this.outcome = {};
    this.stoppedAt = undefined;
    this.redrivenAt = this.#world.clock.now();
    this.redriveCount++;
    this.#record('ExecutionRedriven', { redriveCount: this.redriveCount });
    this.#begin(() => this.#resume());
  }

  /** Starts nothing more. A task in flight runs on, but its answer is dropped. */
  stop(error?: string, cause?: string): void {
    this.#end('ABORTED', 'ExecutionAborted', { error, cause });
  }

  #begin(work: () => Transition | undefined): void {
    const { clock, onStatusChange } = this.#world;
    const { TimeoutSeconds } = this.machine.definition;
    const timeOut = () => this.#end('TIMED_OUT', 'ExecutionTimedOut', {});
    this.#stopTimeout = TimeoutSeconds ? clock.at(clock.now() + TimeoutSeconds * 1000, timeOut) : () => {};
    this.#waitUntil(clock.now(), work);
    onStatusChange(this);
  }

  /** As on AWS: a task is scheduled again without a second entry, a Fail state is entered again and fails again. */
  #resume(): Transition | undefined {
    const visit = this.#visit;
    if (!visit) return { name: this.machine.definition.StartAt, input: this.#input };
    if (visit.state.Type === 'Fail') return visit;
    this.#visit = { ...visit, retries: this.#retries(visit.state) };
    return this.#work(this.#visit);
  }

  /** Does work that may lead through any number of states, in no time; a Fault in it ends the execution. */
  #run(work: () => Transition | undefined): void {
    const release = this.#world.clock.hold();
    try {
      for (let next = work(); next; ) next = this.#enter(next);
    } catch (fault) {
      if (!(fault instanceof Fault)) throw fault;
      const where = `the state '${this.#visit?.name}' (entered at the event id #${this.#visit?.entryId})`;
      this.#fail({ error: fault.error, cause: `An error occurred while executing ${where}. ${fault.message}` });
    } finally {
      release();
    }
  }

  #enter({ name, input }: Transition): Transition | undefined {
    const state = this.machine.definition.States[name] as State;
    const entryId = this.#record(`${state.Type}StateEntered`, { name, input });
    this.#visit = { name, input, state, entryId, enteredAt: this.#world.clock.now(), retries: this.#retries(state) };
    return this.#work(this.#visit);
  }

  #work(visit: Visit): Transition | undefined {
    const { state } = visit;
    if (state.Type === 'Task') return this.#attempt(visit, state);
    if (state.Type === 'Wait') return this.#wait(visit, state);
    if (state.Type === 'Choice') return this.#choose(visit, state);
    if (state.Type === 'Fail') return this.#fail(declaredFailure(state, this.#scope(visit)));
    const result =
      'Result' in state && state.Result !== undefined ? state.Result : workInput(state, this.#scope(visit));
    return this.#leave(visit, stateOutput(state, this.#scope(visit), result), 'Next' in state ? state.Next : undefined);
  }

  #wait(visit: Visit, state: WaitState): undefined {
    const scope = this.#scope(visit);
    const data = workInput(state, scope);
    const instant = waitsUntil(state, { ...scope, data }, this.#world.clock.now());
    this.#waitUntil(instant, () => this.#leave(visit, stateOutput(state, scope, data), state.Next));
  }

  #choose(visit: Visit, state: ChoiceState): Transition | undefined {
    const scope = this.#scope(visit);
    const data = workInput(state, scope);
    const next = state.Choices.find((rule) => rule.holds({ ...scope, data }))?.Next ?? state.Default;
    if (!next) throw new Fault('No choice rule holds, and there is no Default.', 'States.NoChoiceMatched');
    return this.#leave(visit, stateOutput(state, scope, data), next);
  }

  #attempt(visit: Visit, state: TaskState): undefined {
    const { clock, invokeTask } = this.#world;
    const scope = this.#scope(visit);
    const input = workInput(state, scope);
    const inputText = withinLimit(input, visit.name);
    const timeoutSeconds = timeoutOf(state, scope);
    const events = taskEvents(state.Resource, REGION);
    this.#record(...events.scheduled(input, timeoutSeconds));
    this.#record(...events.started());
    const invocation = {
      executionArn: this.arn,
      stateName: visit.name,
      resource: state.Resource,
      input: JSON.parse(inputText) as unknown,
    };
    this.#stopWaiting = callTask({ clock, invokeTask, invocation, timeoutSeconds }, (answer) =>
      this.#run(() => {
        this.#stopWaiting = () => {};
        if (answer instanceof TaskFailure) {
          this.#record(...events.failed(answer));
          return this.#recover(visit, state, answer);
        }
        this.#record(...events.succeeded(answer));
        return this.#leave(visit, stateOutput(state, this.#scope(visit), answer), state.Next);
      }),
    );
  }

  /** Tries again, or goes where the error is caught, or gives up. */
  #recover(visit: Visit, state: TaskState, { error, cause }: TaskFailure): Transition | undefined {
    const delayMilliseconds = visit.retries.next(error);
    if (delayMilliseconds !== undefined)
      return this.#waitUntil(this.#world.clock.now() + delayMilliseconds, () => this.#attempt(visit, state));
    const catcher = state.Catch.find((each) => covers(each.ErrorEquals, error));
    if (!catcher) return this.#fail({ error, cause });
    const caught = combine(catcher.ResultPath, visit.input, { Error: error, Cause: cause ?? '' });
    return this.#leave(visit, caught, catcher.Next);
  }

  #leave(visit: Visit, output: Json, next: string | undefined): Transition | undefined {
    if (output !== visit.input) withinLimit(output, visit.name);
    this.#record(`${visit.state.Type}StateExited`, { name: visit.name, output });
    if (next !== undefined) return { name: next, input: output };
    this.#end('SUCCEEDED', 'ExecutionSucceeded', { output });
    return undefined;
  }

  #fail(failure: Failure): undefined {
    this.#end('FAILED', 'ExecutionFailed', failure);
  }

  #end(status: ExecutionStatus, event: string, outcome: Outcome): void {
    if (this.status !== 'RUNNING') return;
    this.#stopWaiting();
    this.#stopTimeout();
    this.status = status;
    this.outcome = outcome;
    this.stoppedAt = this.#world.clock.now();
    this.#record(event, outcome);
    this.#world.onStatusChange(this);
  }

  #waitUntil(instant: number, work: () => Transition | undefined): undefined {
    this.#stopWaiting = this.#world.clock.at(instant, () => {
      this.#stopWaiting = () => {};
      this.#run(work);
    });
  }

  #record(type: string, details?: EventDetails): number {
    if (this.events.length >= EVENT_LIMIT - 1 && this.status === 'RUNNING')
      throw new Fault(`The execution reached the maximum number of history events (${EVENT_LIMIT}).`);
    const event = { id: this.events.length + 1, type, at: this.#world.clock.now(), details };
    this.events.push(event);
    this.#world.onEvent(this, event);
    return event.id;
  }

  #retries(state: State): Retries {
    return new Retries(state.Type === 'Task' ? state.Retry : [], this.#world.random);
  }

  /** What the state's paths read: its input, and the context object. */
  #scope(visit: Visit): Scope {
    return { data: visit.input, context: contextObject(this, this.#input, visit, visit.retries.count) };
  }
}
