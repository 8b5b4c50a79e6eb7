import { describe, expect, it } from 'vitest';
import type { WorldOptions } from '../../local/world.ts';
import { PuppetCa } from '../../world/services/puppet-ca.ts';
import {
  emptyDisksIn,
  endOf,
  enrolledWith,
  itemOf,
  keyOf,
  MINUTE,
  refresh,
  settle,
  untilState,
} from '../support/re-images.ts';
import { databaseProfile, puppetProfile } from '../support/self-managed.ts';
import { sampled, sized } from '../support/size.ts';
import { atRest, deploy, HOUR, sweep } from '../support/sweeps.ts';
import {
  callsOfHandlers,
  enrolments,
  nameOf,
  outcomes,
  type Played,
  playWorld,
  registrations,
  startByHand,
  untilEnded,
} from '../support/world.ts';

const types = (world: Played) => outcomes(world).map(({ detailType }) => detailType);
const replaceByHand = (world: Played, instance: string, request: object = {}) =>
  world.ec2.replaceRootVolume(instance, request);
const nodeOf = (world: Played, instance: string) => {
  const node = world.fleet.get(instance);
  if (!node) throw new Error(`There is no machine ${instance}.`);
  return node;
};

/** From now on the enrolled instances are to be enrolled again. */
function changeProfile(): void {
  deploy(({ profiles }) => {
    for (const profile of profiles) profile.metadata = { ...profile.metadata, httpPutResponseHopLimit: 3 } as never;
  });
}

describe('a former key', () => {
  it.each(sampled([{ SnapshotId: 'snap-1' }, { VolumeId: 'vol-0123456789abcdef0' }], 1))(
    'that %j brings back is retired, and never bound again',
    async (source) => {
      const { world, instance } = await enrolledWith('both');
      const before = await keyOf(world, instance);
      replaceByHand(world, instance, source);
      await settle(world);
      expect(await keyOf(world, instance)).toBe(before);
      const item = await itemOf(world, instance);
      expect(item).toMatchObject({ status: 'failed', errorName: 'IdentityRejected', retiredKeys: [before] });
      expect(item.lastError).toContain('a key that was retired with a former one');
      expect(await endOf(world, instance)).toMatchObject({ associations: ['undone'], server: [] });
      expect(types(world)).toEqual(['Instance Enrolled', 'Instance Enrolment Failed']);
      // The sentence says what to do.
      nodeOf(world, instance).replaceDisk();
      await world.clock.advance(MINUTE);
      startByHand(world, { instanceId: instance });
      await atRest(world);
      expect(await endOf(world, instance)).toMatchObject({ status: 'enrolled', hasOwnKey: true, server: [instance] });
      expect(types(world).at(-1)).toBe('Instance Re-imaged');
    },
  );

  it('is of no account once its disk is replaced as well: a sweep enrols the node', async () => {
    const { world, instance } = await enrolledWith('none');
    replaceByHand(world, instance, { SnapshotId: 'snap-1' });
    await settle(world);
    expect(await itemOf(world, instance)).toMatchObject({ status: 'failed', errorName: 'IdentityRejected' });
    replaceByHand(world, instance);
    await settle(world, 2);
    expect(await endOf(world, instance)).toMatchObject({ status: 'enrolled', hasOwnKey: true, server: [instance] });
    expect(types(world).at(-1)).toBe('Instance Re-imaged');
  });

  it('of the disk before the last one is refused as well', async () => {
    const { world, instance } = await enrolledWith('both');
    const first = await keyOf(world, instance);
    refresh(world);
    await settle(world, 1);
    expect(await keyOf(world, instance)).not.toBe(first);
    replaceByHand(world, instance, { SnapshotId: 'snap-of-the-first-disk' });
    await world.clock.advance(MINUTE);
    nodeOf(world, instance).restoreFirstDisk();
    await settle(world, 2);
    expect(await keyOf(world, instance)).toBe(first);
    expect(await itemOf(world, instance)).toMatchObject({ status: 'failed', errorName: 'IdentityRejected' });
  });
});

