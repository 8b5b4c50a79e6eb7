import type { CommandInvocationStatus, GetCommandInvocationCommandOutput } from '@aws-sdk/client-ssm';
import type { Clock } from '../../kernel/clock.ts';
import type { SimulatedNode } from '../../machines/node.ts';
import type { CommandDocument, CommandResult } from './documents.ts';
import { OUTCOMES } from './outcomes.ts';

/** Where the agent cuts a script's output: https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetCommandInvocation.html */
const STDOUT_CHARACTERS = 24_000;
const STDERR_CHARACTERS = 8_000;
/** The time-out of AWS-RunShellScript, and so of the documents made like it. */
const EXECUTION_TIMEOUT_SECONDS = 3600;

interface InvocationOptions {
  readonly clock: Clock;
  readonly node: SimulatedNode;
  readonly commandId: string;
  readonly comment: string;
  readonly documentName: string;
  readonly document: CommandDocument;
  readonly parameters: Record<string, string>;
  /** From SendCommand until GetCommandInvocation knows of it. */
  readonly visibleAfterSeconds: number;
  /** From SendCommand until the agent has the command. */
  readonly deliveredAfterSeconds: number;
  /** From SendCommand until a command that no agent has taken is given up. */
  readonly deliveryTimeoutSeconds: number;
  /** How long the script runs. */
  readonly runSeconds: number;
  /** What the script ends with, instead of what it would have done: then it touches nothing. */
  readonly outcome: CommandResult | undefined;
}

/**
 * One command on one node.
 *
 *     SendCommand      visible        delivered              script ends
 *     |--- no such ----|--- Pending --|----- InProgress -----| Success, Failed
 *                                     |  node is off         |  node went off
 *                                     Pending … TimedOut     InProgress … TimedOut
 */
export class Invocation {
  readonly #options: InvocationOptions;
  readonly #visibleAt: number;
  readonly #sentAt: number;
  #status: CommandInvocationStatus = 'Pending';
  #statusDetails = 'Pending';
  #startedAt: number | undefined;
  #endedAt: number | undefined;
  #result: CommandResult | undefined;

  constructor(options: InvocationOptions) {
    this.#options = options;
    this.#sentAt = options.clock.now();
    this.#visibleAt = this.#sentAt + options.visibleAfterSeconds * 1000;
    options.clock.at(this.#sentAt + options.deliveredAfterSeconds * 1000, () => this.#deliver());
  }

  get isVisible(): boolean {
    return this.#options.clock.now() >= this.#visibleAt;
  }

  get status(): CommandInvocationStatus {
    return this.#status;
  }

  describe(): Omit<GetCommandInvocationCommandOutput, '$metadata'> {
    const { commandId, node, comment, documentName } = this.#options;
    return {
      CommandId: commandId,
      InstanceId: node.instanceId,
      Comment: comment,
      DocumentName: documentName,
      DocumentVersion: '$DEFAULT',
      PluginName: 'aws:runShellScript',
      ResponseCode: this.#result?.exitCode ?? -1,
      ExecutionStartDateTime: dateTime(this.#startedAt),
      ExecutionElapsedTime: elapsed(this.#startedAt, this.#endedAt),
      ExecutionEndDateTime: dateTime(this.#endedAt),
      Status: this.#status,
      StatusDetails: this.#statusDetails,
      StandardOutputContent: this.#result?.stdout.slice(0, STDOUT_CHARACTERS) ?? '',
      StandardOutputUrl: '',
      StandardErrorContent: this.#result?.stderr.slice(0, STDERR_CHARACTERS) ?? '',
      StandardErrorUrl: '',
    };
  }

  #deliver(): void {
    const { clock, node, deliveryTimeoutSeconds, runSeconds } = this.#options;
    if (!node.isAgentUp) {
      this.#giveUpAt(this.#sentAt + deliveryTimeoutSeconds * 1000, 'DeliveryTimedOut');
      return;
    }
    this.#startedAt = clock.now();
    this.#become('InProgress');
    clock.at(this.#startedAt + runSeconds * 1000, () => void this.#run(clock.now()));
  }

  async #run(endedAt: number): Promise<void> {
    const { clock, node } = this.#options;
    if (!node.isOn) {
      this.#giveUpAt(endedAt + EXECUTION_TIMEOUT_SECONDS * 1000, 'ExecutionTimedOut');
      return;
    }
    // The script's arithmetic takes real time and must take none of the world's.
    const release = clock.hold();
    try {
      this.#result = await this.#scriptResult();
      this.#endedAt = endedAt;
      const { exitCode, verdict } = this.#result;
      if (verdict) this.#become(verdict.status, verdict.details);
      else this.#become(exitCode === 0 ? 'Success' : 'Failed');
    } finally {
      release();
    }
  }

  async #scriptResult(): Promise<CommandResult> {
    const { document, node, parameters, outcome } = this.#options;
    if (outcome) return outcome;
    if (node.platformType !== 'Linux') return OUTCOMES.skippedOnWindows;
    try {
      return await document.run(node, parameters);
    } catch (error) {
      return { stdout: '', stderr: `${error instanceof Error ? error.message : error}\n`, exitCode: 1 };
    }
  }

  #giveUpAt(instant: number, details: string): void {
    const { clock } = this.#options;
    clock.at(instant, () => {
      this.#endedAt = clock.now();
      this.#become('TimedOut', details);
    });
  }

  #become(status: CommandInvocationStatus, details: string = status): void {
    this.#status = status;
    this.#statusDetails = details;
  }
}

function dateTime(instant: number | undefined): string {
  return instant === undefined ? '' : new Date(instant).toISOString();
}

function elapsed(from: number | undefined, to: number | undefined): string {
  return from === undefined || to === undefined ? '' : `PT${Math.round(to - from) / 1000}S`;
}
