/**
 * Ends of a command that are not the script's answer, for `SystemsManager.disturb`. Sources: "Understanding command
 * statuses" in the Systems Manager user guide, amazon-ssm-agent's messages.
 */
import type { CommandInvocationStatus } from '@aws-sdk/client-ssm';
import type { CommandResult } from './documents.ts';

const undelivered = (status: CommandInvocationStatus, details: string): CommandResult => {
  return { stdout: '', stderr: '', exitCode: -1, verdict: { status, details } };
};

export const OUTCOMES = {
  /** The agent's worker died. */
  processFailed: { stdout: '', stderr: 'document process failed unexpectedly', exitCode: -1 },
  undeliverable: undelivered('Failed', 'Undeliverable'),
  terminated: undelivered('Failed', 'Terminated'),
  deliveryTimedOut: undelivered('TimedOut', 'DeliveryTimedOut'),
  /** SIGTERM, as in a shutdown. */
  stopped: { stdout: '', stderr: '', exitCode: 143 },
  /** SIGKILL, as by the kernel when memory is short. */
  killed: { stdout: '', stderr: 'Killed\n', exitCode: 137 },
  /** A Windows node skips a step with the precondition `platformType: Linux`. */
  skippedOnWindows: {
    stdout:
      'Step execution skipped due to unsatisfied preconditions: \'"StringEquals": [platformType, Linux]\'. Step name: run\n',
    stderr: '',
    exitCode: 0,
  },
  /** Output that harms a terminal that prints it as it is: escapes, line breaks, a private key's frame. */
  hostileOutput: {
    stdout: '',
    stderr:
      '\u001b[2J\u001b]0;owned\u0007\r\nline one\nline two\u2028\n-----BEGIN RSA PRIVATE KEY-----\nbm90IGEga2V5\n-----END RSA PRIVATE KEY-----\n',
    exitCode: 1,
  },
} as const satisfies Record<string, CommandResult>;