describe('what proves nothing', () => {
  it('is a volume that is detached and attached again: another key on it is another key', async () => {
    const { world, instance } = await enrolledWith('both');
    world.ec2.reattachRootVolume(instance);
    await settle(world, 1);
    expect(enrolments(world)).toHaveLength(1 + 1);
    nodeOf(world, instance).replaceDisk();
    changeProfile();
    await settle(world, 1);
    const item = await itemOf(world, instance);
    expect(item).toMatchObject({ status: 'failed', errorName: 'IdentityRejected' });
    expect(item.lastError).toContain('shows another key than');
    expect(item).not.toHaveProperty('retiredKeys');
  });

  it('is another volume that no task attached: its key is another key, and is not retired', async () => {
    const { world, instance } = await enrolledWith('both');
    world.ec2.reattachRootVolume(instance, 'vol-0fedcba9876543210');
    nodeOf(world, instance).replaceDisk();
    await settle(world, 2);
    const item = await itemOf(world, instance);
    expect(item).toMatchObject({ status: 'failed', errorName: 'IdentityRejected' });
    expect(item.lastError).toContain('shows another key than');
    expect(await endOf(world, instance)).toMatchObject({ associations: ['confirmed'], retired: 0, server: [instance] });
  });

  it('is another volume with the bound key: the node stays enrolled, on that volume', async () => {
    const { world, instance } = await enrolledWith('both');
    world.ec2.reattachRootVolume(instance, 'vol-0fedcba9876543210');
    await settle(world, 2);
    expect(await endOf(world, instance)).toMatchObject({ status: 'enrolled', hasOwnKey: true, isOnOwnDisk: true });
    expect(await itemOf(world, instance)).not.toHaveProperty('retiredKeys');
  });

  it('is a replacement that failed', async () => {
    const { world, instance } = await enrolledWith('both', 1, { ec2: { replacementsFail: true } });
    replaceByHand(world, instance);
    nodeOf(world, instance).replaceDisk();
    changeProfile();
    await settle(world, 2);
    expect(await itemOf(world, instance)).toMatchObject({ status: 'failed', errorName: 'IdentityRejected' });
  });

  it('is an event: a volume that EC2 does not show as replaced is the one that is enrolled', async () => {
    const { world, instance } = await enrolledWith('both');
    const before = await keyOf(world, instance);
    const [launch] = world.events.filter(({ 'detail-type': type }) => type.includes('Lifecycle Action'));
    for (const kind of ['terminate', 'launch'] as const)
      world.bus.deliver({
        ...launch,
        id: `forged-${kind}`,
        time: new Date(world.clock.now()).toISOString(),
        'detail-type': `EC2 Instance-${kind} Lifecycle Action`,
        detail: {
          ...launch?.detail,
          LifecycleActionToken: `00000000-0000-4000-8000-00000000000${kind.length}`,
          LifecycleHookName: `muster-${kind}`,
          LifecycleTransition: `autoscaling:EC2_INSTANCE_${kind === 'launch' ? 'LAUNCHING' : 'TERMINATING'}`,
          Action: 'ReplaceRootVolume',
        },
      } as never);
    await settle(world, 2);
    expect(await endOf(world, instance)).toMatchObject({ status: 'enrolled', retired: 0, server: [instance] });
    expect(await keyOf(world, instance)).toBe(before);
    expect(types(world)).toEqual(['Instance Enrolled']);
  });
});

describe('an instance whose root device is an instance store', () => {
  it('is enrolled without a root volume, and another key of it is another key', async () => {
    const world = await playWorld();
    const tags = new Map([['aws:autoscaling:groupName', 'batch-nightly']]);
    const { instanceId } = world.ec2.launch({ rootDeviceType: 'instance-store', tags });
    await world.clock.advance(10 * MINUTE);
    startByHand(world, { instanceId });
    await untilEnded(world, 1);
    const item = await itemOf(world, instanceId);
    expect(item).toMatchObject({ status: 'enrolled' });
    expect(item).not.toHaveProperty('rootVolumeId');
    nodeOf(world, instanceId).replaceDisk();
    changeProfile();
    await settle(world, 2);
    expect((await itemOf(world, instanceId)).lastError).toContain('shows another key than');
  });
});

describe('an instance that is terminated', () => {
  it.each(
    sampled(['ReplacingRootVolume:Wait', 'ReplacingRootVolume:Proceed', 'RootVolumeReplaced', 'Pending:Wait'], 2),
  )('while it is %s is retired', async (state) => {
    const { world, instance } = await enrolledWith('both');
    refresh(world);
    await untilState(world, instance, state);
    world.autoScaling.terminate(instance, true);
    await settle(world, 4);
    expect(await itemOf(world, instance)).toMatchObject({ status: 'retired' });
    expect(world.opsWorksCm.snapshot().servers.ChefServer?.associations).toEqual([]);
  });

  it('because its replacement failed is retired, and the instance in its place is enrolled', async () => {
    const { world, instance } = await enrolledWith('both', 1, { ec2: { replacementsFail: true } });
    refresh(world);
    await settle(world, 4);
    expect(await itemOf(world, instance)).toMatchObject({ status: 'retired' });
    expect(types(world)).toContain('Instance Retired');
    expect(await world.ledger()).toHaveLength(2);
    expect(types(world).filter((type) => type === 'Instance Enrolled')).toHaveLength(2);
  });
});

