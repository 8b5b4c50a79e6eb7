import { describe, expect, it } from 'vitest';
import { endOf, enrolledWith, type Hooks, keyOf, MINUTE, refresh, settle } from '../support/re-images.ts';
import { sampled } from '../support/size.ts';
import { launchActions, outcomes, type Played } from '../support/world.ts';

const HOOKS: readonly Hooks[] = ['both', 'launch', 'termination', 'none'];

/** What becomes of events of a replacement: `late` ones come when everything is over. */
const FATES = ['delivered', 'start lost', 'end lost', 'both lost', 'doubled', 'late'] as const;

const AGAIN = (instance: string) => ({
  status: 'enrolled',
  hasOwnKey: true,
  isOnOwnDisk: true,
  associations: ['confirmed'],
  retired: 1,
  lifecycle: 'InService',
  server: [instance],
});

/** From now on events of lifecycle actions have this fate. @returns how to deliver those that come late */
function deliver(world: Played, fate: (typeof FATES)[number]) {
  const late: (() => Promise<unknown>)[] = [];
  world.lambda.interceptor = async ({ functionName, payload }, next) => {
    const type = String((payload as { 'detail-type'?: unknown })['detail-type']);
    const isStart = type === 'EC2 Instance-terminate Lifecycle Action';
    if (!isStart && type !== 'EC2 Instance-launch Lifecycle Action') return next();
    if (fate === 'both lost' || fate === (isStart ? 'start lost' : 'end lost')) return {};
    if (fate === 'late') {
      late.push(() => world.lambda.invokeAsync(functionName, payload));
      return {};
    }
    if (fate === 'doubled') await next();
    return next();
  };
  return async () => {
    world.lambda.interceptor = (_invocation, next) => next();
    for (const event of late) await event();
  };
}

const ways = HOOKS.flatMap((hooks) =>
  (hooks === 'none' ? FATES.slice(0, 1) : FATES).map((fate) => [hooks, fate] as const),
);

describe('an instance whose root volume is replaced', () => {
  it.each(sampled(ways, 6))('is enrolled again with its new key: hooks %s, events %s', async (hooks, fate) => {
    const { world, instance } = await enrolledWith(hooks);
    const before = await keyOf(world, instance);
    const deliverLate = deliver(world, fate);
    refresh(world);
    await settle(world);
    await deliverLate();
    await settle(world, 1);
    expect(await keyOf(world, instance)).not.toBe(before);
    expect(await endOf(world, instance)).toEqual(AGAIN(instance));
    const told = outcomes(world).map(({ detailType }) => detailType);
    expect(told).toEqual(['Instance Enrolled', 'Instance Re-imaged']);
    expect(world.lambda.deadLetters).toEqual([]);
  });

  it('waits in both hooks for the watch alone where both events are lost', async () => {
    const { world, instance } = await enrolledWith('both');
    deliver(world, 'both lost');
    refresh(world);
    await world.clock.advance(30 * MINUTE);
    expect(await endOf(world, instance)).toEqual(AGAIN(instance));
    const ends = launchActions(world).map(({ hook, result, resolvedBy }) => [hook, result, resolvedBy]);
    expect(ends.slice(1)).toEqual([
      ['muster-terminate', 'CONTINUE', 'caller'],
      ['muster-launch', 'CONTINUE', 'caller'],
    ]);
  });
});
