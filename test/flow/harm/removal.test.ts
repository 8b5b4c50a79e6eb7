import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serverId } from '../../../lib/associations.ts';
import type { LedgerAssociation } from '../../../lib/ledger-item.ts';
import { recordAssociation } from '../../../services/associations.ts';
import { findItem } from '../../../services/ledger.ts';
import { PuppetCa } from '../../../world/services/puppet-ca.ts';
import { call } from '../../support/call.ts';
import { databaseProfile, puppetProfile } from '../../support/self-managed.ts';
import { deploy } from '../../support/sweeps.ts';
import {
  associations,
  callsOfHandlers,
  nameOf,
  outcomes,
  type Played,
  playWorld,
  registrations,
  START,
  startByHand,
} from '../../support/world.ts';

const { signal } = new AbortController();
const MINUTE = 60_000;
const NOT_FOUND = { error: 'ResourceNotFoundException' } as const;
const DISASSOCIATE = { service: 'opsworks-cm', operation: 'DisassociateNode' } as const;

/** A world with one enrolled instance in the group. */
async function playEnrolled(group: 'web' | 'database' = 'web', options: Parameters<typeof playWorld>[0] = {}) {
  const world = await playWorld(options);
  const [instance = ''] = world.autoScaling.launch(group, 1);
  await world.clock.advance(10 * MINUTE);
  expect(await world.ledger()).toMatchObject([{ instance, status: 'enrolled' }]);
  return { world, instance };
}

async function statusOf(world: Played, instance: string) {
  return (await world.ledger()).find((item) => item.instance === instance)?.status;
}

/** The instants of a call by handlers, in minutes since the first. */
function minutesOf(world: Played, name: string, server?: string): number[] {
  const made = callsOfHandlers(world).filter((one) => nameOf(one) === name);
  const own = made.filter(
    ({ input }) => server === undefined || (input as { ServerName?: string }).ServerName === server,
  );
  const [first = 0] = own.map(({ instant }) => instant);
  return own.map(({ instant }) => (instant - first) / MINUTE);
}

describe('a server that does not know a node', () => {
  it('once, has it taken off all the same', async () => {
    const { world, instance } = await playEnrolled();
    world.faults.set([{ ...DISASSOCIATE, ...NOT_FOUND, times: 1 }]);
    world.autoScaling.terminate(instance, true);
    await world.clock.advance(4 * MINUTE);
    expect(await statusOf(world, instance)).toBe('retiring');
    await world.clock.advance(10 * MINUTE);
    expect(associations(world)).toEqual([]);
    expect(await statusOf(world, instance)).toBe('retired');
    expect(minutesOf(world, 'opsworks-cm.DisassociateNode')).toEqual([0, expect.closeTo(5, 1)]);
  });

  it('in two looks that are five minutes apart, or is not there itself, has no node of ours', async () => {
    const { world, instance } = await playEnrolled();
    world.faults.set([{ ...DISASSOCIATE, ...NOT_FOUND }]);
    world.autoScaling.terminate(instance, true);
    await world.clock.advance(12 * MINUTE);
    expect(await statusOf(world, instance)).toBe('retired');
    expect(minutesOf(world, 'opsworks-cm.DisassociateNode')).toEqual([0, expect.closeTo(5, 1)]);
    expect(outcomes(world).at(-1)).toMatchObject({ detailType: 'Instance Retired', detail: { instance } });
  });

  it('before and after it has taken the request is asked anew: a sighting ends the absence', async () => {
    const { world, instance } = await playEnrolled();
    const status = { service: 'opsworks-cm', operation: 'DescribeNodeAssociationStatus' } as const;
    world.faults.set([
      { ...DISASSOCIATE, ...NOT_FOUND, times: 1 },
      { ...status, ...NOT_FOUND, times: 1 },
      { ...DISASSOCIATE, ...NOT_FOUND, skip: 1, times: 1 },
    ]);
    world.autoScaling.terminate(instance, true);
    await world.clock.advance(30 * MINUTE);
    expect(world.faults.list()).toEqual([]);
    const [, , third = 0, fourth = 0] = minutesOf(world, 'opsworks-cm.DisassociateNode');
    expect(fourth - third).toBeGreaterThanOrEqual(5);
    expect(await statusOf(world, instance)).toBe('retired');
  });

  it('says nothing about another server', async () => {
    const { world, instance } = await playEnrolled();
    const server = { engine: 'opsworks-cm', serverName: 'PuppetServer', serverEngine: 'Puppet' } as const;
    const other: LedgerAssociation = {
      ...{ server, nodeName: instance, status: 'confirmed', publicKeyFingerprint: 'aa', at: START.toISOString() },
    };
    const { generation = 0 } = (await findItem(instance, signal)) ?? {};
    await recordAssociation({ instance, generation }, serverId(server), other, {}, signal);
    const servers = ['ChefServer', 'PuppetServer'];
    const missed = (ServerName: string) => ({ ...DISASSOCIATE, ...NOT_FOUND, match: { ServerName }, times: 1 });
    world.faults.set(servers.map(missed));
    world.autoScaling.terminate(instance, true);
    await world.clock.advance(2 * MINUTE);
    const [first] = servers.filter((name) => minutesOf(world, 'opsworks-cm.DisassociateNode', name).length > 0);
    const second = servers.find((name) => name !== first) ?? '';
    const denied = { ...DISASSOCIATE, error: 'AccessDeniedException', match: { ServerName: first ?? '' } };
    world.faults.set([denied, missed(second)]);
    await world.clock.advance(30 * MINUTE);
    expect(minutesOf(world, 'opsworks-cm.DisassociateNode', second)).toEqual([0, expect.closeTo(5, 1)]);
    const report = world.machines.executions(world.retireNodeArn).find(({ status }) => status === 'FAILED');
    expect(report?.outcome.cause).toContain(`Still there: the node ${instance} on the server ${first}.`);
  });

  it('is never taken at its word by an execution that began before a deployment', async () => {
    const { world, instance } = await playEnrolled();
    world.faults.set([{ ...DISASSOCIATE, ...NOT_FOUND }]);
    world.lambda.interceptor = async (invocation, next) => {
      if (/disassociate-node$/.test(invocation.functionName))
        delete (invocation.payload as { before?: unknown }).before;
      return next();
    };
    world.autoScaling.terminate(instance, true);
    await world.clock.advance(14 * 60 * MINUTE);
    expect(await statusOf(world, instance)).toBe('retiring');
    expect(world.machines.executions(world.retireNodeArn)[0]?.outcome).toMatchObject({ error: 'ServerNotReady' });
  });
});

