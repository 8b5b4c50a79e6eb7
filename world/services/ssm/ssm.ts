import type {
  Command,
  DescribeInstanceInformationCommandInput,
  GetCommandInvocationCommandInput,
  GetCommandInvocationResult,
  SendCommandCommandInput,
  SendCommandResult,
} from '@aws-sdk/client-ssm';
import { ACCOUNT_ID, REGION, regionOf as regionOfZone } from '../../kernel/account.ts';
import type { Clock } from '../../kernel/clock.ts';
import { type Range, secondsWithin } from '../../kernel/duration.ts';
import type { Random } from '../../kernel/random.ts';
import { uuid } from '../../kernel/uuid.ts';
import type { Fleet } from '../../machines/fleet.ts';
import type { SimulatedNode } from '../../machines/node.ts';
import { type RequestContext, ServiceError, type ServiceOf } from '../../wire/service.ts';
import type { CommandDocument, CommandResult } from './documents.ts';
import { describeInstanceInformation } from './inventory.ts';
import { Invocation } from './invocation.ts';

const MAX_INSTANCES = 50;
/** The API's default for TimeoutSeconds. */
const DELIVERY_TIMEOUT_SECONDS = 3600;

/** How commands go wrong on purpose. Left-out fields match everything; `times` left out: for ever. */
interface Disturbance {
  readonly documentName?: string;
  readonly instanceId?: string;
  /** Added to the time that the script runs. */
  readonly slowerBySeconds?: number;
  /** What the script ends with, in place of its work. */
  readonly outcome?: CommandResult;
  times?: number;
}

interface SystemsManagerOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly fleet: Fleet;
  /** Every document of the account, by name. */
  readonly documents: Record<string, CommandDocument>;
  readonly timing?: Partial<typeof TIMING>;
  /** Whether the caller's policy lets it send commands to the instance now; left out, it always does. */
  readonly isAuthorized?: (instanceId: string) => boolean;
}

const TIMING: { visibleAfterSeconds: number; deliveredAfterSeconds: number | Range; runSeconds: number | Range } = {
  visibleAfterSeconds: 1,
  deliveredAfterSeconds: [1, 3],
  runSeconds: [1, 4],
};

/**
 * AWS Systems Manager's Run Command over the simulated machines: SendCommand to instance ids, GetCommandInvocation,
 * DescribeInstanceInformation. https://docs.aws.amazon.com/systems-manager/latest/APIReference/
 */
export class SystemsManager {
  readonly service: ServiceOf<'ssm'>;
  readonly #options: SystemsManagerOptions;
  readonly #timing: typeof TIMING;
  /** By Region and command id, then by instance id. */
  readonly #commands = new Map<string, Map<string, Invocation>>();
  readonly #disturbances: Disturbance[] = [];

  constructor(options: SystemsManagerOptions) {
    this.#options = options;
    this.#timing = { ...TIMING, ...options.timing };
    const operations = {
      SendCommand: (input: SendCommandCommandInput, context: RequestContext) => this.#sendCommand(input, context),
      GetCommandInvocation: (input: GetCommandInvocationCommandInput, context: RequestContext) =>
        this.#getCommandInvocation(input, context),
      DescribeInstanceInformation: (input: DescribeInstanceInformationCommandInput) =>
        describeInstanceInformation(input, options.fleet, options.clock.now()),
    };
    this.service = { name: 'ssm', operations };
  }

  /** Makes the commands that are sent from now on slow, or fail. */
  disturb(disturbance: Disturbance): void {
    this.#disturbances.push({ ...disturbance });
  }

