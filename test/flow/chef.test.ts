import { describe, expect, it } from 'vitest';
import { associations, changes, launchActions, playWorld, registrations, untilOneEnded } from '../support/world.ts';

describe('a launch under Chef', () => {
  it('is hardened, registered, associated, assigned and let into service', async () => {
    const world = await playWorld();
    const [instance = ''] = world.autoScaling.launch('web', 1);
    expect(await untilOneEnded(world)).toMatchObject({
      instance,
      platform: 'ec2',
      outcome: 'enrolled',
      profile: 'web',
      association: { serverName: 'ChefServer', nodeName: instance },
      metadata: { HttpTokens: 'required', HttpPutResponseHopLimit: 2, State: 'applied' },
      cause: null,
    });
    await world.clock.advance(120_000);
    expect(registrations(world)).toMatchObject([
      { ec2InstanceId: instance, status: 'online', layerIds: ['b2f3c7d4-51aa-4b0e-8c0b-2f1d9a7e6c22'] },
    ]);
    expect(launchActions(world)).toMatchObject([{ instanceId: instance, result: 'CONTINUE', resolvedBy: 'caller' }]);
    expect(world.autoScaling.members.get(instance)?.lifecycleState).toBe('InService');
  });

  it('is hardened before anything else is changed, and let into service after everything else', async () => {
    const world = await playWorld();
    world.autoScaling.launch('web', 1);
    await untilOneEnded(world);
    // A heartbeat changes nothing, and whether one is due depends on how long the node's agents take.
    const changed = changes(world).filter((name) => name !== 'autoscaling.RecordLifecycleActionHeartbeat');
    expect([...new Set(changed)]).toEqual([
      'states.StartExecution',
      'ec2.ModifyInstanceMetadataOptions',
      'ssm.SendCommand',
      'opsworks.RegisterInstance',
      'opsworks-cm.AssociateNode',
      'opsworks.AssignInstance',
      'autoscaling.CompleteLifecycleAction',
    ]);
  });

  it('gives the server the public key that the node itself made', async () => {
    const world = await playWorld();
    const [instance = ''] = world.autoScaling.launch('web', 1);
    await untilOneEnded(world);
    const associate = world.calls.find(({ operation }) => operation === 'AssociateNode');
    expect(associate?.input).toMatchObject({
      NodeName: instance,
      EngineAttributes: [
        { Name: 'CHEF_ORGANIZATION', Value: 'default' },
        { Name: 'CHEF_NODE_PUBLIC_KEY', Value: (await world.fleet.get(instance)?.publicKeyPem())?.trim() },
      ],
    });
  });
});

describe('a group whose profile names no hook', () => {
  it('is enrolled by Launch Successful, and nothing is completed', async () => {
    const world = await playWorld();
    const [instance = ''] = world.autoScaling.launch('batch-nightly', 1);
    expect(await untilOneEnded(world)).toMatchObject({ instance, outcome: 'enrolled', profile: 'batch' });
    expect(associations(world)).toEqual([{ serverName: 'ChefServer', nodeName: instance, times: 1 }]);
    expect(changes(world)).not.toContain('autoscaling.CompleteLifecycleAction');
  });
});

describe('a launch that belongs to nobody', () => {
  it('is left alone, hook and all', async () => {
    const world = await playWorld();
    const [instance = ''] = world.autoScaling.launch('analytics', 1);
    await world.clock.advance(2 * 3600_000);
    // The hook's own event first, and Launch Successful after the hook has expired.
    expect(world.logs.filter(({ message }) => message === 'Ignored').map(({ reason }) => reason)).toEqual([
      `${instance} launches under the hook analytics-warm-up, which no profile names.`,
      `${instance} was launched by the group analytics, which no profile matches.`,
    ]);
    expect(world.machines.executions()).toEqual([]);
    expect(changes(world)).toEqual([]);
    expect(launchActions(world)).toMatchObject([{ hook: 'analytics-warm-up', resolvedBy: 'timeout' }]);
    expect(await world.ledger()).toEqual([]);
  });
});