describe('a server that OpsWorks CM does not describe, once', () => {
  const DESCRIBE = { service: 'opsworks-cm', operation: 'DescribeServers', ...NOT_FOUND, times: 1 } as const;

  it('although it has just refused to associate for its state, is asked again', async () => {
    const world = await playWorld();
    const refused = { service: 'opsworks-cm', operation: 'AssociateNode', error: 'InvalidStateException', times: 1 };
    world.faults.set([refused, DESCRIBE]);
    const [instance = ''] = world.autoScaling.launch('web', 1);
    await world.clock.advance(20 * MINUTE);
    expect(world.faults.list()).toEqual([]);
    expect(await statusOf(world, instance)).toBe('enrolled');
  });

  it('although it has just signed a certificate, is asked again for its CA', async () => {
    const world = await playWorld();
    world.faults.set([DESCRIBE]);
    const [instance = ''] = world.autoScaling.launch('database', 1);
    await world.clock.advance(20 * MINUTE);
    expect(world.faults.list()).toEqual([]);
    expect(await statusOf(world, instance)).toBe('enrolled');
  });

  it('although it has just refused to disassociate for its state, is asked again', async () => {
    const { world, instance } = await playEnrolled();
    world.faults.set([{ ...DISASSOCIATE, error: 'InvalidStateException', times: 1 }, DESCRIBE]);
    world.autoScaling.terminate(instance, true);
    await world.clock.advance(20 * MINUTE);
    expect(associations(world)).toEqual([]);
    expect(world.machines.executions(world.retireNodeArn).map(({ status }) => status)).not.toContain('FAILED');
  });
});

describe('a Puppet Server of one’s own that does not know a certificate', () => {
  let ca: PuppetCa;
  beforeAll(async () => {
    ca = await PuppetCa.start();
  });
  afterAll(() => ca.close());

  it('once, revokes it five minutes later', async () => {
    const { associate, secrets } = puppetProfile(ca);
    const { world, instance } = await playEnrolled('database', { profiles: [databaseProfile(associate)], secrets });
    let misses = 0;
    ca.interfere = (request) => {
      if (!request.startsWith('GET') || misses++ > 0) return undefined;
      return { status: 404, body: `Could not find certificate status for ${instance}` };
    };
    world.autoScaling.terminate(instance, true);
    await world.clock.advance(4 * MINUTE);
    expect([misses, await statusOf(world, instance), ca.signed]).toEqual([1, 'retiring', [instance]]);
    await world.clock.advance(10 * MINUTE);
    expect(ca.signed).toEqual([]);
    expect(await statusOf(world, instance)).toBe('retired');
  });
});