  /** How many commands have each status. */
  snapshot(): { commands: Record<string, number> } {
    const commands: Record<string, number> = {};
    for (const invocations of this.#commands.values())
      for (const { status } of invocations.values()) commands[status] = (commands[status] ?? 0) + 1;
    return { commands };
  }

  #sendCommand(input: SendCommandCommandInput, { region = REGION }: InRegion): SendCommandResult {
    const document = this.#document(input.DocumentName);
    const parameters = checkedParameters(document, input.Parameters ?? {});
    this.#authorize(input.InstanceIds ?? []);
    const nodes = this.#targets(input, region);
    const commandId = uuid(this.#options.random);
    const invocations = nodes.map((node) => this.#invoke(node, { commandId, document, parameters, input }));
    this.#commands.set(`${region} ${commandId}`, new Map(invocations));
    return { Command: this.#command(commandId, input) };
  }

  #authorize(instanceIds: readonly string[]): void {
    const denied = instanceIds.find((id) => this.#options.isAuthorized?.(id) === false);
    if (denied === undefined) return;
    const resource = `arn:aws:ec2:${REGION}:${ACCOUNT_ID}:instance/${denied}`;
    throw new ServiceError(
      'AccessDeniedException',
      `User: arn:aws:sts::${ACCOUNT_ID}:assumed-role/local/local is not authorized to perform: ssm:SendCommand on resource: ${resource} because no identity-based policy allows the ssm:SendCommand action`,
    );
  }

  #document(name: string | undefined): CommandDocument {
    const document = this.#options.documents[name ?? ''];
    if (!document) throw new ServiceError('InvalidDocument', `Document with name ${name} does not exist.`);
    return document;
  }

  #targets({ InstanceIds: ids = [], Targets: targets }: SendCommandCommandInput, region: string): SimulatedNode[] {
    if (targets?.length)
      throw new ServiceError('ValidationException', 'This Systems Manager takes InstanceIds only, not Targets.');
    if (ids.length === 0 || ids.length > MAX_INSTANCES)
      throw new ServiceError('ValidationException', `InstanceIds takes 1 to ${MAX_INSTANCES} ids, not ${ids.length}.`);
    if (new Set(ids).size < ids.length)
      throw new ServiceError('DuplicateInstanceId', 'You cannot specify an instance ID in more than one association.');
    const nodes = ids
      .flatMap((id) => this.#options.fleet.get(id) ?? [])
      .filter((node) => node.isAgentUp && regionOf(node) === region);
    if (nodes.length === ids.length) return nodes;
    const ready = new Set(nodes.map((node) => node.instanceId));
    const absent = ids.filter((id) => !ready.has(id)).join(', ');
    throw new ServiceError(
      'InvalidInstanceId',
      `Instances [[${absent}]] not in a valid state for account ${ACCOUNT_ID}`,
    );
  }

  #invoke(
    node: SimulatedNode,
    { commandId, document, parameters, input }: CommandContent,
  ): readonly [instanceId: string, Invocation] {
    const { clock, random } = this.#options;
    const documentName = input.DocumentName ?? '';
    const disturbance = this.#takeDisturbance(documentName, node.instanceId);
    const invocation = new Invocation({
      clock,
      node,
      commandId,
      comment: input.Comment ?? '',
      documentName,
      document,
      parameters,
      visibleAfterSeconds: this.#timing.visibleAfterSeconds,
      deliveredAfterSeconds: secondsWithin(this.#timing.deliveredAfterSeconds, random),
      deliveryTimeoutSeconds: input.TimeoutSeconds ?? DELIVERY_TIMEOUT_SECONDS,
      runSeconds: secondsWithin(this.#timing.runSeconds, random) + (disturbance?.slowerBySeconds ?? 0),
      outcome: disturbance?.outcome,
    });
    return [node.instanceId, invocation];
  }

  #takeDisturbance(documentName: string, instanceId: string): Disturbance | undefined {
    const found = this.#disturbances.find(
      (one) =>
        one.times !== 0 &&
        (one.documentName ?? documentName) === documentName &&
        (one.instanceId ?? instanceId) === instanceId,
    );
    if (found?.times !== undefined) found.times -= 1;
    return found;
  }

  #command(commandId: string, input: SendCommandCommandInput): Command {
    const now = this.#options.clock.now();
    const timeoutSeconds = input.TimeoutSeconds ?? DELIVERY_TIMEOUT_SECONDS;
    return {
      CommandId: commandId,
      DocumentName: input.DocumentName,
      DocumentVersion: input.DocumentVersion ?? '$DEFAULT',
      Comment: input.Comment ?? '',
      ExpiresAfter: new Date(now + timeoutSeconds * 1000),
      Parameters: input.Parameters ?? {},
      InstanceIds: input.InstanceIds,
      Targets: [],
      RequestedDateTime: new Date(now),
      Status: 'Pending',
      StatusDetails: 'Pending',
      MaxConcurrency: input.MaxConcurrency ?? '50',
      MaxErrors: input.MaxErrors ?? '0',
      TargetCount: input.InstanceIds?.length ?? 0,
      CompletedCount: 0,
      ErrorCount: 0,
      DeliveryTimedOutCount: 0,
      TimeoutSeconds: timeoutSeconds,
    };
  }

  #getCommandInvocation(
    input: GetCommandInvocationCommandInput,
    { region = REGION }: InRegion,
  ): GetCommandInvocationResult {
    const invocation = this.#commands.get(`${region} ${input.CommandId}`)?.get(input.InstanceId ?? '');
    if (!invocation?.isVisible)
      throw new ServiceError(
        'InvocationDoesNotExist',
        `There is no invocation of command ${input.CommandId} on instance ${input.InstanceId}.`,
      );
    const description = invocation.describe();
    if (input.PluginName !== undefined && input.PluginName !== description.PluginName)
      throw new ServiceError('InvalidPluginName', `The command has no plugin named ${input.PluginName}.`);
    return description;
  }
}

type InRegion = Pick<RequestContext, 'region'>;

/** A managed node is activated in the world's own Region, wherever it is. */
function regionOf({ instanceId, machine }: SimulatedNode): string {
  return instanceId.startsWith('mi-') ? REGION : regionOfZone(machine);
}

interface CommandContent {
  readonly commandId: string;
  readonly document: CommandDocument;
  readonly parameters: Record<string, string>;
  readonly input: SendCommandCommandInput;
}

function checkedParameters(document: CommandDocument, given: Record<string, string[]>): Record<string, string> {
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(document.parameters, name));
  if (unknown !== undefined) refuse('InvalidParameters', `Parameter "${unknown}" is not declared in the document.`);
  const checked = Object.entries(document.parameters).map(([name, parameter]) => {
    const { allowedPattern } = parameter;
    const value = given[name] === undefined ? (parameter.default ?? onlyValue(name)) : onlyValue(name, given[name]);
    // AWS-RunShellScript shows that the whole value must match: "([1-9][0-9]{0,4})|…|(172800)" limits its executionTimeout.
    if (allowedPattern !== undefined && !new RegExp(`^(?:${allowedPattern})$`).test(value))
      refuse('InvalidParameters', `Parameter "${name}" has a value that does not match its pattern ${allowedPattern}.`);
    return [name, value];
  });
  return Object.fromEntries(checked);
}

function onlyValue(name: string, values: readonly string[] = []): string {
  const [value] = values;
  if (value === undefined || values.length > 1)
    return refuse('InvalidParameters', `Parameter "${name}" is a String and takes exactly one value.`);
  return value;
}

function refuse(code: string, message: string): never {
  throw new ServiceError(code, message);
}
