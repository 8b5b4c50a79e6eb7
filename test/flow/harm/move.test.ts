import { UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { describe, expect, it } from 'vitest';
import type { LedgerItem } from '../../../lib/ledger-item.ts';
import type { Profile } from '../../../lib/profile.ts';
import { documents } from '../../../services/ledger-writes.ts';
import type { AwsEvent } from '../../../world/eventbridge/aws-event.ts';
import { sample } from '../../support/samples.ts';
import { atRest, deploy, enrolledFleet, HOUR, startsOf, sweep } from '../../support/sweeps.ts';
import { associations, type Played, startByHand } from '../../support/world.ts';

const PUPPET: Profile['associate'] = { engine: 'opsworks-cm', serverName: 'PuppetServer', serverEngine: 'Puppet' };

/** The profile of the group names another server from now on. */
function nameOtherServer(change: Partial<Profile> = {}): void {
  deploy((file) => {
    const [web] = file.profiles;
    Object.assign(web ?? {}, { associate: PUPPET, ...change });
  });
}

/** An enrolled instance whose profile names another server now. */
async function leftBehind(change: Partial<Profile> = {}) {
  const { world, instances } = await enrolledFleet(1);
  nameOtherServer(change);
  return { world, instance: instances[0] ?? '' };
}

const statusesOf = async (world: Played) => {
  const [item] = await world.ledger();
  return Object.fromEntries(
    Object.entries((item?.associations ?? {}) as LedgerItem['associations'] & object).map(([id, { status }]) => [
      id,
      status,
    ]),
  );
};

const CHEF_ID = 'opsworks-cm/ChefServer/default';
const PUPPET_ID = 'opsworks-cm/PuppetServer';

describe('a node whose profile names another server', () => {
  it('is reported by every sweep, and left on its former server', async () => {
    const { world, instance } = await leftBehind();
    const started = startsOf(world);
    for (let hours = 0; hours < 3; hours++) {
      const { rows, alerts } = await sweep(world);
      expect(alerts).toEqual([]);
      expect(rows).toMatchObject([
        {
          instance,
          finding: 'on-former-server',
          action: 'nothing',
          reason: expect.stringMatching(/ChefServer.*PuppetServer/),
        },
      ]);
      await world.clock.advance(HOUR);
    }
    expect(startsOf(world)).toEqual(started);
    expect(await statusesOf(world)).toEqual({ [CHEF_ID]: 'confirmed' });
  });

  it('is left there although its item is from before associations were recorded', async () => {
    const { world, instance } = await leftBehind();
    await documents.send(
      new UpdateCommand({
        TableName: process.env.LEDGER_TABLE,
        Key: { instance },
        UpdateExpression: 'REMOVE associations',
      }),
    );
    expect((await sweep(world)).rows).toMatchObject([{ instance, finding: 'on-former-server', action: 'nothing' }]);
  });

  it('is still hardened, and stays on its former server in the ledger', async () => {
    const { world, instance } = await leftBehind();
    world.ec2.service.operations.ModifyInstanceMetadataOptions?.(
      { InstanceId: instance, HttpPutResponseHopLimit: 1 } as never,
      {} as never,
    );
    await world.clock.advance(60_000);
    expect((await sweep(world)).rows).toMatchObject([{ finding: 'drifting', action: 'started' }]);
    await atRest(world);
    expect(world.ec2.instance(instance)?.metadataOptions).toMatchObject({ HttpPutResponseHopLimit: 2 });
    expect(await world.ledger()).toMatchObject([{ status: 'enrolled', associate: { serverName: 'ChefServer' } }]);
    expect((await sweep(world)).rows).toMatchObject([{ finding: 'on-former-server', action: 'nothing' }]);
  });

  it('is moved by a sweep where its profile says move: true', async () => {
    const { world, instance } = await leftBehind({ move: true });
    expect((await sweep(world)).rows).toMatchObject([{ instance, finding: 'drifting', action: 'started' }]);
    await atRest(world);
    expect(await statusesOf(world)).toMatchObject({ [PUPPET_ID]: 'confirmed' });
    // The enrolment takes it off its former server, or the next sweep does.
    await sweep(world);
    await atRest(world);
    expect(await statusesOf(world)).toEqual({ [CHEF_ID]: 'undone', [PUPPET_ID]: 'confirmed' });
    expect(associations(world).map(({ serverName }) => serverName)).toEqual(['PuppetServer']);
    expect((await sweep(world)).rows).toEqual([]);
    expect(await world.ledger()).toMatchObject([{ instance, status: 'enrolled' }]);
  });
});

describe('a node whose profile names no server any more', () => {
  it('is reported, and left on its former server', async () => {
    const { world, instance } = await leftBehind({ associate: undefined });
    expect((await sweep(world)).rows).toMatchObject([{ instance, finding: 'on-former-server', action: 'nothing' }]);
    expect(await statusesOf(world)).toEqual({ [CHEF_ID]: 'confirmed' });
  });

  it.each<[string, Partial<Profile>, (world: Played, instance: string) => Promise<unknown>]>([
    ['by a sweep where its profile says move: true', { move: true }, (world) => sweep(world)],
    ['when a person starts it', {}, async (world, instanceId) => startByHand(world, { instanceId })],
  ])('is taken off it %s, once', async (_by, change, start) => {
    const { world, instance } = await leftBehind({ associate: undefined, ...change });
    await start(world, instance);
    await atRest(world);
    // The retirement that takes it off its former server.
    await atRest(world);
    expect(await statusesOf(world)).toEqual({ [CHEF_ID]: 'undone' });
    expect(associations(world)).toEqual([]);
    expect(await world.ledger()).toMatchObject([{ instance, status: 'enrolled' }]);
    await world.clock.advance(25 * HOUR);
    expect((await sweep(world)).rows).toEqual([]);
  });
});

describe('an event whose announcement the ledger did not take', () => {
  it('is no person who asks for a move', async () => {
    const { world, instance } = await leftBehind({ lifecycleHook: undefined });
    world.lambda.interceptor = (_invocation, next) => next();
    world.faults.set([{ service: 'dynamodb', operation: 'PutItem', statusCode: 500, times: 3 }]);
    const event = sample('ec2-launch-successful') as unknown as AwsEvent;
    const detail = { ...event.detail, EC2InstanceId: instance, AutoScalingGroupName: 'web' };
    world.bus.deliver({ ...event, time: new Date(world.clock.now()).toISOString(), detail });
    await world.clock.advance(HOUR);
    expect(startsOf(world).filter((start) => start === `enrol-node ${instance}`)).toHaveLength(2);
    expect(world.machines.executions().at(-1)?.status).toBe('SUCCEEDED');
    expect(await statusesOf(world)).toEqual({ [CHEF_ID]: 'confirmed' });
  });
});

describe('a node that a person enrols again', () => {
  it('is enrolled with its new server, and then taken off the former one', async () => {
    const { world, instance } = await leftBehind();
    startByHand(world, { instanceId: instance });
    await atRest(world);
    // The retirement that takes it off its former server.
    await atRest(world);
    expect(await statusesOf(world)).toEqual({ [CHEF_ID]: 'undone', [PUPPET_ID]: 'confirmed' });
    expect(associations(world).map(({ serverName }) => serverName)).toEqual(['PuppetServer']);
    expect((await world.ledger())[0]).toMatchObject({ status: 'enrolled' });
  });

  it('is enrolled all the same where the retirement of the former one cannot be started; the sweep does it', async () => {
    const { world, instance } = await leftBehind();
    world.faults.set([{ service: 'states', operation: 'StartExecution', error: 'StateMachineDoesNotExist' }]);
    startByHand(world, { instanceId: instance });
    await atRest(world);
    expect(world.machines.executions().at(-1)?.status).toBe('SUCCEEDED');
    expect(await statusesOf(world)).toEqual({ [CHEF_ID]: 'confirmed', [PUPPET_ID]: 'confirmed' });
    world.faults.set([]);
    await sweep(world);
    await atRest(world);
    expect(await statusesOf(world)).toEqual({ [CHEF_ID]: 'undone', [PUPPET_ID]: 'confirmed' });
  });
});

describe('a rotated secret or another way to write the address', () => {
  it('is no move', async () => {
    const { world } = await enrolledFleet(1);
    nameOtherServer({
      associate: {
        engine: 'opsworks-cm',
        serverName: 'ChefServer',
        serverEngine: 'ChefAutomate',
        chefOrganization: 'default',
      },
    });
    expect((await sweep(world)).rows.map(({ finding }) => finding)).not.toContain('on-former-server');
  });
});
