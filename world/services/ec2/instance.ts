import type { Instance } from '@aws-sdk/client-ec2';
import { REGION } from '../../kernel/account.ts';
import type { MetadataUse } from '../cloudwatch/metadata-use.ts';
import type { Numbered } from '../paging/serial-page.ts';
import type { MetadataOptions } from './metadata.ts';

/** EC2's states and the codes that it gives them. */
const STATE_CODES = {
  pending: 0,
  running: 16,
  'shutting-down': 32,
  terminated: 48,
  stopping: 64,
  stopped: 80,
} as const;
export type Ec2State = keyof typeof STATE_CODES;

/** The subnets of the world's one VPC, and the Availability Zone of each. */
export const VPC_ID = 'vpc-0f1e2d3c4b5a69788';
export const SUBNETS: Readonly<Record<string, string>> = {
  'subnet-0a0a0a0a0a0a0a0a0': `${REGION}a`,
  'subnet-0b0b0b0b0b0b0b0b0': `${REGION}b`,
  'subnet-0c0c0c0c0c0c0c0c0': `${REGION}c`,
};

/** An instance as EC2 keeps it. Others may look, only the double writes. */
export interface Ec2Instance extends Numbered {
  readonly instanceId: string;
  readonly reservationId: string;
  readonly imageId: string;
  readonly instanceType: string;
  readonly architecture: 'x86_64' | 'arm64';
  readonly subnetId: string;
  readonly availabilityZone: string;
  readonly privateIpAddress: string;
  readonly publicIpAddress: string;
  readonly privateDnsName: string;
  readonly tags: ReadonlyMap<string, string>;
  /** When it was last started. */
  readonly launchTime: Date;
  /** When its primary network interface was attached: once, at the launch. */
  readonly attachTime: Date;
  readonly state: Ec2State;
  readonly rootDeviceType: 'ebs' | 'instance-store';
  /** Undefined where the root device is an instance store, which is no volume. */
  readonly rootVolume: RootVolume | undefined;
  readonly metadataOptions: Readonly<MetadataOptions>;
  readonly metadataUse: MetadataUse;
}

/** The EBS volume that is attached as the root device. */
export interface RootVolume {
  readonly volumeId: string;
  readonly attachTime: Date;
}

const ROOT_DEVICE = '/dev/xvda';

/** The instance as DescribeInstances shows it: a terminated one has left its network. */
export function describeInstance(instance: Ec2Instance): Instance {
  const gone = instance.state === 'terminated';
  return {
    InstanceId: instance.instanceId,
    ImageId: instance.imageId,
    InstanceType: instance.instanceType as NonNullable<Instance['InstanceType']>,
    Architecture: instance.architecture,
    LaunchTime: instance.launchTime,
    Placement: { AvailabilityZone: instance.availabilityZone, GroupName: '', Tenancy: 'default' },
    State: stateOf(instance.state),
    PrivateDnsName: gone ? '' : instance.privateDnsName,
    ...(gone ? {} : network(instance)),
    RootDeviceName: ROOT_DEVICE,
    RootDeviceType: instance.rootDeviceType,
    BlockDeviceMappings: gone ? [] : blockDevices(instance),
    Tags: [...instance.tags].map(([Key, Value]) => ({ Key, Value })),
    MetadataOptions: { ...instance.metadataOptions },
  };
}

function blockDevices({ rootVolume }: Ec2Instance): Instance['BlockDeviceMappings'] {
  if (!rootVolume) return [];
  const { volumeId: VolumeId, attachTime: AttachTime } = rootVolume;
  return [{ DeviceName: ROOT_DEVICE, Ebs: { VolumeId, AttachTime, Status: 'attached', DeleteOnTermination: true } }];
}

function network(instance: Ec2Instance): Instance {
  return {
    PrivateIpAddress: instance.privateIpAddress,
    PublicIpAddress: instance.publicIpAddress,
    SubnetId: instance.subnetId,
    VpcId: VPC_ID,
    NetworkInterfaces: [
      {
        SubnetId: instance.subnetId,
        VpcId: VPC_ID,
        PrivateIpAddress: instance.privateIpAddress,
        Attachment: { AttachTime: instance.attachTime, DeviceIndex: 0, Status: 'attached' },
      },
    ],
  };
}

/** A state with its code, as in the answers of TerminateInstances. */
export function stateOf(state: Ec2State): { Code: number; Name: Ec2State } {
  return { Code: STATE_CODES[state], Name: state };
}
