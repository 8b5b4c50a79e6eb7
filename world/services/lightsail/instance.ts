import type { Instance, Operation, OperationType, RegionName, ResourceLocation } from '@aws-sdk/client-lightsail';
import { ACCOUNT_ID, regionOf } from '../../kernel/account.ts';
import type { MetadataUse } from '../cloudwatch/metadata-use.ts';
import type { Numbered } from '../paging/serial-page.ts';

export interface LightsailMetadataOptions {
  readonly state: 'pending' | 'applied';
  readonly httpTokens: 'optional' | 'required';
  readonly httpEndpoint: 'enabled' | 'disabled';
  readonly httpPutResponseHopLimit: number;
  readonly httpProtocolIpv6: 'enabled' | 'disabled';
}

const STATE_CODES = { pending: 0, running: 16, 'shutting-down': 32 } as const;

/** An instance as Lightsail keeps it. Others may look, only the double writes. */
export interface LightsailInstance extends Numbered {
  readonly name: string;
  readonly arn: string;
  readonly createdAt: Date;
  readonly availabilityZone: string;
  readonly blueprintId: string;
  readonly bundleId: string;
  readonly privateIpAddress: string;
  readonly publicIpAddress: string;
  readonly tags: readonly { readonly key?: string | undefined; readonly value?: string | undefined }[];
  readonly state: keyof typeof STATE_CODES;
  readonly metadataOptions: LightsailMetadataOptions;
  readonly metadataUse: MetadataUse;
}

/** An operation as GetOperation shows it; it goes on until it is terminal. */
export type LightsailOperation = Operation & { readonly id: string };

function locationOf(instance: LightsailInstance): ResourceLocation {
  const regionName = regionOf(instance) as RegionName;
  return { availabilityZone: instance.availabilityZone, regionName };
}

/** The instance as GetInstance shows it. */
export function describeInstance(instance: LightsailInstance): Instance {
  const { serial: _, metadataUse: __, availabilityZone: ___, state, tags, metadataOptions, ...shown } = instance;
  return {
    ...shown,
    supportCode: `${ACCOUNT_ID}/${instance.name}`,
    location: locationOf(instance),
    resourceType: 'Instance',
    blueprintName: instance.blueprintId,
    tags: [...tags],
    isStaticIp: false,
    ipAddressType: 'dualstack',
    hardware: { cpuCount: 2, ramSizeInGb: 0.5 },
    state: { code: STATE_CODES[state], name: state },
    username: 'ec2-user',
    sshKeyName: 'LightsailDefaultKeyPair',
    metadataOptions: { ...metadataOptions },
  };
}

/** An operation that has just begun. */
export function startedOperation(
  id: string,
  instance: LightsailInstance,
  operationType: OperationType,
  now: Date,
): LightsailOperation {
  return {
    id,
    resourceName: instance.name,
    resourceType: 'Instance',
    createdAt: now,
    location: locationOf(instance),
    isTerminal: false,
    operationDetails: '',
    operationType,
    status: 'Started',
    statusChangedAt: now,
  };
}
