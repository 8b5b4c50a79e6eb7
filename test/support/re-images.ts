import { ESTATE, type HookSettings } from '../../local/estate.ts';
import { readProfiles } from '../../profiles/file.ts';
import { publicKeySha256 } from '../../world/pki/keys.ts';
import { atRest, HOUR, sweep } from './sweeps.ts';
import { type Played, playWorld, untilEnded } from './world.ts';

export const MINUTE = 60_000;

/** The hooks that a group, and its profile, has. */
export type Hooks = 'both' | 'launch' | 'termination' | 'none';

const KINDS: Readonly<Record<Hooks, readonly HookSettings['LifecycleTransition'][]>> = {
  both: ['autoscaling:EC2_INSTANCE_LAUNCHING', 'autoscaling:EC2_INSTANCE_TERMINATING'],
  launch: ['autoscaling:EC2_INSTANCE_LAUNCHING'],
  termination: ['autoscaling:EC2_INSTANCE_TERMINATING'],
  none: [],
};

/** A fleet of the group web that is enrolled, with these hooks, and without what takes time and plays no part. */
export async function enrolledWith(hooks: Hooks, count = 1, options: Parameters<typeof playWorld>[0] = {}) {
  const kinds = KINDS[hooks];
  const profiles = readProfiles('profiles.yml').map(({ register: _, lifecycleHook, terminationHook, ...profile }) => ({
    ...profile,
    ...(kinds.includes('autoscaling:EC2_INSTANCE_LAUNCHING') && lifecycleHook && { lifecycleHook }),
    ...(kinds.includes('autoscaling:EC2_INSTANCE_TERMINATING') && terminationHook && { terminationHook }),
  }));
  const estate = { ...ESTATE, hooks: ESTATE.hooks.filter(({ LifecycleTransition: kind }) => kinds.includes(kind)) };
  const world = await playWorld({ profiles, estate, ...options });
  const instances = world.autoScaling.launch('web', count);
  await untilEnded(world, count);
  await world.clock.advance(HOUR);
  return { world, instances, instance: instances[0] ?? '' };
}

/** Replaces the root volumes of the group by an instance refresh. */
export function refresh(
  world: Played,
  { group: AutoScalingGroupName = 'web', ...Preferences }: { group?: string; MinHealthyPercentage?: number } = {},
): void {
  world.autoScaling.startInstanceRefresh({
    AutoScalingGroupName,
    Strategy: 'ReplaceRootVolume',
    DesiredConfiguration: { MixedInstancesPolicy: { LaunchTemplate: { Overrides: [{ ImageId: 'ami-1' }] } } },
    Preferences,
  });
}

/** Lets time pass until the instance is in the lifecycle state. */
export async function untilState(world: Played, instance: string, state: string): Promise<void> {
  for (let seconds = 0; seconds < 3600; seconds++) {
    if (world.autoScaling.members.get(instance)?.lifecycleState === state) return;
    await world.clock.advance(1000);
  }
  throw new Error(`${instance} is never ${state}.`);
}

/**
 * The instances that FinishLaunch has let into service since, each with another root volume than the one that was enrolled:
 * none, if no empty disk passes for an enrolled one.
 */
export function emptyDisksIn(world: Played): string[] {
  const empty: string[] = [];
  const before = world.lambda.interceptor;
  world.lambda.interceptor = async (invocation, next) => {
    const answer = await before(invocation, next);
    if (!invocation.functionName.endsWith('finish-launch')) return answer;
    const { instance } = invocation.payload as { instance: { instanceId: string; rootVolume: { id: string } } };
    const { rootVolume } = world.ec2.instance(instance.instanceId) ?? {};
    if (rootVolume?.volumeId !== instance.rootVolume.id) empty.push(instance.instanceId);
    return answer;
  };
  return empty;
}

/** Lets everything end, with a sweep an hour as it is deployed. */
export async function settle(world: Played, hours = 3): Promise<void> {
  for (let hour = 0; hour < hours; hour++) {
    await world.clock.advance(HOUR);
    await sweep(world);
    await atRest(world);
  }
}

/** The fingerprint of the key that the node has now, as the ledger spells it. */
export async function keyOf({ fleet }: Played, instance: string): Promise<string> {
  const pem = await fleet.get(instance)?.publicKeyPem();
  return pem === undefined ? '' : (publicKeySha256(pem).match(/../g) ?? []).join(':');
}

/** The ledger's item of the instance. */
export async function itemOf(world: Played, instance: string): Promise<Record<string, unknown>> {
  return (await world.ledger()).find((item) => item.instance === instance) ?? {};
}

/** What becomes of an instance, without what differs between ways to the same end. */
export async function endOf(world: Played, instance: string) {
  return endWith(world, instance, await itemOf(world, instance));
}

/** The same of each instance, of which the ledger is read once. */
export async function endsOf(world: Played, instances: readonly string[]) {
  const items = new Map((await world.ledger()).map((item) => [item.instance, item]));
  return Promise.all(instances.map((instance) => endWith(world, instance, items.get(instance) ?? {})));
}

async function endWith(world: Played, instance: string, item: Record<string, unknown>) {
  const { status, publicKeyFingerprint, rootVolumeId, associations = {}, retiredKeys } = item;
  return {
    status,
    hasOwnKey: publicKeyFingerprint === (await keyOf(world, instance)),
    isOnOwnDisk: rootVolumeId === world.ec2.instance(instance)?.rootVolume?.volumeId,
    associations: Object.values(associations as Record<string, { status: string }>).map((one) => one.status),
    retired: Array.isArray(retiredKeys) ? retiredKeys.length : 0,
    lifecycle: world.autoScaling.members.get(instance)?.lifecycleState,
    server: world.opsWorksCm.snapshot().servers.ChefServer?.associations.map(({ nodeName }) => nodeName),
  };
}
