import * as z from 'zod';
import type { WantedOptions } from './profile.ts';

/** An instance's metadata options, in the services' own member names; null is a value that the service did not tell. */
export const MetadataOptions = z.object({
  state: z.enum(['pending', 'applied']).nullable(),
  httpTokens: z.enum(['required', 'optional']).nullable(),
  httpEndpoint: z.enum(['enabled', 'disabled']).nullable(),
  httpPutResponseHopLimit: z.int().nullable(),
});
export type MetadataOptions = z.infer<typeof MetadataOptions>;

/** Whether the options are those that the profile names. What the service did not tell does not comply. */
export function complies(options: MetadataOptions, wanted: WantedOptions): boolean {
  return (
    options.httpTokens === wanted.httpTokens &&
    (wanted.httpEndpoint === undefined || options.httpEndpoint === wanted.httpEndpoint) &&
    (wanted.httpPutResponseHopLimit === undefined || options.httpPutResponseHopLimit === wanted.httpPutResponseHopLimit)
  );
}

const RootVolume = z.object({ id: z.string(), attachedAt: z.iso.datetime().nullable() });

/** `$.instance`: the instance as the control plane knows it. Nothing here comes from the node. */
export const Instance = z.object({
  platform: z.enum(['ec2', 'lightsail']),
  /** `i-…`, or the Lightsail instance's name. */
  instanceId: z.string(),
  /** Its name at the configuration server. */
  nodeName: z.string(),
  accountId: z.string(),
  region: z.string(),
  /** AMI or blueprint. */
  imageId: z.string().nullable(),
  /** EC2: when it was last started. Lightsail: when it was created. */
  launchTime: z.iso.datetime().nullable(),
  /** When it came into being. An execution that began before a deployment does not say it. */
  createdTime: z.iso.datetime().nullable().default(null),
  /** Its ARN, where two instances in turn may have its id: those of Lightsail, whose names are given again. */
  arn: z.string().nullable().default(null),
  privateIpAddress: z.string().nullable(),
  publicIpAddress: z.string().nullable(),
  autoScalingGroupName: z.string().nullable(),
  tags: z.record(z.string(), z.string()),
  metadataOptions: MetadataOptions,
  /** An execution that began before a deployment does not say what follows. */
  rootDeviceType: z.enum(['ebs', 'instance-store']).nullable().default(null),
  /** The EBS volume that is attached as its root device; an instance store is none. */
  rootVolume: RootVolume.nullable().default(null),
  /** When the control plane was asked for all of this: it was so then, or a little before. */
  describedAt: z.iso.datetime().nullable().default(null),
  /** When EC2 last finished replacing its root volume; null where it has not, or was not asked. */
  replacedAt: z.iso.datetime().nullable().default(null),
});
export type Instance = z.infer<typeof Instance>;

/** What an instance without an EBS volume as its root device says of it. */
export const NO_ROOT_VOLUME = { rootDeviceType: null, rootVolume: null, describedAt: null, replacedAt: null };

/**
 * For some minutes after a launch EC2 may show an instance without its tags, and IAM denies what a role allows by tag.
 * A guess: AWS names no limit, and public reports speak of seconds.
 */
const TAGS_SHOWN_WITHIN_MINUTES = 10;

/** Whether an instant lies so shortly before `now` that tags of a launch at that instant may still be missing. */
export function mayLackTags(launchedAt: string | null, now: string): boolean {
  return launchedAt !== null && Date.parse(now) - Date.parse(launchedAt) < TAGS_SHOWN_WITHIN_MINUTES * 60_000;
}

/** An instance and the state it is in, in its service's own word (`pending`, `running`, `terminated`, …). */
export interface Found {
  instance: Instance;
  state: string;
}

/** Which instance is meant, and in which Region its service is to be asked for it. */
export type InstanceRef = Pick<Instance, 'platform' | 'instanceId' | 'region'>;

/**
 * The name of a Lightsail instance at its configuration server. Another Region may have an instance of the same name: there
 * the Region stands behind it.
 * @param home the stack's own Region
 */
export function lightsailNodeName(
  { instanceId, region }: Pick<InstanceRef, 'instanceId' | 'region'>,
  home: string,
): string {
  return `${instanceId.toLowerCase()}${region === home ? '' : `.${region}`}`;
}

/** The key of an instance's item in the ledger. An EC2 instance's id is its own everywhere, a Lightsail name in its Region. */
export function ledgerKey({ platform, instanceId, region }: InstanceRef): string {
  return platform === 'ec2' ? instanceId : `lightsail/${region}/${instanceId}`;
}

/** The instance whose item this is in the ledger. A Lightsail instance's Region is part of its key. */
export function namedBy({ instance, region }: { instance: string; region: string }): InstanceRef {
  const [, regionOfName, name] = instance.split('/');
  return name === undefined || regionOfName === undefined
    ? { platform: 'ec2', instanceId: instance, region }
    : { platform: 'lightsail', instanceId: name, region: regionOfName };
}

/** An instance's place in its Auto Scaling group, in the service's own words: `Pending:Wait`, `InService`, `Warmed:Stopped`, … */
export interface GroupMember {
  autoScalingGroupName: string;
  lifecycleState: string;
}
