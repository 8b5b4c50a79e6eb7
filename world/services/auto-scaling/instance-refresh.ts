import type { StartInstanceRefreshType } from '@aws-sdk/client-auto-scaling';
import type { Random } from '../../kernel/random.ts';
import { uuid } from '../../kernel/uuid.ts';
import { ServiceError } from '../../wire/service.ts';
import type { Input } from '../types.ts';
import type { Group, Member } from './group.ts';
import type { Members } from './members.ts';

interface Refresh {
  readonly imageId: string;
  readonly cause: string;
  /** The instances that are still to come. */
  readonly left: Member[];
  /** How many are being replaced. */
  replacing: number;
}

type Request = Input<StartInstanceRefreshType, 'AutoScalingGroupName'>;

/**
 * Instance refreshes, as far as they replace root volumes: some instances of the group at a time, so that MinHealthyPercentage
 * of them stay in service.
 *
 * https://docs.aws.amazon.com/autoscaling/ec2/userguide/replace-root-volume.html
 */
export class InstanceRefreshes {
  readonly #members: Pick<Members, 'replaceRootVolume'>;
  readonly #random: Random;
  readonly #running = new Map<Group, Refresh>();

  constructor(members: Pick<Members, 'replaceRootVolume'>, random: Random) {
    this.#members = members;
    this.#random = random;
  }

  /** Throws ValidationError and InstanceRefreshInProgress. */
  start(group: Group, { Strategy, DesiredConfiguration, Preferences }: Request, cause: string): string {
    if (Strategy !== 'ReplaceRootVolume')
      throw new ServiceError('ValidationError', 'The local world serves the strategy ReplaceRootVolume only.');
    const overrides = DesiredConfiguration?.MixedInstancesPolicy?.LaunchTemplate?.Overrides ?? [];
    const [imageId] = overrides.map(({ ImageId }) => ImageId);
    if (imageId === undefined || overrides.some(({ ImageId }) => ImageId === undefined))
      throw new ServiceError(
        'ValidationError',
        'The ReplaceRootVolume strategy requires a mixed instances policy with an ImageId in each override.',
      );
    if (this.#running.has(group))
      throw new ServiceError(
        'InstanceRefreshInProgress',
        'An Instance Refresh is already in progress and blocks the execution of this Instance Refresh.',
      );
    const left = [...group.active].filter(({ lifecycleState }) => lifecycleState === 'InService');
    const healthy = Preferences?.MinHealthyPercentage ?? 90;
    const atOnce = Math.max(1, Math.floor((left.length * (100 - healthy)) / 100));
    const refresh = { imageId, cause, left, replacing: 0 };
    this.#running.set(group, refresh);
    for (let started = 0; started < atOnce; started++) this.#next(group, refresh);
    return uuid(this.#random);
  }

  #next(group: Group, refresh: Refresh): void {
    const { imageId, cause, left } = refresh;
    // Some may have left their group while they waited for their turn.
    let member = left.shift();
    while (member && member.lifecycleState !== 'InService') member = left.shift();
    if (!member) {
      if (refresh.replacing === 0) this.#running.delete(group);
      return;
    }
    refresh.replacing++;
    this.#members.replaceRootVolume(member, imageId, cause, () => {
      refresh.replacing--;
      this.#next(group, refresh);
    });
  }
}