describe('a second replacement', () => {
  it('that follows at once is one more re-image', async () => {
    const { world, instance } = await enrolledWith('both');
    refresh(world);
    await untilState(world, instance, 'InService');
    refresh(world);
    await settle(world, 3);
    expect(await endOf(world, instance)).toMatchObject({ status: 'enrolled', hasOwnKey: true, isOnOwnDisk: true });
    expect(types(world)).toEqual(['Instance Enrolled', 'Instance Re-imaged', 'Instance Re-imaged']);
    expect((await itemOf(world, instance)).retiredKeys).toHaveLength(2);
  });

  it.each(sampled([1, 5, 12, 25, 40, 70], 2))(
    'by hand, %i s after its launch hook began to wait, leaves no empty disk in service as enrolled',
    async (seconds) => {
      const { world, instance } = await enrolledWith('both');
      const empty = emptyDisksIn(world);
      refresh(world);
      await untilState(world, instance, 'Pending:Wait');
      await world.clock.advance(seconds * 1000);
      replaceByHand(world, instance);
      await settle(world, 3);
      expect(empty).toEqual([]);
      expect(await endOf(world, instance)).toMatchObject({
        status: 'enrolled',
        hasOwnKey: true,
        isOnOwnDisk: true,
        lifecycle: 'InService',
      });
    },
  );
});

describe('an EC2 that shows late what has changed', () => {
  const LATE: [string, WorldOptions['ec2']][] = [
    ['the volume', { volumesAfterSeconds: 200 }],
    ['the task', { tasksAfterSeconds: 200 }],
    ['both', { volumesAfterSeconds: 200, tasksAfterSeconds: 200 }],
  ];

  it.each(sized({ small: LATE.slice(-1), full: LATE }))(
    'lets no empty disk into service as enrolled: %s',
    async (_, ec2) => {
      const { world, instance } = await enrolledWith('launch', 1, ec2 ? { ec2 } : {});
      const empty = emptyDisksIn(world);
      refresh(world);
      await untilState(world, instance, 'Pending:Wait');
      await untilState(world, instance, 'InService');
      expect(await endOf(world, instance)).toMatchObject({ status: 'enrolled', hasOwnKey: true });
      expect(types(world)).toEqual(['Instance Enrolled', 'Instance Re-imaged']);
      await settle(world, 1);
      expect(await endOf(world, instance)).toMatchObject({ status: 'enrolled', hasOwnKey: true, isOnOwnDisk: true });
      expect(empty).toEqual([]);
    },
  );

  it('is waited for where it fails to list replacements', async () => {
    const { world, instance } = await enrolledWith('launch');
    world.faults.set([{ service: 'ec2', operation: 'DescribeReplaceRootVolumeTasks', statusCode: 503, times: 20 }]);
    refresh(world);
    await settle(world, 2);
    expect(world.faults.list()).toEqual([]);
    expect(await endOf(world, instance)).toMatchObject({ status: 'enrolled', hasOwnKey: true });
  });
});

describe('a replacement by hand', () => {
  it.each(['both', 'none'] as const)('is answered by a start with the instance alone: hooks %s', async (hooks) => {
    const { world, instance } = await enrolledWith(hooks);
    const before = await keyOf(world, instance);
    replaceByHand(world, instance);
    await world.clock.advance(MINUTE);
    startByHand(world, { instanceId: instance });
    await atRest(world);
    await world.clock.advance(10 * MINUTE);
    await atRest(world);
    expect(await endOf(world, instance)).toMatchObject({ status: 'enrolled', hasOwnKey: true, isOnOwnDisk: true });
    const [, reImaged] = outcomes(world);
    expect(reImaged).toMatchObject({ detailType: 'Instance Re-imaged' });
    // It counts from the replacement: the instance was launched more than an hour before.
    expect(Number(reImaged?.detail.secondsToManaged)).toBeGreaterThan(0);
    expect(Number(reImaged?.detail.secondsToManaged)).toBeLessThan(15 * 60);
    expect((await itemOf(world, instance)).retiredKeys).toEqual([before]);
  });

  it('is found by a sweep while no execution knows of it', async () => {
    const { world, instance } = await enrolledWith('both');
    replaceByHand(world, instance);
    await world.clock.advance(MINUTE);
    const { rows } = await sweep(world);
    expect(rows).toMatchObject([{ instance, finding: 'drifting', action: 'started', starts: 'enrol-node' }]);
    expect(rows[0]?.reason).toMatch(/^Its root volume is vol-\w+, and it was enrolled on vol-\w+\.$/);
    await settle(world, 1);
    expect(await endOf(world, instance)).toMatchObject({ status: 'enrolled', hasOwnKey: true, isOnOwnDisk: true });
  });
});

