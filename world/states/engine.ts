import { ACCOUNT_ID, REGION } from '../kernel/account.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Random } from '../kernel/random.ts';
import { uuid } from '../kernel/uuid.ts';
import { parseDefinition } from './definition.ts';
import { Execution, type StateMachine, type Surroundings } from './execution.ts';
import type { RecordedEvent } from './history.ts';
import type { TaskInvoker } from './task.ts';

export type { StateMachine } from './execution.ts';
export type { RecordedEvent } from './history.ts';
export type { TaskInvocation } from './task.ts';
export { TaskFailure } from './task-failure.ts';

/** An execution as other modules see it. Times are milliseconds since the epoch. */
export type ExecutionView = Readonly<
  Pick<
    Execution,
    | 'arn'
    | 'name'
    | 'machine'
    | 'status'
    | 'inputText'
    | 'outcome'
    | 'stateName'
    | 'startedAt'
    | 'stoppedAt'
    | 'redriveCount'
    | 'redrivenAt'
  >
> & { readonly events: readonly RecordedEvent[] };

export interface StateMachinesOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly invokeTask: TaskInvoker;
  /** Told after an execution's start, redrive and end. */
  readonly onStatusChange?: (execution: ExecutionView) => void;
  /** Told of every event as it is written. */
  readonly onEvent?: (execution: ExecutionView, event: RecordedEvent) => void;
}

/** All state machines of a world, and their executions. */
export class StateMachines {
  readonly #world: Surroundings;
  readonly #machines = new Map<string, StateMachine>();
  readonly #executions = new Map<string, Execution>();

  constructor(options: StateMachinesOptions) {
    const { onStatusChange = () => {}, onEvent = () => {} } = options;
    this.#world = {
      ...options,
      // In a turn of their own: a listener may stop or redrive the execution that speaks.
      onStatusChange: (execution) => queueMicrotask(() => onStatusChange(execution)),
      onEvent: (execution, event) => queueMicrotask(() => onEvent(execution, event)),
    };
  }

  /**
   * @param machine its definition as parsed JSON; roleArn is only shown, in the history and the context object
   * @returns its ARN
   * @throws UnsupportedDefinition
   */
  create(machine: { name: string; definition: unknown; roleArn?: string }): string {
    const arn = `arn:aws:states:${REGION}:${ACCOUNT_ID}:stateMachine:${machine.name}`;
    if (this.#machines.has(arn)) throw new Error(`There is a state machine '${machine.name}' already.`);
    this.#machines.set(arn, {
      arn,
      name: machine.name,
      roleArn: machine.roleArn ?? `arn:aws:iam::${ACCOUNT_ID}:role/${machine.name}`,
      definition: parseDefinition(machine.definition),
      definitionText: JSON.stringify(machine.definition, undefined, 2),
      createdAt: this.#world.clock.now(),
    });
    return arn;
  }

  /**
   * Starts an execution; its first state is entered as soon as the clock goes on.
   *
   * @param name left out: a UUID
   * @param input JSON text; left out: `{}`
   * @throws Error when the machine is unknown or the name is taken; SyntaxError when the input is no JSON
   */
  start({ stateMachineArn, name, input }: { stateMachineArn: string; name?: string; input?: string }): ExecutionView {
    const machine = this.#machines.get(stateMachineArn);
    if (!machine) throw new Error(`There is no state machine '${stateMachineArn}'.`);
    const executionName = name ?? uuid(this.#world.random);
    const arn = executionArn(machine.name, executionName);
    if (this.#executions.has(arn)) throw new Error(`There is an execution '${arn}' already.`);
    const identity = { arn, name: executionName, inputText: input ?? '{}' };
    const execution = new Execution(this.#world, machine, identity);
    this.#executions.set(arn, execution);
    execution.start();
    return execution;
  }

  /** Starts nothing more in it; a task in flight runs on, unheard. Does nothing to an execution that has ended. */
  stop(arn: string, reason: { error?: string | undefined; cause?: string | undefined } = {}): void {
    this.#existing(arn).stop(reason.error, reason.cause);
  }

  /** Goes on from the state in which it ended. @throws Error when it runs, or has succeeded */
  redrive(arn: string): void {
    const execution = this.#existing(arn);
    if (execution.status === 'RUNNING' || execution.status === 'SUCCEEDED')
      throw new Error(`Execution is ${execution.status} and cannot be redriven`);
    execution.redrive();
  }

  machine(arn: string): StateMachine | undefined {
    return this.#machines.get(arn);
  }

  /** In the order of their creation. */
  machines(): StateMachine[] {
    return [...this.#machines.values()];
  }

  execution(arn: string): ExecutionView | undefined {
    return this.#executions.get(arn);
  }

  /** In the order of their starts. */
  executions(stateMachineArn?: string): ExecutionView[] {
    const all = [...this.#executions.values()];
    return stateMachineArn ? all.filter((execution) => execution.machine.arn === stateMachineArn) : all;
  }

  #existing(arn: string): Execution {
    const execution = this.#executions.get(arn);
    if (!execution) throw new Error(`There is no execution '${arn}'.`);
    return execution;
  }
}

export function executionArn(machineName: string, name: string): string {
  return `arn:aws:states:${REGION}:${ACCOUNT_ID}:execution:${machineName}:${name}`;
}
