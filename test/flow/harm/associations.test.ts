import { UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { serverId } from '../../../lib/associations.ts';
import type { LedgerAssociation } from '../../../lib/ledger-item.ts';
import type { Profile } from '../../../lib/profile.ts';
import type { ProfilesFile } from '../../../profiles/file.ts';
import { announce } from '../../../services/announcements.ts';
import { recordAssociation } from '../../../services/associations.ts';
import { findItem } from '../../../services/ledger.ts';
import { documents } from '../../../services/ledger-writes.ts';
import { PuppetCa } from '../../../world/services/puppet-ca.ts';
import { call } from '../../support/call.ts';
import { connectPuppet } from '../../support/connect-puppet.ts';
import { makeNode } from '../../support/make-node.ts';
import { puppetProfile } from '../../support/self-managed.ts';
import { sampled } from '../../support/size.ts';
import { deploy } from '../../support/sweeps.ts';
import {
  associations,
  callsOfHandlers,
  nameOf,
  type Played,
  playWorld,
  registrations,
  START,
  untilEnded,
} from '../../support/world.ts';

const { signal } = new AbortController();
const BY_THE_TEST = { requestId: 'by-the-test' };
const MINUTE = 60_000;
const DB = 'lightsail/eu-west-1/db-1';
const CHEF = { engine: 'opsworks-cm', serverName: 'ChefServer', serverEngine: 'ChefAutomate' } as const;
const PUPPET = { engine: 'opsworks-cm', serverName: 'PuppetServer', serverEngine: 'Puppet' } as const;

let ca: PuppetCa;
beforeAll(async () => {
  ca = await PuppetCa.start({ managed: /^db-1$/ });
});
afterAll(() => ca.close());
beforeEach(() => {
  ca.reset();
  ca.heard.length = 0;
});

/** A Lightsail instance `db-1` whose profile names the Puppet Server; its agent is up. */
async function playDatabase(): Promise<Played> {
  const { associate, secrets } = puppetProfile(ca);
  const profile: Profile = {
    name: 'db',
    match: { lightsail: '*' },
    associate,
    enrolWithinMinutes: 60,
    onFailure: 'hold',
    abandonLimit: 3,
  };
  const world = await playWorld({ profiles: [profile], secrets, nodes: { agentUpAfterSeconds: 5 } });
  const image = { availabilityZone: 'eu-west-1a', blueprintId: 'amazon_linux_2023', bundleId: 'nano_3_0' };
  void world.lightsail.createInstances({ ...image, instanceNames: ['db-1'] }, BY_THE_TEST);
  await world.clock.advance(MINUTE);
  world.activate('db-1');
  await untilEnded(world, 1);
  await world.clock.advance(15 * MINUTE);
  return world;
}

async function deleteDatabase(world: Played): Promise<void> {
  void world.lightsail.deleteInstance({ instanceName: 'db-1' }, BY_THE_TEST);
  await world.clock.advance(30 * MINUTE);
  expect(await itemOf(world, DB)).toMatchObject({ status: 'retired' });
}

async function playWeb(disturb: (world: Played) => void = () => {}) {
  const world = await playWorld();
  disturb(world);
  const [instance = ''] = world.autoScaling.launch('web', 1);
  await world.clock.advance(10 * MINUTE);
  return { world, instance };
}

async function terminate(world: Played, instance: string): Promise<void> {
  world.autoScaling.terminate(instance, true);
  await world.clock.advance(60 * MINUTE);
}

async function itemOf(world: Played, instance: string) {
  return (await world.ledger()).find((item) => item.instance === instance);
}

async function statusesOf(world: Played, instance: string) {
  const { associations: recorded = {} } = (await findItem(instance, signal)) ?? {};
  expect(await itemOf(world, instance)).toBeDefined();
  return Object.values(recorded).map(({ status }) => status);
}

/** Another machine's certificate or client, under a name of ours. */
async function enrolStranger(): Promise<void> {
  const { url, caCertificate, enrol, retire } = ca;
  await connectPuppet({ url, caCertificate, enrol, retire }).associate(await makeNode('db-1'), signal);
  ca.heard.length = 0;
}

async function associateStranger(world: Played, nodeName: string): Promise<void> {
  const { identity } = await makeNode(nodeName);
  const attributes = { CHEF_ORGANIZATION: 'default', CHEF_NODE_PUBLIC_KEY: identity.publicKey };
  await call(world.opsWorksCm.service, 'AssociateNode', {
    ServerName: 'ChefServer',
    NodeName: nodeName,
    EngineAttributes: Object.entries(attributes).map(([Name, Value]) => ({ Name, Value })),
  });
  await world.clock.advance(MINUTE);
}

/** Makes the item one of the version before, which recorded no association by itself. */
async function makeOld(instance: string, ...more: string[]): Promise<void> {
  const names = ['associations', 'registeredBy', ...more];
  await documents.send(
    new UpdateCommand({
      TableName: process.env.LEDGER_TABLE,
      Key: { instance },
      UpdateExpression: `REMOVE ${names.map((name) => `#${name}`).join(', ')}`,
      ExpressionAttributeNames: Object.fromEntries(names.map((name) => [`#${name}`, name])),
    }),
  );
}

function disassociations(world: Played): number {
  return callsOfHandlers(world).filter((one) => nameOf(one) === 'opsworks-cm.DisassociateNode').length;
}

/** What the CA was asked to change. */
function changesAtCa(): string[] {
  return ca.heard.filter((one) => one.startsWith('muster-retire') && !one.includes(' GET '));
}

describe('another machine’s certificate under the name of a Lightsail instance', () => {
  it.each<[string, ((world: Played) => Promise<void>) | undefined]>([
    ['', undefined],
    [', also by an item from before', () => makeOld(DB)],
    [', also by an item from before whose failure was not recorded', () => makeOld(DB, 'errorName')],
  ])('is untouched when that instance, which was refused, is deleted%s', async (_how, age) => {
    await enrolStranger();
    const world = await playDatabase();
    expect(await itemOf(world, DB)).toMatchObject({ status: 'failed', errorName: 'AssociationFailed' });
    expect(await statusesOf(world, DB)).toEqual(['refused']);
    await age?.(world);
    await deleteDatabase(world);
    expect(ca.signed).toEqual(['db-1']);
    expect(changesAtCa()).toEqual([]);
  });

  it('is untouched where it has taken the place of the node that was enrolled', async () => {
    const world = await playDatabase();
    expect(await statusesOf(world, DB)).toEqual(['confirmed']);
    ca.reset();
    await enrolStranger();
    await deleteDatabase(world);
    expect(ca.signed).toEqual(['db-1']);
    expect(changesAtCa()).toEqual([]);
    expect(await statusesOf(world, DB)).toEqual(['refused']);
    expect(world.logs).toContainEqual(
      expect.objectContaining({
        message: 'Left untouched',
        reason: `${ca.url} has db-1 with another key than the ledger: it is not the node that we enrolled.`,
      }),
    );
  });

  it('is told from the node’s own, which is revoked, also by an item from before', async () => {
    const world = await playDatabase();
    await makeOld(DB);
    await deleteDatabase(world);
    expect(ca.signed).toEqual([]);
    expect(changesAtCa()).toHaveLength(2);
    expect(await statusesOf(world, DB)).toEqual(['undone']);
  });
});

describe('another machine’s node at a server that shows no keys', () => {
  it('is untouched by the retirement of an instance that the server refused', async () => {
    const world = await playWorld();
    world.opsWorksCm.setStatus('ChefServer', 'UNDER_MAINTENANCE');
    const [instance = ''] = world.autoScaling.launch('web', 1);
    await world.clock.advance(MINUTE);
    world.opsWorksCm.setStatus('ChefServer', 'HEALTHY');
    await associateStranger(world, instance);
    await world.clock.advance(30 * MINUTE);
    expect(await statusesOf(world, instance)).toEqual(['refused']);
    await terminate(world, instance);
    expect(associations(world)).toMatchObject([{ nodeName: instance }]);
    expect(disassociations(world)).toBe(0);
  });

  it('is untouched where the server took nothing from us, being in maintenance', async () => {
    const world = await playWorld();
    const [instance = ''] = world.autoScaling.launch('web', 1);
    await associateStranger(world, instance);
    world.opsWorksCm.setStatus('ChefServer', 'UNDER_MAINTENANCE');
    await world.clock.advance(10 * MINUTE);
    expect(await statusesOf(world, instance)).toEqual(['refused']);
    world.opsWorksCm.setStatus('ChefServer', 'HEALTHY');
    world.autoScaling.terminate(instance, true);
    await world.clock.advance(30 * MINUTE);
    expect(associations(world)).toMatchObject([{ nodeName: instance, times: 1 }]);
    expect(disassociations(world)).toBe(0);
  });

  it('is not what an answer that got lost left behind: that is undone', async () => {
    const { world, instance } = await playWeb((played) =>
      played.faults.set([{ service: 'opsworks-cm', operation: 'AssociateNode', drop: true, after: true }]),
    );
    expect(associations(world)).toHaveLength(1);
    expect(await statusesOf(world, instance)).toEqual(['asked']);
    world.faults.set([]);
    const enrolment = world.machines.executions()[0];
    world.machines.stop(enrolment?.arn ?? '');
    await terminate(world, instance);
    expect(associations(world)).toEqual([]);
    expect(await statusesOf(world, instance)).toEqual(['undone']);
  });
});

describe('a node that a server has confirmed', () => {
  it.each(
    sampled(
      [
        ['is in maintenance', (world: Played) => world.opsWorksCm.setStatus('ChefServer', 'UNDER_MAINTENANCE')],
        [
          'throttles us',
          (world: Played) =>
            world.faults.set([{ service: 'opsworks-cm', operation: 'AssociateNode', error: 'ThrottlingException' }]),
        ],
        [
          'refuses it',
          (world: Played) =>
            world.faults.set([{ service: 'opsworks-cm', operation: 'AssociateNode', error: 'ValidationException' }]),
        ],
      ],
      1,
    ),
  )(
    'is still ours, and taken off, after an attempt to associate it again while the server %s',
    async (_what, disturb) => {
      const { world, instance } = await playWeb();
      deploy((file) => {
        // Another version of the profile, which enrols the node again with the same server.
        Object.assign(file.profiles[0] ?? {}, { register: undefined });
      });
      disturb(world);
      world.machines.start({ stateMachineArn: world.enrolNodeArn, input: JSON.stringify({ instanceId: instance }) });
      await world.clock.advance(10 * MINUTE);
      expect(
        callsOfHandlers(world).filter((one) => nameOf(one) === 'opsworks-cm.AssociateNode').length,
      ).toBeGreaterThan(1);
      expect(await statusesOf(world, instance)).toEqual(['confirmed']);
      world.faults.set([]);
      world.opsWorksCm.setStatus('ChefServer', 'HEALTHY');
      world.machines.stop(world.machines.executions().at(-1)?.arn ?? '');
      await terminate(world, instance);
      expect(associations(world)).toEqual([]);
    },
  );
});

describe('a node at two servers', () => {
  const at = (server: LedgerAssociation['server'], nodeName: string): LedgerAssociation => {
    return { server, nodeName, status: 'confirmed', publicKeyFingerprint: 'aa', at: START.toISOString() };
  };

  /** Enrolled with the Chef server, by its profile, and with the Puppet server before. */
  async function playMoved() {
    const { world, instance } = await playWeb();
    const item = await findItem(instance, signal);
    const owner = { instance, generation: item?.generation ?? 0 };
    await recordAssociation(owner, serverId(PUPPET), at(PUPPET, instance), {}, signal);
    return { world, instance };
  }

  it('is taken off both', async () => {
    const { world, instance } = await playMoved();
    await terminate(world, instance);
    expect(await statusesOf(world, instance)).toEqual(['undone', 'undone']);
    expect(disassociations(world)).toBe(2);
  });

  it.each([
    ['PuppetServer', 'ChefServer'],
    ['ChefServer', 'PuppetServer'],
  ])('is taken off the other one although %s is beyond hope, and the report names what is left', async (failed) => {
    const { world, instance } = await playMoved();
    world.opsWorksCm.setStatus(failed, 'FAILED');
    await terminate(world, instance);
    expect((await statusesOf(world, instance)).toSorted()).toEqual(['confirmed', 'undone']);
    expect(registrations(world)).toEqual([]);
    const report = world.machines.executions(world.retireNodeArn).find(({ status }) => status === 'FAILED');
    expect(report?.outcome).toMatchObject({ error: 'ServerNotFound' });
    expect(report?.outcome.cause).toContain(
      `Still there: the node ${instance} on the server ${failed}. Fix the cause, then start retire-node again.`,
    );
    expect(report?.outcome.cause?.match(/beyond|FAILED/g)).toHaveLength(1);
  });

  it('is taken off the former one alone when it has moved, and stays enrolled', async () => {
    const { world, instance } = await playMoved();
    const { generation } = (await findItem(instance, signal)) ?? {};
    const eventTime = new Date(world.clock.now()).toISOString();
    await announce('moved', { subject: instance, by: 'move', detailType: 'move', eventId: '1', eventTime }, signal);
    world.machines.start({
      stateMachineArn: world.retireNodeArn,
      name: 'moved',
      input: JSON.stringify({ instanceId: instance }),
    });
    await world.clock.advance(10 * MINUTE);
    expect(world.machines.executions(world.retireNodeArn).map(({ stateName }) => stateName)).toEqual(['Left']);
    const item = await findItem(instance, signal);
    expect(item).toMatchObject({ status: 'enrolled', generation });
    expect(item?.associations).toMatchObject({
      [serverId(CHEF)]: { status: 'confirmed' },
      [serverId(PUPPET)]: { status: 'undone' },
    });
    expect(registrations(world)).toHaveLength(1);
    expect(associations(world)).toMatchObject([{ serverName: 'ChefServer', nodeName: instance }]);
  });
});

describe('a server that no profile names any more', () => {
  const DENIED = { service: 'secretsmanager', operation: 'GetSecretValue', error: 'AccessDeniedException' } as const;

  /** The profile names OpsWorks CM now, so that the roles are no more for the Puppet Server's secrets. */
  function renounce(formerServers?: ProfilesFile['formerServers']): void {
    deploy((file) => {
      Object.assign(file.profiles[0] ?? {}, { associate: CHEF });
      if (formerServers) file.formerServers = formerServers;
    });
  }

  it.each([
    ['denies its secret', DENIED],
    ['has lost its secret', { ...DENIED, error: 'ResourceNotFoundException' }],
  ])('is what the report says to list under formerServers, where AWS %s', async (_what, fault) => {
    const world = await playDatabase();
    renounce();
    world.faults.set([fault]);
    void world.lightsail.deleteInstance({ instanceName: 'db-1' }, BY_THE_TEST);
    await world.clock.advance(30 * MINUTE);
    const report = world.machines.executions(world.retireNodeArn).find(({ status }) => status === 'FAILED');
    const { associate } = puppetProfile(ca);
    expect(report?.outcome.cause).toContain(
      `No profile names ${ca.url} any more: add it to profiles.yml as formerServers: [${JSON.stringify(associate)}], with the secrets that it has now, and deploy again.`,
    );
    expect(ca.signed).toEqual(['db-1']);
  });

  it('has its node taken off although looks for its secret miss it for a minute', async () => {
    const world = await playDatabase();
    world.faults.set([{ ...DENIED, error: 'ResourceNotFoundException', times: 2 }]);
    await deleteDatabase(world);
    expect(ca.signed).toEqual([]);
    expect(world.machines.executions(world.retireNodeArn).map(({ status }) => status)).not.toContain('FAILED');
  });

  it('has its node taken off with the secrets that formerServers names', async () => {
    const world = await playDatabase();
    const { associate, secrets } = puppetProfile(ca);
    renounce([{ ...associate, retireKeySecret: 'puppet/retire-2' }]);
    world.secretsManager.put('puppet/retire-2', secrets['puppet/retire']);
    world.faults.set([{ ...DENIED, match: { SecretId: 'puppet/retire' } }]);
    await deleteDatabase(world);
    expect(ca.signed).toEqual([]);
  });
});

describe('a registration with an OpsWorks stack', () => {
  const REGISTER = { service: 'opsworks', operation: 'RegisterInstance' } as const;

  /** Another team registers the instance with the same stack. */
  async function registerAsOthers(world: Played, instance: string): Promise<string> {
    const { document, signature } = (await world.fleet.get(instance)?.identity()) ?? {};
    const { InstanceId } = await call<{ InstanceId: string }>(world.opsWorks.service, 'RegisterInstance', {
      StackId: '4c1c3e2a-8d0e-4c56-9d3e-6f0f5b3f7a11',
      Hostname: 'of-others',
      InstanceIdentity: { Document: document, Signature: signature },
    });
    return InstanceId;
  }

  /** A launch of which the one RegisterInstance meets a fault; its enrolment ends there. */
  async function playFaulty(fault: object): Promise<{ world: Played; instance: string }> {
    const world = await playWorld();
    world.faults.set([{ ...REGISTER, ...fault }]);
    const [instance = ''] = world.autoScaling.launch('web', 1);
    // Short steps: a retry may come within the same second.
    while (!callsOfHandlers(world).some((one) => nameOf(one) === 'opsworks.RegisterInstance'))
      await world.clock.advance(50);
    world.machines.stop(world.machines.executions()[0]?.arn ?? '');
    world.faults.set([]);
    await world.clock.advance(5 * MINUTE);
    return { world, instance };
  }

  it('that another team made before us is adopted, and left in its stack', async () => {
    const world = await playWorld();
    const [instance = ''] = world.autoScaling.launch('web', 1);
    await world.clock.advance(1_000);
    const theirs = await registerAsOthers(world, instance);
    await world.clock.advance(30 * MINUTE);
    expect(await itemOf(world, instance)).toMatchObject({ opsworksInstanceId: theirs, registeredBy: 'others' });
    await terminate(world, instance);
    expect(registrations(world).map(({ instanceId }) => instanceId)).toEqual([theirs]);
    expect(await itemOf(world, instance)).toMatchObject({ status: 'retired' });
  });

  it.each([
    ['had refused us', { error: 'ValidationException' }],
    ['had not let us in', { error: 'AccessDeniedException' }],
    ['had never heard us, as its late date shows', { drop: true }],
  ])('that another team made after the stack %s is left in its stack', async (_what, fault) => {
    const { world, instance } = await playFaulty(fault);
    expect(registrations(world)).toEqual([]);
    const theirs = await registerAsOthers(world, instance);
    await terminate(world, instance);
    expect(registrations(world).map(({ instanceId }) => instanceId)).toEqual([theirs]);
    expect(await itemOf(world, instance)).toMatchObject({ status: 'retired' });
  });

  it('that another team made after the stack had never heard us is adopted by a later enrolment, and left', async () => {
    const { world, instance } = await playFaulty({ drop: true });
    const theirs = await registerAsOthers(world, instance);
    world.machines.start({ stateMachineArn: world.enrolNodeArn, input: JSON.stringify({ instanceId: instance }) });
    await world.clock.advance(10 * MINUTE);
    expect(await itemOf(world, instance)).toMatchObject({ opsworksInstanceId: theirs, registeredBy: 'others' });
    await terminate(world, instance);
    expect(registrations(world).map(({ instanceId }) => instanceId)).toEqual([theirs]);
  });

  it('that the stack does not show for a moment is assigned to its layers all the same', async () => {
    const world = await playWorld();
    const missed = { service: 'opsworks', operation: 'DescribeInstances', error: 'ResourceNotFoundException' };
    world.faults.set([{ ...missed, skip: 1, times: 1 }]);
    world.autoScaling.launch('web', 1);
    expect((await untilEnded(world, 1))[0]).toMatchObject({ outcome: 'enrolled' });
    expect(world.faults.list()).toEqual([]);
  });

  it('of which the answer got lost is ours, and taken out of its stack', async () => {
    const { world, instance } = await playFaulty({ drop: true, after: true });
    expect(registrations(world)).toHaveLength(1);
    expect(await itemOf(world, instance)).not.toHaveProperty('opsworksInstanceId');
    await terminate(world, instance);
    expect(registrations(world)).toEqual([]);
  });

  it('of which an answer got lost may still be ours when the next attempt is refused', async () => {
    const world = await playWorld();
    world.faults.set([
      { ...REGISTER, drop: true, times: 1 },
      { ...REGISTER, error: 'ValidationException' },
    ]);
    const [instance = ''] = world.autoScaling.launch('web', 1);
    await world.clock.advance(10 * MINUTE);
    expect(await itemOf(world, instance)).toMatchObject({ status: 'failed', registeredBy: 'muster' });
  });

  it('is taken out of its stack by an item from before, too', async () => {
    const { world, instance } = await playWeb();
    await makeOld(instance);
    await terminate(world, instance);
    expect([registrations(world), associations(world)]).toEqual([[], []]);
  });
});
