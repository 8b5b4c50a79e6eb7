import * as z from 'zod';
import { type Instance, MetadataOptions } from './instance.ts';
import { EXEMPTIBLE, Register } from './profile.ts';
import { Associate } from './servers.ts';

/** What was done for one node at one configuration server. Only the ledger says whose node it is: a name proves nothing. */
export const LedgerAssociation = z.object({
  /** The server as the profile named it then: what undoing the association needs, whatever the profile has become since. */
  server: Associate,
  nodeName: z.string(),
  /**
   * `asked`: presented, and the server may or may not have taken it; `confirmed`: the server has the node with our key;
   * `refused`: the server has said no, so what it has under this name is not ours; `undone`: taken off the server.
   */
  status: z.enum(['asked', 'confirmed', 'refused', 'undone']),
  /** SHA-256 of the key's SPKI that was presented; null for an engine that takes no key. */
  publicKeyFingerprint: z.string().nullable(),
  /** When the status was last changed. */
  at: z.string(),
  /** When the server's key was found to be ours and the removal began: from then on a missing key is our own doing. */
  undoingSince: z.string().optional(),
});
export type LedgerAssociation = z.infer<typeof LedgerAssociation>;

/**
 * The ledger: one item an instance. It holds who owns the instance and what is known of it.
 *
 *   enrolling ──► enrolled ──► retiring ──► retired (expires)
 *     ▲ └──────►  failed  ───────┘
 *     │              │
 *     └─ re-imaging ◄┴─ enrolled      the old root volume's key is retired, and the instance stays
 *
 * An execution that takes an instance makes its generation one more, and every write of an owner names the generation
 * that it owns: a late writer, whose instance another execution has taken meanwhile, is refused (ClaimedElsewhere).
 */
export const LedgerItem = z.object({
  /** `i-…` or `lightsail/REGION/NAME`. */
  instance: z.string(),
  status: z.enum(['enrolling', 'enrolled', 'failed', 're-imaging', 'retiring', 'retired']),
  /** ARN of the execution that owns, or last owned, the instance. */
  execution: z.string(),
  generation: z.int(),
  /** When the owner took it, and when it had finished. */
  claimedAt: z.string(),
  endedAt: z.string().optional(),
  /** When the end of the instance was announced, or asked for. */
  goneSince: z.string().optional(),
  /** When IMDSv1 was closed on an instance that had run with it: not at its launch. */
  hardenedAt: z.string().optional(),
  /** When the metadata options were put back on request, and for which version of the profile they are left so. */
  reverted: z.object({ at: z.string(), profileVersion: z.string() }).nullish(),
  /** The enrolment that a retirement found running, and stops. */
  interruptedExecution: z.string().optional(),
  profile: z.string().optional(),
  profileVersion: z.string().optional(),
  nodeName: z.string().optional(),
  region: z.string(),
  launchTime: z.string().nullish(),
  /** The instance's ARN at its service: of two Lightsail instances that had one name, it tells one from the other. */
  arn: z.string().nullish(),
  autoScalingGroupName: z.string().nullish(),
  /** Where the profile has it: what a retirement undoes, whatever the profile has become since. */
  register: Register.nullish(),
  associate: Associate.nullish(),
  /** By the server's identity: what was done at each, and what of it is undone. */
  associations: z.record(z.string(), LedgerAssociation).optional(),
  /** What its profile asks for and it was exempt from. When an exemption is over, an enrolment is due. */
  exempt: z.array(z.enum(EXEMPTIBLE)).optional(),
  opsworksInstanceId: z.string().optional(),
  /** `others`: the stack had it before we asked, or refused us, so what it has is not ours to take out. */
  registeredBy: z.enum(['muster', 'others']).optional(),
  /** Until when an attempt may still be registering the instance. */
  registeringUntil: z.string().optional(),
  /** SHA-256 of the key's SPKI. The first key wins. */
  publicKeyFingerprint: z.string().optional(),
  /**
   * The root volume whose key is bound, and when it was seen attached: the key was bound after that. An item from before
   * root volumes were recorded has none.
   */
  rootVolumeId: z.string().optional(),
  rootVolumeSeenAt: z.string().optional(),
  /** Keys of former root volumes: a snapshot brings one back, and it is never bound again. */
  retiredKeys: z.array(z.string()).optional(),
  /** When the root volume was replaced for which the node is being enrolled again. */
  reImagedAt: z.string().nullish(),
  /** The instance's metadata options as they were before we first changed them. */
  metadataBefore: MetadataOptions.optional(),
  /** The metadata options were refused for good, and the profile goes on without: why. */
  metadataUnsupported: z.string().optional(),
  lastError: z.string().optional(),
  /** The failure's name, as in lib/errors.ts: it says whether trying again can help. */
  errorName: z.string().optional(),
  /** The first sweep that did not see the instance any more; a later one confirms it, or takes this back. */
  missingSince: z.string().optional(),
  /** Seconds since the epoch: DynamoDB's TTL for retired items. */
  expiresAt: z.int().optional(),
});
export type LedgerItem = z.infer<typeof LedgerItem>;

/**
 * Whether the item is about this very instance. A Lightsail name is given again, and then another ARN has it; an item from
 * before ARNs were recorded has only the time of the creation.
 */
export function isSameInstance(
  { arn, launchTime }: Pick<LedgerItem, 'arn' | 'launchTime'>,
  instance: Pick<Instance, 'platform' | 'arn' | 'launchTime'>,
): boolean {
  if (instance.platform === 'ec2') return true;
  if (arn && instance.arn) return arn === instance.arn;
  // What is not known proves nothing.
  return !launchTime || !instance.launchTime || launchTime === instance.launchTime;
}

/** Whether the item is about an earlier instance of the name. A service may also show the earlier one, which is deleted. */
export function isOfEarlierInstance(
  item: Pick<LedgerItem, 'arn' | 'launchTime'>,
  instance: Pick<Instance, 'platform' | 'arn' | 'launchTime'>,
): boolean {
  if (isSameInstance(item, instance) || !item.launchTime || !instance.launchTime) return false;
  return Date.parse(item.launchTime) < Date.parse(instance.launchTime);
}

/** What binds a key to an instance. Only a function that binds, undoes or ends a binding may write it: resources/functions.yml. */
export const BINDING_ATTRIBUTES = [
  'publicKeyFingerprint',
  'associations',
  'rootVolumeId',
  'rootVolumeSeenAt',
  'retiredKeys',
] as const satisfies (keyof LedgerItem)[];

/**
 * Which instance has a node name or a key: services/node-names.ts, services/node-keys.ts. It is written with its whole item,
 * under the keys that a role names; no role may change it in an item.
 */
export const HOLDER_ATTRIBUTE = 'holder';
