import type {
  DescribeExecutionInput,
  DescribeExecutionOutput,
  DescribeStateMachineInput,
  DescribeStateMachineOutput,
  ExecutionListItem,
  GetExecutionHistoryInput,
  GetExecutionHistoryOutput,
  HistoryEvent,
  ListExecutionsInput,
  ListExecutionsOutput,
  ListStateMachinesInput,
  ListStateMachinesOutput,
  RedriveExecutionInput,
  RedriveExecutionOutput,
  StartExecutionInput,
  StartExecutionOutput,
  StopExecutionInput,
  StopExecutionOutput,
} from '@aws-sdk/client-sfn';
import type { Clock } from '../kernel/clock.ts';
import { type ExecutionView, executionArn, type StateMachine, type StateMachines } from '../states/engine.ts';
import { EVENT_LIMIT, toHistoryEvent } from '../states/history.ts';
import { exceedsLimit } from '../states/json.ts';
import { ServiceError, type ServiceOf } from '../wire/service.ts';
import { numberedPage } from './paging/numbered-page.ts';

const DAY_MILLISECONDS = 86_400_000;
const REDRIVABLE_DAYS = 14;

/** What no execution's name may contain: white space, brackets, wildcards, and what means something in a URL. */
const FORBIDDEN_IN_NAMES = /[\s<>{}[\]?*"#%\\^|~`$&,;:/\p{Cc}]/u;

/** AWS Step Functions: the API over the interpreter, for Standard state machines. */
export class StepFunctions {
  readonly service: ServiceOf<'states'>;
  readonly #machines: StateMachines;
  readonly #clock: Clock;
  /** The answers to redrives, by execution and client token: a repeated request redrives once. */
  readonly #redrives = new Map<string, Date>();

  constructor({ clock, machines }: { clock: Clock; machines: StateMachines }) {
    this.#clock = clock;
    this.#machines = machines;
    this.service = {
      name: 'states',
      operations: {
        StartExecution: (input: StartExecutionInput) => this.#start(input),
        DescribeExecution: (input: DescribeExecutionInput) => this.#describe(input),
        ListExecutions: (input: ListExecutionsInput) => this.#list(input),
        GetExecutionHistory: (input: GetExecutionHistoryInput) => this.#history(input),
        StopExecution: (input: StopExecutionInput) => this.#stop(input),
        RedriveExecution: (input: RedriveExecutionInput) => this.#redrive(input),
        ListStateMachines: (input: ListStateMachinesInput) => this.#listMachines(input),
        DescribeStateMachine: (input: DescribeStateMachineInput) => this.#describeMachine(input),
      },
    };
  }

  #start({ stateMachineArn, name, input = '{}' }: StartExecutionInput): StartExecutionOutput {
    const machine = this.#machine(stateMachineArn);
    if (name !== undefined && FORBIDDEN_IN_NAMES.test(name)) throw refusal('InvalidName', 'Invalid Name', name);
    checkInput(input);
    const existing = name === undefined ? undefined : this.#machines.execution(executionArn(machine.name, name));
    if (existing && (existing.status !== 'RUNNING' || existing.inputText !== input))
      throw refusal('ExecutionAlreadyExists', 'Execution Already Exists', existing.arn);
    const execution =
      existing ?? this.#machines.start({ stateMachineArn: machine.arn, input, ...(name !== undefined && { name }) });
    return { executionArn: execution.arn, startDate: new Date(execution.startedAt) };
  }

  #describe({ executionArn: arn, includedData }: DescribeExecutionInput): DescribeExecutionOutput {
    const execution = this.#execution(arn);
    const reason = this.#whyNotRedrivable(execution);
    const { error, cause } = execution.outcome;
    return {
      ...listItem(execution),
      ...(includedData === 'METADATA_ONLY' ? {} : describeData(execution)),
      ...(error !== undefined && { error }),
      ...(cause !== undefined && { cause }),
      redriveStatus: reason ? 'NOT_REDRIVABLE' : 'REDRIVABLE',
      ...(reason && { redriveStatusReason: reason }),
    };
  }

  #list(input: ListExecutionsInput): ListExecutionsOutput {
    const { stateMachineArn, statusFilter, redriveFilter, mapRunArn } = input;
    if (mapRunArn !== undefined || stateMachineArn === undefined)
      throw new ServiceError('ValidationException', 'A state machine ARN is required: there are no Map Runs here.');
    const executions = this.#machines.executions(this.#machine(stateMachineArn).arn);
    const keep = (execution: ExecutionView) =>
      (!statusFilter || execution.status === statusFilter) &&
      (!redriveFilter || execution.redriveCount > 0 === (redriveFilter === 'REDRIVEN'));
    const page = numberedPage(executions, { ...input, newestFirst: true, keep, refuse: invalidToken });
    return { executions: page.items.map(listItem), ...(page.nextToken && { nextToken: page.nextToken }) };
  }

  #history(input: GetExecutionHistoryInput): GetExecutionHistoryOutput {
    const { events } = this.#execution(input.executionArn);
    const { items, ...more } = numberedPage(events, {
      ...input,
      newestFirst: input.reverseOrder ?? false,
      refuse: invalidToken,
    });
    const shown = items.map((event) => toHistoryEvent(event, input.includeExecutionData ?? true));
    // Which details an event has follows from its type, which only the SDK's type spells out.
    return { events: shown as HistoryEvent[], ...more };
  }

  #stop({ executionArn: arn, error, cause }: StopExecutionInput): StopExecutionOutput {
    const execution = this.#execution(arn);
    this.#machines.stop(execution.arn, { error, cause });
    return { stopDate: new Date(execution.stoppedAt ?? this.#clock.now()) };
  }

  #redrive({ executionArn: arn, clientToken }: RedriveExecutionInput): RedriveExecutionOutput {
    const execution = this.#execution(arn);
    const request = `${execution.arn} ${clientToken}`;
    const answered = clientToken === undefined ? undefined : this.#redrives.get(request);
    if (answered) return { redriveDate: answered };
    const reason = this.#whyNotRedrivable(execution);
    if (reason) throw new ServiceError('ExecutionNotRedrivable', reason);
    this.#machines.redrive(execution.arn);
    const redriveDate = new Date(this.#clock.now());
    this.#redrives.set(request, redriveDate);
    return { redriveDate };
  }

  #whyNotRedrivable({ status, stoppedAt = 0, events }: ExecutionView): string | undefined {
    if (status === 'RUNNING' || status === 'SUCCEEDED') return `Execution is ${status} and cannot be redriven`;
    if (events.length >= EVENT_LIMIT - 1) return 'Execution history event limit exceeded';
    const over = this.#clock.now() - stoppedAt > REDRIVABLE_DAYS * DAY_MILLISECONDS;
    return over ? 'Execution redrivable period exceeded' : undefined;
  }

  #listMachines(input: ListStateMachinesInput): ListStateMachinesOutput {
    const { items, ...more } = numberedPage(this.#machines.machines(), {
      ...input,
      newestFirst: false,
      refuse: invalidToken,
    });
    const stateMachines = items.map(({ arn, name, createdAt }) => {
      return { stateMachineArn: arn, name, type: 'STANDARD' as const, creationDate: new Date(createdAt) };
    });
    return { stateMachines, ...more };
  }

  #describeMachine({ stateMachineArn }: DescribeStateMachineInput): DescribeStateMachineOutput {
    const { arn, name, definitionText, roleArn, createdAt } = this.#machine(stateMachineArn);
    return {
      stateMachineArn: arn,
      name,
      status: 'ACTIVE',
      definition: definitionText,
      roleArn,
      type: 'STANDARD',
      creationDate: new Date(createdAt),
      loggingConfiguration: { level: 'OFF', includeExecutionData: false },
      tracingConfiguration: { enabled: false },
    };
  }

  #machine(arn: string | undefined): StateMachine {
    const machine = this.#machines.machine(checkArn(arn));
    if (!machine) throw refusal('StateMachineDoesNotExist', 'State Machine Does Not Exist', arn);
    return machine;
  }

  #execution(arn: string | undefined): ExecutionView {
    const execution = this.#machines.execution(checkArn(arn));
    if (!execution) throw refusal('ExecutionDoesNotExist', 'Execution Does Not Exist', arn);
    return execution;
  }
}

