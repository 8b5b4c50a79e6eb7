import type { CommandInvocationStatus } from '@aws-sdk/client-ssm';
import type { SimulatedNode } from '../../machines/node.ts';

/** How a script ended, as its shell saw it. */
export interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
  /** The service's verdict, where it does not follow from the exit code: the agent failed, or the delivery did. */
  readonly verdict?: { readonly status: CommandInvocationStatus; readonly details: string };
}

/** A parameter of type String. */
interface DocumentParameter {
  /** A regular expression that the whole of a value must match. */
  readonly allowedPattern?: string | undefined;
  /** The value where the command brings none. */
  readonly default?: string | undefined;
}

export interface CommandDocument {
  readonly parameters: Readonly<Record<string, DocumentParameter>>;
  /** Its effect on the node. A rejection is a script that died: exit code 1, its message on stderr. */
  readonly run: Script;
}

/** A document's script on a simulated node. */
export type Script = (node: SimulatedNode, parameters: Record<string, string>) => Promise<CommandResult>;
