import type {
  AssignInstanceCommandInput,
  DeregisterInstanceCommandInput,
  DescribeInstancesCommandInput,
  DescribeInstancesResult,
  DescribeLayersCommandInput,
  DescribeLayersResult,
  DescribeStacksCommandInput,
  DescribeStacksResult,
  LayerType,
  RegisterInstanceCommandInput,
  RegisterInstanceResult,
  UnassignInstanceCommandInput,
} from '@aws-sdk/client-opsworks';
import * as z from 'zod';
import { ACCOUNT_ID, REGION } from '../../kernel/account.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { Random } from '../../kernel/random.ts';
import { uuid } from '../../kernel/uuid.ts';
import type { Fleet } from '../../machines/fleet.ts';
import type { IdentitySigner } from '../../machines/identity.ts';
import type { SimulatedNode } from '../../machines/node.ts';
import { isRsaPublicKeyPem, publicKeySha256 } from '../../pki/keys.ts';
import { ServiceError, type ServiceOf } from '../../wire/service.ts';
import { REGISTRATION_TIMING, Registration, type RegistrationStatus, type RegistrationTiming } from './registration.ts';

const HOSTNAME_CHARACTERS = 63;

/** A stack and its layers, in the API's own words. */
export interface StackSpecification {
  readonly StackId: string;
  readonly Name: string;
  readonly Layers: readonly {
    readonly LayerId: string;
    readonly Name: string;
    readonly Shortname: string;
    readonly Type: LayerType;
  }[];
}

interface OpsWorksOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly fleet: Fleet;
  /** Who signs the world's instance identity documents. */
  readonly signer: Pick<IdentitySigner, 'verify'>;
  readonly stacks: readonly StackSpecification[];
  readonly timing?: Partial<RegistrationTiming>;
}

interface OpsWorksSnapshot {
  readonly instances: {
    readonly instanceId: string;
    readonly ec2InstanceId: string | undefined;
    readonly hostname: string | undefined;
    readonly status: RegistrationStatus;
    readonly layerIds: readonly string[];
  }[];
}

/** The members of an identity document that registration reads. */
const IdentityDocument = z.object({ instanceId: z.string(), accountId: z.string(), region: z.string() });

/**
 * OpsWorks Stacks, for instances that were made elsewhere: register, assign, unassign, deregister, describe.
 * RegisterInstance has no client token: called twice it makes two records, as in the service.
 * https://docs.aws.amazon.com/opsworks/latest/APIReference/
 */
export class OpsWorks {
  readonly service: ServiceOf<'opsworks'>;
  readonly #options: OpsWorksOptions;
  readonly #timing: RegistrationTiming;
  readonly #registrations = new Map<string, Registration>();
  /** Until when the registrations of an EC2 instance are in no list. */
  readonly #hidden = new Map<string, number>();

  constructor(options: OpsWorksOptions) {
    this.#options = options;
    this.#timing = { ...REGISTRATION_TIMING, ...options.timing };
    const operations = {
      RegisterInstance: (input: RegisterInstanceCommandInput) => this.#register(input),
      AssignInstance: (input: AssignInstanceCommandInput) => this.#assign(input),
      UnassignInstance: (input: UnassignInstanceCommandInput) => this.#unassign(input),
      DeregisterInstance: (input: DeregisterInstanceCommandInput) => this.#deregister(input),
      DescribeInstances: (input: DescribeInstancesCommandInput) => this.#describeInstances(input),
      DescribeStacks: (input: DescribeStacksCommandInput) => this.#describeStacks(input),
      DescribeLayers: (input: DescribeLayersCommandInput) => this.#describeLayers(input),
    };
    this.service = { name: 'opsworks', operations };
  }

  /** Leaves the instance's registrations out of every list for so many seconds, as an old view does. */
  hide(ec2InstanceId: string, seconds: number): void {
    this.#hidden.set(ec2InstanceId, this.#options.clock.now() + seconds * 1000);
  }