describe('a stack that does not know an instance', () => {
  it.each<[string, (world: Played, instance: string) => void]>([
    ['leaves it out of its list', (world, instance) => world.opsWorks.hide(instance, 4 * 60)],
    [
      'is not found',
      (world) => world.faults.set([{ service: 'opsworks', operation: 'DescribeInstances', ...NOT_FOUND, times: 1 }]),
    ],
    [
      'has listed it, and then does not find it',
      (world) => world.faults.set([{ service: 'opsworks', operation: 'DeregisterInstance', ...NOT_FOUND, times: 1 }]),
    ],
  ])('once (it %s), has it taken out all the same', async (_how, disturb) => {
    const { world, instance } = await playEnrolled();
    disturb(world, instance);
    world.autoScaling.terminate(instance, true);
    await world.clock.advance(4 * MINUTE);
    expect(await statusOf(world, instance)).toBe('retiring');
    await world.clock.advance(10 * MINUTE);
    expect(registrations(world)).toEqual([]);
    expect(await statusOf(world, instance)).toBe('retired');
  });

  it.each<[string, (world: Played, instance: string) => void]>([
    [
      'was taken out of it by a person',
      (world) => {
        const [{ instanceId = '' } = {}] = registrations(world);
        void call(world.opsWorks.service, 'DeregisterInstance', { InstanceId: instanceId });
      },
    ],
    [
      'was in a stack that is deleted',
      (world) => world.faults.set([{ service: 'opsworks', operation: 'DescribeInstances', ...NOT_FOUND }]),
    ],
  ])('in two looks that are five minutes apart (it %s), does not keep it from being retired', async (_how, disturb) => {
    const { world, instance } = await playEnrolled();
    disturb(world, instance);
    await world.clock.advance(MINUTE);
    world.autoScaling.terminate(instance, true);
    await world.clock.advance(4 * MINUTE);
    expect(await statusOf(world, instance)).toBe('retiring');
    await world.clock.advance(10 * MINUTE);
    expect(await statusOf(world, instance)).toBe('retired');
  });

  it('while the node is enrolled again keeps its one registration', async () => {
    const { world, instance } = await playEnrolled();
    const [{ instanceId: registration } = {}] = registrations(world);
    deploy((file) => void Object.assign(file.profiles[0] ?? {}, { metadata: undefined }));
    world.opsWorks.hide(instance, 4 * 60);
    startByHand(world, { instanceId: instance });
    await world.clock.advance(30 * MINUTE);
    expect(minutesOf(world, 'opsworks.RegisterInstance')).toHaveLength(1);
    expect(await findItem(instance, signal)).toMatchObject({ status: 'enrolled', opsworksInstanceId: registration });
  });

  it('in two looks that are five minutes apart, while the node is enrolled again, has it registered anew', async () => {
    const { world, instance } = await playEnrolled();
    const [{ instanceId: former = '' } = {}] = registrations(world);
    await call(world.opsWorks.service, 'DeregisterInstance', { InstanceId: former });
    deploy((file) => void Object.assign(file.profiles[0] ?? {}, { metadata: undefined }));
    await world.clock.advance(MINUTE);
    startByHand(world, { instanceId: instance });
    await world.clock.advance(4 * MINUTE);
    expect(registrations(world)).toEqual([]);
    await world.clock.advance(20 * MINUTE);
    const [{ instanceId: registration } = {}] = registrations(world);
    expect(await findItem(instance, signal)).toMatchObject({
      ...{ status: 'enrolled', opsworksInstanceId: registration, registeredBy: 'muster' },
    });
  });

  it('and then cannot be asked is reported as what is left', async () => {
    const { world, instance } = await playEnrolled();
    const describe = { service: 'opsworks', operation: 'DescribeInstances' } as const;
    world.faults.set([
      { ...describe, ...NOT_FOUND, times: 1 },
      { ...describe, error: 'AccessDeniedException' },
    ]);
    world.autoScaling.terminate(instance, true);
    await world.clock.advance(20 * MINUTE);
    const report = world.machines.executions(world.retireNodeArn).find(({ status }) => status === 'FAILED');
    expect(report?.outcome.error).toBe('PermissionDenied');
    expect(report?.outcome.cause).toContain('Still there: the instance in the stack');
  });

  it('is never taken at its word by an execution that began before a deployment', async () => {
    const { world, instance } = await playEnrolled();
    world.opsWorks.hide(instance, 14 * 3600);
    world.lambda.interceptor = async (invocation, next) => {
      if (/deregister-instance$/.test(invocation.functionName))
        delete (invocation.payload as { before?: unknown }).before;
      return next();
    };
    world.autoScaling.terminate(instance, true);
    await world.clock.advance(13 * 60 * MINUTE);
    expect(await statusOf(world, instance)).toBe('retiring');
    expect(world.machines.executions(world.retireNodeArn)[0]?.outcome).toMatchObject({ error: 'ServiceUnavailable' });
  });
});
