import { describe, expect, it } from 'vitest';
import { ESTATE } from '../../local/estate.ts';
import { readProfiles } from '../../profiles/file.ts';
import { isFull, sized } from '../support/size.ts';
import { associations, changes, launchActions, playWorld, untilOneEnded } from '../support/world.ts';

/** Longer than the heartbeat time-out of the hook, which is an hour. */
const HOURS = sized({ small: 1.5, full: 3 });
const PATIENCE_MINUTES = sized({ small: 2 * 60, full: 8 * 60 });

describe('a Chef server that is UNDER_MAINTENANCE for 55 minutes', () => {
  it('only delays the enrolment: the hook is kept alive, and completed by us', async () => {
    const world = await playWorld();
    world.opsWorksCm.maintenance('ChefServer', 55 * 60);
    world.autoScaling.launch('web', 1);
    const enrolment = await untilOneEnded(world);
    expect(enrolment).toMatchObject({ outcome: 'enrolled', association: { serverName: 'ChefServer' } });
    expect(enrolment.seconds).toBeGreaterThan(54 * 60);
    expect(enrolment.seconds).toBeLessThan(70 * 60);
    expect(enrolment.attempts.AssociateNode).toBeGreaterThan(5);
    expect(enrolment.attempts.KeepWaiting).toBeGreaterThan(1);
    expect(world.logs).toContainEqual(
      expect.objectContaining({ message: 'Not yet', state: 'AssociateNode', error: 'ServerNotReady' }),
    );
    const [action] = launchActions(world);
    expect(action).toMatchObject({ result: 'CONTINUE', resolvedBy: 'caller' });
    // The first by start-enrolment, then the watch's: a third of the hook's hour apart.
    expect(action?.heartbeats).toBe(1 + Math.floor(enrolment.seconds / 1200));
    expect(changes(world).filter((change) => change === 'opsworks.RegisterInstance')).toHaveLength(1);
  });

  it(`delays the launch for ${HOURS} hours too, which is longer than the hook would have waited by itself`, async () => {
    const world = await playWorld();
    world.opsWorksCm.maintenance('PuppetServer', HOURS * 3600);
    world.autoScaling.launch('database', 1);
    const enrolment = await untilOneEnded(world);
    expect(enrolment.outcome).toBe('enrolled');
    expect(enrolment.seconds).toBeLessThan((HOURS + 0.5) * 3600);
    expect(launchActions(world)).toMatchObject([{ result: 'CONTINUE', resolvedBy: 'caller' }]);
  });
});

describe('a server that cannot take the node', () => {
  it.each(['FAILED', 'TERMINATED'] as const)('ends the enrolment at once when it is %s', async (status) => {
    const world = await playWorld();
    world.opsWorksCm.setStatus('ChefServer', status);
    const [instance = ''] = world.autoScaling.launch('web', 1);
    const failed = await untilOneEnded(world);
    expect(failed.outcome).toBe('failed');
    expect(failed.cause).toContain(
      `${instance} was not enrolled (profile web): The server ChefServer is ${status} and will take no node: restore or replace it. ` +
        `By then it was registered with its stack as ${failed.opsworksInstanceId}`,
    );
    expect(failed.cause).toContain(`start enrol-node with {"instanceId":"${instance}"}.`);
    expect(failed.seconds).toBeLessThan(120);
    expect(world.machines.executions()[0]?.outcome.error).toBe('ServerNotFound');
    expect(launchActions(world)).toMatchObject([{ result: undefined, resolvedBy: undefined }]);
  });

  it('ends the enrolment when there is no such server', async () => {
    const world = await playWorld({ estate: { ...ESTATE, servers: [] } });
    world.autoScaling.launch('web', 1);
    expect(await untilOneEnded(world)).toMatchObject({
      outcome: 'failed',
      cause: expect.stringContaining('Correct serverName in profiles.yml.'),
    });
  });

  it('is waited for until the deadline when it is never ready', async () => {
    const world = await playWorld();
    world.opsWorksCm.setStatus('ChefServer', 'CONNECTION_LOST');
    world.autoScaling.launch('batch-nightly', 1);
    const failed = await untilOneEnded(world);
    expect(failed).toMatchObject({ outcome: 'failed', cause: expect.stringContaining('CONNECTION_LOST') });
    expect(world.machines.executions()[0]?.outcome.error).toBe('DeadlinePassed');
    expect(failed.seconds).toBeGreaterThan(110 * 60);
    expect(failed.seconds).toBeLessThan(150 * 60);
    expect(associations(world)).toEqual([]);
  });
});

describe('an agent on the node', () => {
  it('is waited for when Systems Manager sees it late', async () => {
    const world = await playWorld({ nodes: { agentUpAfterSeconds: 20 * 60 } });
    world.autoScaling.launch('web', 1);
    const enrolment = await untilOneEnded(world);
    expect(enrolment.outcome).toBe('enrolled');
    expect(enrolment.seconds).toBeGreaterThan(19 * 60);
  });

  it('that never comes up ends the enrolment at the deadline, and nothing was registered', async () => {
    const profiles = readProfiles('profiles.yml').map((profile) => ({
      ...profile,
      enrolWithinMinutes: PATIENCE_MINUTES,
    }));
    const world = await playWorld({ profiles, nodes: { agentUpAfterSeconds: Number.POSITIVE_INFINITY } });
    const [instance = ''] = world.autoScaling.launch('batch-nightly', 1);
    const failed = await untilOneEnded(world);
    expect(failed).toMatchObject({ outcome: 'failed', opsworksInstanceId: null, association: null });
    expect(failed.cause).toContain(`The Systems Manager agent of ${instance} is not up yet.`);
    const [execution] = world.machines.executions();
    expect(execution?.outcome.error).toBe('DeadlinePassed');
    // Waiting for 48 hours must fit into the 25,000 events of a history.
    expect(execution?.events.length).toBeLessThan((25_000 * PATIENCE_MINUTES) / (48 * 60));
  });

  it.runIf(isFull)(
    'of OpsWorks that never reports ends the enrolment at the deadline, after one association',
    async () => {
      const world = await playWorld({ nodes: { hasOpsWorksAgent: false }, scheduleSeconds: 600 });
      world.autoScaling.launch('web', 1);
      const failed = await untilOneEnded(world);
      expect(world.machines.executions()[0]?.outcome.error).toBe('DeadlinePassed');
      expect(failed.cause).toContain('its agent has not reported yet');
      expect(associations(world)).toMatchObject([{ times: 1 }]);
      expect(launchActions(world)).toMatchObject([{ resolvedBy: undefined }]);
    },
  );
});

describe('an instance that takes its time', () => {
  it('is waited for while EC2 does not show it', async () => {
    const world = await playWorld({ ec2: { visibleAfterSeconds: 40 } });
    world.autoScaling.launch('web', 1);
    expect(await untilOneEnded(world)).toMatchObject({ outcome: 'enrolled' });
  });

  it('is given up as soon as its launch no longer waits', async () => {
    const world = await playWorld();
    world.opsWorksCm.setStatus('ChefServer', 'MODIFYING');
    const [instance = ''] = world.autoScaling.launch('web', 1);
    await world.clock.advance(600_000);
    world.autoScaling.actions.complete(
      { AutoScalingGroupName: 'web', LifecycleHookName: 'muster-launch', InstanceId: instance },
      'CONTINUE',
    );
    const failed = await untilOneEnded(world);
    expect(failed.cause).toContain(`The launch of ${instance} no longer waits in the hook muster-launch of web`);
    expect(failed.seconds).toBeLessThan(1800);
  });
});
