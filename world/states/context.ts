import type { Json } from './json.ts';
import type { State } from './schema.ts';

interface Run {
  readonly arn: string;
  readonly name: string;
  readonly machine: { readonly arn: string; readonly name: string; readonly roleArn: string };
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly redriveCount: number;
  readonly redrivenAt: number | undefined;
}

/**
 * The context object, which `$$` reads:
 *
 *   Execution     Id Input StartTime Name RoleArn RedriveCount, once redriven also RedriveTime
 *   StateMachine  Id Name
 *   State         Name EnteredTime, in a Task also RetryCount
 */
export function contextObject(
  run: Run,
  input: Json,
  visit: { readonly name: string; readonly state: State; readonly enteredAt: number },
  retryCount: number,
): Json {
  const { machine, redrivenAt } = run;
  return {
    Execution: {
      Id: run.arn,
      Input: input,
      StartTime: instant(run.startedAt),
      Name: run.name,
      RoleArn: machine.roleArn,
      RedriveCount: run.redriveCount,
      ...(redrivenAt !== undefined && { RedriveTime: instant(redrivenAt) }),
    },
    StateMachine: { Id: machine.arn, Name: machine.name },
    State: {
      Name: visit.name,
      EnteredTime: instant(visit.enteredAt),
      ...(visit.state.Type === 'Task' && { RetryCount: retryCount }),
    },
  };
}

function instant(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