describe('while the root volume is being replaced', () => {
  it('the item says re-imaging, and a sweep leaves the instance alone', async () => {
    const { world, instance } = await enrolledWith('both', 1, { ec2: { replacingSeconds: 3 * 3600 } });
    refresh(world);
    await untilState(world, instance, 'ReplacingRootVolume:Proceed');
    await world.clock.advance(HOUR);
    expect(await itemOf(world, instance)).toMatchObject({ status: 're-imaging', endedAt: expect.any(String) });
    const report = await sweep(world);
    expect(report.rows).toEqual([]);
    expect(report.profiles.find(({ profile }) => profile === 'web')?.counts).toMatchObject({ underWay: 1 });
    await settle(world, 4);
    expect(await endOf(world, instance)).toMatchObject({ status: 'enrolled', hasOwnKey: true });
  });

  it('an instance without a termination hook is not enrolled on the former volume', async () => {
    const { world, instance } = await enrolledWith('none', 1, { ec2: { replacingSeconds: 1200 } });
    replaceByHand(world, instance);
    changeProfile();
    await sweep(world);
    await atRest(world);
    await settle(world, 1);
    expect(await endOf(world, instance)).toMatchObject({ status: 'enrolled', hasOwnKey: true, isOnOwnDisk: true });
    expect(types(world)).toEqual(['Instance Enrolled', 'Instance Re-imaged']);
  });

  it('a replacement that is cancelled leaves the node to be enrolled again with its own key', async () => {
    const { world, instance } = await enrolledWith('termination');
    const before = await keyOf(world, instance);
    refresh(world);
    await untilState(world, instance, 'ReplacingRootVolume:Proceed');
    await world.clock.advance(2000);
    // Nothing more comes of it, and the group has the instance in service again.
    world.ec2.rootVolumes.cancelAll();
    const member = world.autoScaling.members.get(instance);
    if (member) member.lifecycleState = 'InService';
    await settle(world, 2);
    expect(await keyOf(world, instance)).toBe(before);
    expect(await endOf(world, instance)).toMatchObject({ status: 'enrolled', hasOwnKey: true, server: [instance] });
  });
});

describe('what was done for the former key', () => {
  it('is undone at an OpsWorks stack, and done again', async () => {
    const world = await playWorld();
    const [instance = ''] = world.autoScaling.launch('web', 1);
    await untilEnded(world, 1);
    await world.clock.advance(HOUR);
    const [before] = registrations(world);
    refresh(world);
    await settle(world, 2);
    const after = registrations(world);
    expect(after).toMatchObject([{ ec2InstanceId: instance, status: 'online' }]);
    expect(after[0]?.instanceId).not.toBe(before?.instanceId);
    expect(await itemOf(world, instance)).toMatchObject({
      status: 'enrolled',
      opsworksInstanceId: after[0]?.instanceId,
    });
  });

  it('is revoked at a Puppet Server before the new certificate is signed', async () => {
    const ca = await PuppetCa.start();
    const { associate, secrets } = puppetProfile(ca);
    const world = await playWorld({ seed: 77, profiles: [databaseProfile(associate)], secrets });
    const [instance = ''] = world.autoScaling.launch('database', 1);
    await untilEnded(world, 1);
    await world.clock.advance(HOUR);
    const heard = ca.heard.length;
    refresh(world, { group: 'database' });
    await settle(world, 2);
    const decided = ca.heard.slice(heard).flatMap((request) => / (PUT|DELETE) /.exec(request)?.[1] ?? []);
    // Revoked and deleted, then signed.
    expect(decided).toEqual(['PUT', 'DELETE', 'PUT', 'PUT']);
    expect(ca.signed).toContain(instance);
    expect(await itemOf(world, instance)).toMatchObject({ status: 'enrolled' });
    await ca.close();
  });

  it('is asked of EC2 no more often than it may matter: a launch lists no replacements', async () => {
    const { world } = await enrolledWith('both');
    const calls = callsOfHandlers(world).map(nameOf);
    expect(calls).not.toContain('ec2.DescribeReplaceRootVolumeTasks');
  });
});
