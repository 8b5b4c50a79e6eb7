import type { Random } from '../../world/kernel/random.ts';
import { ServiceError } from '../../world/wire/service.ts';
import { between, HOUR, MINUTE, oneOf, shared } from './chance.ts';
import { SHARES } from './estate.ts';
import { fingerprintOf } from './lives.ts';
import { nodesOf } from './servers.ts';
import type { Life, SoakWorld } from './world.ts';

/** The disk brings back a key that was retired with a former one: it has to be refused. */
export const RESTORED = 'its disk is a former one';

const GROUPS = SHARES.map(([place]) => place).filter((place) => !place.startsWith('lightsail '));

/** What a person makes another root volume from, and how often of ten times. */
const SOURCES: readonly (readonly [request: { ImageId?: string; SnapshotId?: string }, share: number])[] = [
  [{ ImageId: 'ami-0fedcba9876543210' }, 7],
  [{}, 1],
  [{ SnapshotId: 'snap-0123456789abcdef0' }, 2],
];

/** Replaces root volumes until `until`: of whole groups, by an instance refresh, and of single instances, by hand. */
export function planReImages(world: SoakWorld, random: Random, until: number): void {
  const { clock, ec2, lives } = world;
  const begin = clock.now();
  ec2.observe({
    onRootVolumeReplaced: ({ instanceId }, source) => {
      const life = lives.find(({ name }) => name === instanceId);
      if (life) void reImage(world, life, source === 'former-disk');
    },
  });
  for (let instant = begin + HOUR; instant < until - HOUR; instant += between(random, 1, 4) * HOUR)
    clock.at(instant, () => refresh(world, oneOf(random, GROUPS)));
  for (let instant = begin + HOUR; instant < until; instant += between(random, 5, 30) * MINUTE)
    clock.at(instant, () => replaceOne(world, random));
}

function refresh({ autoScaling, history }: SoakWorld, AutoScalingGroupName: string): void {
  history.weather(`an instance refresh of ${AutoScalingGroupName} replaces root volumes`);
  const Overrides = [{ ImageId: 'ami-0fedcba9876543210' }];
  const DesiredConfiguration = { MixedInstancesPolicy: { LaunchTemplate: { Overrides } } };
  const Preferences = { MinHealthyPercentage: 50 };
  refusable(history, AutoScalingGroupName, () =>
    autoScaling.startInstanceRefresh({
      ...{ AutoScalingGroupName, Strategy: 'ReplaceRootVolume' },
      ...{ DesiredConfiguration, Preferences },
    }),
  );
}

function replaceOne(world: SoakWorld, random: Random): void {
  const { autoScaling, ec2, lives, history } = world;
  const inService = lives.filter(({ name }) => autoScaling.members.get(name)?.lifecycleState === 'InService');
  if (inService.length === 0) return;
  const life = oneOf(random, inService);
  const request = shared(random, SOURCES);
  // A key that was never bound is the first one on any disk.
  if (request.SnapshotId !== undefined && !isEnrolled(world, life)) return;
  history.add(life.name, `a person replaces its root volume: ${JSON.stringify(request)}`);
  refusable(history, life.name, () => ec2.replaceRootVolume(life.name, request));
}

/** The service may refuse: another replacement runs. */
function refusable(history: SoakWorld['history'], what: string, start: () => unknown): void {
  try {
    start();
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    history.add(what, `which is refused: ${error.message}`);
  }
}

function isEnrolled(world: SoakWorld, { name, key }: Life): boolean {
  return nodesOf(world).some((node) => node.name === name && node.fingerprint === key);
}

/** The node has booted from the other disk. */
async function reImage({ clock, fleet, history }: SoakWorld, life: Life, isFormer: boolean): Promise<void> {
  history.add(life.name, `boots from ${isFormer ? 'a former disk' : 'an empty disk'}`);
  if (isFormer) life.unfit ??= RESTORED;
  else if (life.unfit === RESTORED) life.unfit = undefined;
  const release = clock.hold();
  life.key = undefined;
  life.fingerprint = fingerprintOf(fleet.get(life.name));
  life.key = await life.fingerprint;
  release();
}