function listItem(execution: ExecutionView): ExecutionListItem {
  const { stoppedAt, redrivenAt } = execution;
  return {
    executionArn: execution.arn,
    stateMachineArn: execution.machine.arn,
    name: execution.name,
    status: execution.status,
    startDate: new Date(execution.startedAt),
    ...(stoppedAt !== undefined && { stopDate: new Date(stoppedAt) }),
    redriveCount: execution.redriveCount,
    ...(redrivenAt !== undefined && { redriveDate: new Date(redrivenAt) }),
  };
}

function describeData({ inputText, outcome }: ExecutionView): Partial<DescribeExecutionOutput> {
  const output = outcome.output === undefined ? {} : { output: JSON.stringify(outcome.output) };
  return {
    input: inputText,
    inputDetails: { included: true },
    ...output,
    ...(outcome.output !== undefined && { outputDetails: { included: true } }),
  };
}

function checkInput(text: string): void {
  const problem = exceedsLimit(text) ? 'Input size exceeds the limit of 262144 bytes.' : jsonProblem(text);
  if (problem) throw refusal('InvalidExecutionInput', 'Invalid State Machine Execution Input', problem);
}

function jsonProblem(text: string): string | undefined {
  if (text === '') return 'Invalid execution input.';
  try {
    JSON.parse(text);
    return undefined;
  } catch (error) {
    return (error as SyntaxError).message;
  }
}

function checkArn(arn = ''): string {
  if (!arn.startsWith('arn:')) throw refusal('InvalidArn', 'Invalid Arn', `Invalid ARN prefix: ${arn}`);
  return arn;
}

function invalidToken(token: string): ServiceError {
  return refusal('InvalidToken', 'Invalid Token', token);
}

/** The service's way to say what it refuses: `Execution Does Not Exist: 'arn:…'`. */
function refusal(code: string, what: string, which: string | undefined): ServiceError {
  return new ServiceError(code, `${what}: '${which}'`);
}