  snapshot(): OpsWorksSnapshot {
    const instances = [...this.#registrations.values()].map(({ record, status, layerIds }) => ({
      instanceId: record.instanceId,
      ec2InstanceId: record.ec2InstanceId,
      hostname: record.hostname,
      status,
      layerIds,
    }));
    return { instances };
  }

  async #register(input: RegisterInstanceCommandInput): Promise<RegisterInstanceResult> {
    const { clock, random } = this.#options;
    const { StackId: stackId } = this.#stack(input.StackId);
    if ((input.Hostname?.length ?? 0) > HOSTNAME_CHARACTERS)
      invalid(`Hostname is too long (maximum is ${HOSTNAME_CHARACTERS} characters)`);
    if (input.RsaPublicKey !== undefined && !isRsaPublicKeyPem(input.RsaPublicKey))
      invalid('RsaPublicKey is not an RSA public key in PEM format');
    const ec2InstanceId = await this.#verifiedInstanceId(input.InstanceIdentity);
    const record = {
      instanceId: uuid(random),
      stackId,
      ec2InstanceId,
      hostname: input.Hostname,
      publicIp: input.PublicIp,
      privateIp: input.PrivateIp,
      node: await this.#reportingNode(input, ec2InstanceId),
    };
    this.#registrations.set(record.instanceId, new Registration(record, { clock, random, timing: this.#timing }));
    return { InstanceId: record.instanceId };
  }

  /** The EC2 instance id that the identity document proves; undefined when none was sent. */
  async #verifiedInstanceId(identity: RegisterInstanceCommandInput['InstanceIdentity']): Promise<string | undefined> {
    if (identity?.Document === undefined && identity?.Signature === undefined) return undefined;
    const { Document: document = '', Signature: signature = '' } = identity;
    if (!(await this.#options.signer.verify({ document, signature })))
      invalid('The signature of the instance identity document could not be verified');
    // What this world's signer signed is JSON; only its content is still to be checked.
    const { instanceId, accountId, region } = IdentityDocument.parse(JSON.parse(document));
    if (accountId !== ACCOUNT_ID || region !== REGION)
      invalid(`The instance identity document is of account ${accountId} in ${region}, not of the stack's`);
    return instanceId;
  }

  /**
   * The machine whose agent will report for the record: it must bear the agent, and its agent proves itself with the
   * key that was registered, so an agent with another machine's key never reports.
   */
  async #reportingNode(
    input: RegisterInstanceCommandInput,
    ec2InstanceId: string | undefined,
  ): Promise<SimulatedNode | undefined> {
    const { fleet } = this.#options;
    const node =
      fleet.get(ec2InstanceId ?? '') ?? fleet.getByPrivateIp(input.PrivateIp ?? '') ?? fleet.get(input.Hostname ?? '');
    if (!node?.hasOpsWorksAgent) return undefined;
    if (input.RsaPublicKey === undefined) return node;
    const isItsKey = publicKeySha256(input.RsaPublicKey) === publicKeySha256(await node.publicKeyPem());
    return isItsKey ? node : undefined;
  }

  #assign(input: AssignInstanceCommandInput): object {
    const registration = this.#registration(input.InstanceId);
    const layerIds = input.LayerIds ?? [];
    if (layerIds.length === 0) invalid('Please provide at least one layer ID');
    for (const layerId of layerIds) this.#checkLayer(layerId, registration);
    this.#mustBe(registration, ['registered', 'online'], 'assigned to a layer');
    registration.assign(layerIds);
    return {};
  }

  #checkLayer(layerId: string, { record }: Registration): void {
    const layer = this.#layer(layerId);
    if (layer.StackId !== record.stackId)
      invalid(`Layer ${layerId} is not in stack ${record.stackId}, in which instance ${record.instanceId} is`);
    if (layer.Type !== 'custom')
      invalid(`Layer ${layerId} is of type ${layer.Type}: a registered instance can only be assigned to custom layers`);
  }

  #unassign(input: UnassignInstanceCommandInput): object {
    const registration = this.#registration(input.InstanceId);
    this.#mustBe(registration, ['online', 'setup_failed', 'connection_lost'], 'unassigned');
    registration.unassign();
    return {};
  }

  #deregister(input: DeregisterInstanceCommandInput): object {
    const registration = this.#registration(input.InstanceId);
    if (registration.status === 'deregistering') invalid(`Instance ${input.InstanceId} is already being deregistered`);
    registration.deregister(() => this.#registrations.delete(registration.record.instanceId));
    return {};
  }

  #mustBe({ record, status }: Registration, allowed: readonly RegistrationStatus[], what: string): void {
    if (allowed.includes(status)) return;
    invalid(
      `Instance ${record.instanceId} cannot be ${what} while it is ${status}; it must be ${allowed.join(' or ')}`,
    );
  }

  #describeInstances(input: DescribeInstancesCommandInput): DescribeInstancesResult {
    return { Instances: this.#selected(input).map((registration) => registration.describe()) };
  }

  #selected({ StackId, LayerId, InstanceIds }: DescribeInstancesCommandInput): Registration[] {
    if ([StackId, LayerId, InstanceIds].filter((selector) => selector !== undefined).length !== 1)
      invalid('Please provide either one or more instance IDs or one stack ID or one layer ID');
    if (InstanceIds) return InstanceIds.map((id) => this.#registration(id));
    const all = [...this.#registrations.values()].filter(({ record }) => !this.#isHidden(record.ec2InstanceId));
    if (LayerId !== undefined) {
      const layer = this.#layer(LayerId);
      return all.filter(({ layerIds }) => layerIds.includes(layer.LayerId));
    }
    const stack = this.#stack(StackId);
    return all.filter(({ record }) => record.stackId === stack.StackId);
  }

  #isHidden(ec2InstanceId = ''): boolean {
    return this.#options.clock.now() < (this.#hidden.get(ec2InstanceId) ?? 0);
  }

  #describeStacks({ StackIds }: DescribeStacksCommandInput): DescribeStacksResult {
    const stacks = StackIds ? StackIds.map((id) => this.#stack(id)) : this.#options.stacks;
    return {
      Stacks: stacks.map(({ StackId, Name }) => ({
        StackId,
        Name,
        Arn: `arn:aws:opsworks:${REGION}:${ACCOUNT_ID}:stack/${StackId}/`,
        Region: REGION,
      })),
    };
  }

  #describeLayers({ StackId, LayerIds }: DescribeLayersCommandInput): DescribeLayersResult {
    if ((StackId === undefined) === (LayerIds === undefined))
      invalid('Please provide one or more layer IDs or a stack ID');
    if (LayerIds) return { Layers: LayerIds.map((id) => this.#layer(id)) };
    const { StackId: stackId, Layers: layers } = this.#stack(StackId);
    return { Layers: layers.map((layer) => ({ ...layer, StackId: stackId })) };
  }

  #stack(stackId: string | undefined): StackSpecification {
    const stack = this.#options.stacks.find((one) => one.StackId === stackId);
    return stack ?? notFound(`Unable to find stack with ID ${stackId}`);
  }

  #layer(layerId: string): StackSpecification['Layers'][number] & { StackId: string } {
    for (const { StackId, Layers } of this.#options.stacks)
      for (const layer of Layers) if (layer.LayerId === layerId) return { ...layer, StackId };
    return notFound(`Unable to find layer with ID ${layerId}`);
  }

  #registration(instanceId: string | undefined): Registration {
    return this.#registrations.get(instanceId ?? '') ?? notFound(`Unable to find instance with ID ${instanceId}`);
  }
}

function invalid(message: string): never {
  throw new ServiceError('ValidationException', message);
}

function notFound(message: string): never {
  throw new ServiceError('ResourceNotFoundException', message);
}
