import { DescribeExecutionCommand, SFNClient, StartExecutionCommand, StopExecutionCommand } from '@aws-sdk/client-sfn';
import { calling, clientOptions, isNamed } from './aws.ts';

const stepFunctions = new SFNClient(clientOptions);

/**
 * Starts an execution under a name that stands for its occasion, so that the same occasion starts nothing twice.
 * Source: Step Functions StartExecution, which answers a second start with ExecutionAlreadyExists.
 */
export async function startExecution(
  stateMachineArn: string,
  name: string,
  input: unknown,
  signal: AbortSignal,
): Promise<'started' | 'already-started'> {
  try {
    await calling(`start the execution ${name}`, () =>
      stepFunctions.send(new StartExecutionCommand({ stateMachineArn, name, input: JSON.stringify(input) }), {
        abortSignal: signal,
      }),
    );
    return 'started';
  } catch (error) {
    if (isNamed(error, 'ExecutionAlreadyExists')) return 'already-started';
    throw error;
  }
}

/** Whether the execution still runs; one that Step Functions has forgotten does not. Source: DescribeExecution. */
export async function isRunning(executionArn: string, signal: AbortSignal): Promise<boolean> {
  try {
    const { status } = await calling(`describe the execution ${executionArn}`, () =>
      stepFunctions.send(new DescribeExecutionCommand({ executionArn }), { abortSignal: signal }),
    );
    return status === 'RUNNING' || status === 'PENDING_REDRIVE';
  } catch (error) {
    if (isNamed(error, 'ExecutionDoesNotExist')) return false;
    throw error;
  }
}

/** Stops an execution; one that has ended, or is forgotten, stays as it is. Source: Step Functions StopExecution. */
export async function stopExecution(
  executionArn: string,
  reason: { error: string; cause: string },
  signal: AbortSignal,
): Promise<void> {
  try {
    await calling(`stop the execution ${executionArn}`, () =>
      stepFunctions.send(new StopExecutionCommand({ executionArn, ...reason }), { abortSignal: signal }),
    );
  } catch (error) {
    if (!isNamed(error, 'ExecutionDoesNotExist')) throw error;
  }
}
