import { DeleteItemCommand, DynamoDBClient, ScanCommand, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { unmarshall } from '@aws-sdk/util-dynamodb';
import { describe, expect, it } from 'vitest';
import { environment } from '../../lib/config.ts';
import { ClaimedElsewhere, IdentityRejected } from '../../lib/errors.ts';
import type { LedgerItem } from '../../lib/ledger-item.ts';
import { bindKey } from '../../services/key-bindings.ts';
import { claim, findItem, listItems, record } from '../../services/ledger.ts';
import { bindNodeKey, holdingKey, releaseKeysOf } from '../../services/node-keys.ts';
import { thriftyKeys } from '../../world/pki/thrifty-keys.ts';
import { TaskFailure } from '../../world/states/task-failure.ts';
import { associations, type Played, playWorld, registrations, START, untilEnded } from '../support/world.ts';

const { signal } = new AbortController();
const [ONE, OTHER] = ['i-0123456789abcdef0', 'i-0fedcba9876543210'];

/** The items of keys, by their fingerprints. */
async function keyItems(world: Played): Promise<Record<string, unknown>> {
  const { Items = [] } = await dynamoDb(world).send(new ScanCommand({ TableName: tableName(), ConsistentRead: true }));
  const items = Items.map((item) => unmarshall(item)).filter(({ instance }) => instance.startsWith('key/'));
  return Object.fromEntries(items.map(({ instance, ...item }) => [instance.slice(4), item]));
}

const tableName = () => environment('LEDGER_TABLE');

function dynamoDb({ endpoint }: Played): DynamoDBClient {
  const credentials = { accessKeyId: 'any', secretAccessKey: 'any' };
  return new DynamoDBClient({ endpoint, region: 'eu-west-1', credentials });
}

/** Takes the instance, as the next execution does. */
async function claimed(instance: string, execution: string, fields: Partial<LedgerItem> = {}): Promise<LedgerItem> {
  const next = { instance, status: 'enrolling', execution, claimedAt: START.toISOString(), ...fields } as const;
  return claim(await findItem(instance, signal), next, signal);
}

async function removeBinding(world: Played, instance: string): Promise<void> {
  const where = { TableName: tableName(), Key: { instance: { S: instance } } };
  await dynamoDb(world).send(new UpdateItemCommand({ ...where, UpdateExpression: 'REMOVE publicKeyFingerprint' }));
}

describe('one key', () => {
  it('is one instance’s: of two clones that launch in the same moment, one is refused, and named with the other', async () => {
    const keys = thriftyKeys();
    const key = keys();
    const world = await playWorld({ keySource: () => key });
    const clones = world.autoScaling.launch('database', 2);
    const ended = await untilEnded(world, 2);
    const [enrolled] = ended.filter(({ outcome }) => outcome === 'enrolled');
    const [refused] = ended.filter(({ outcome }) => outcome === 'failed');
    expect([enrolled?.instance, refused?.instance].toSorted()).toEqual(clones.toSorted());
    expect(refused?.cause).toContain(
      `${refused?.instance} is not enrolled: its key is the key of ${enrolled?.instance}, and a server would take both ` +
        'for one node.',
    );
    expect(associations(world)).toMatchObject([{ nodeName: enrolled?.instance }]);
    expect(registrations(world).map(({ ec2InstanceId }) => ec2InstanceId)).not.toContain(refused?.instance);
    const counted = world.logs.filter((line) => 'IdentitiesRejected' in line);
    expect(counted).toMatchObject([{ rule: 'key-of-another' }]);
    expect(Object.values(await keyItems(world))).toMatchObject([{ holder: enrolled?.instance }]);
  });

  it('is won by one of two attempts in the same moment', async () => {
    await playWorld();
    const claims = [await claimed(ONE, 'one'), await claimed(OTHER, 'other')];
    const attempts = await Promise.allSettled(claims.map((owner) => bindNodeKey(owner, 'aa', signal)));
    expect(attempts.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect(attempts).toContainEqual({ status: 'rejected', reason: expect.any(IdentityRejected) });
  });

  it('is the instance’s that took it, where its attempt broke off before the key was bound', async () => {
    const world = await playWorld();
    const owner = await claimed(ONE, 'one');
    world.faults.set([{ service: 'dynamodb', operation: 'UpdateItem', error: 'InternalServerError', times: 3 }]);
    await expect(bindNodeKey(owner, 'aa', signal)).rejects.toThrow();
    expect(await findItem(ONE, signal)).not.toHaveProperty('publicKeyFingerprint');
    await expect(bindNodeKey(await claimed(OTHER, 'other'), 'aa', signal)).rejects.toThrow(`is the key of ${ONE}`);
    await bindNodeKey(owner, 'aa', signal);
    expect(await findItem(ONE, signal)).toMatchObject({ publicKeyFingerprint: 'aa' });
  });

  it('is free again once the execution that took it can bind it no more', async () => {
    const world = await playWorld();
    const owner = await claimed(ONE, 'one');
    world.faults.set([{ service: 'dynamodb', operation: 'UpdateItem', error: 'InternalServerError', times: 3 }]);
    await expect(bindNodeKey(owner, 'aa', signal)).rejects.toThrow();
    const next = await claimed(ONE, 'next');
    await bindNodeKey(await claimed(OTHER, 'other'), 'aa', signal);
    for (const late of [owner, next]) await expect(bindNodeKey(late, 'aa', signal)).rejects.toThrow();
    expect(await findItem(ONE, signal)).not.toHaveProperty('publicKeyFingerprint');
  });

  it('stays the instance’s when its task runs twice, and when a later execution enrols it again', async () => {
    const world = await playWorld();
    const owner = await claimed(ONE, 'one');
    for (let run = 0; run < 2; run++) await bindNodeKey(owner, 'aa', signal);
    const next = await claimed(ONE, 'next');
    await bindNodeKey(next, 'aa', signal);
    expect(await keyItems(world)).toEqual({ aa: { holder: ONE, generation: 2 } });
    await expect(bindNodeKey(owner, 'aa', signal)).rejects.toThrow(ClaimedElsewhere);
    expect(await keyItems(world)).toEqual({ aa: { holder: ONE, generation: 2 } });
  });

  it('is taken at the next enrolment of an instance whose key was bound before keys were taken', async () => {
    const world = await playWorld();
    await bindKey(await claimed(ONE, 'one'), { publicKeyFingerprint: 'aa', rootVolume: null }, signal);
    expect(await keyItems(world)).toEqual({});
    await bindNodeKey(await claimed(ONE, 'next'), 'aa', signal);
    expect(await keyItems(world)).toEqual({ aa: { holder: ONE, generation: 2 } });
  });

  it('leaves nothing taken where the instance has another key', async () => {
    const world = await playWorld();
    await bindNodeKey(await claimed(ONE, 'one'), 'aa', signal);
    await expect(bindNodeKey(await claimed(ONE, 'next'), 'bb', signal)).rejects.toMatchObject({ rule: 'another-key' });
    expect(Object.keys(await keyItems(world))).toEqual(['aa']);
  });

  it('is its instance’s while that may still bind it instead of its former one', async () => {
    const world = await playWorld();
    await bindNodeKey(await claimed(ONE, 'one'), 'aa', signal);
    const clone = async () => {
      const attempt = bindNodeKey(await claimed(OTHER, 'other'), 'bb', signal);
      await expect(attempt).rejects.toMatchObject({ rule: 'key-of-another' });
    };
    await holdingKey(await claimed(ONE, 'next'), 'bb', clone, signal);
    expect(await keyItems(world)).toMatchObject({ aa: { holder: ONE }, bb: { holder: ONE } });
  });

  it('is not in the list of instances', async () => {
    await playWorld();
    await bindNodeKey(await claimed(ONE, 'one'), 'aa', signal);
    const listed: string[] = [];
    for await (const page of listItems(signal)) listed.push(...page.map(({ instance }) => instance));
    expect(listed).toEqual([ONE]);
  });
});

describe('a key that is given back', () => {
  it('was its instance’s until it was retired, and is then another’s', async () => {
    const keys = thriftyKeys();
    const key = keys();
    const world = await playWorld({ keySource: () => key });
    const [first = ''] = world.autoScaling.launch('database', 1);
    await untilEnded(world, 1);
    world.autoScaling.terminate(first, true);
    await world.clock.advance(600_000);
    expect(await world.ledger()).toMatchObject([{ instance: first, status: 'retired' }]);
    expect(await keyItems(world)).toEqual({});
    const [second = ''] = world.autoScaling.launch('database', 1);
    await world.clock.advance(600_000);
    expect(Object.values(await keyItems(world))).toMatchObject([{ holder: second }]);
  });

  it('is waited for while its instance is being retired', async () => {
    await playWorld();
    const first = await claimed(ONE, 'one');
    await bindNodeKey(first, 'aa', signal);
    const retiring = await claimed(ONE, 'retirement', { status: 'retiring' });
    const next = await claimed(OTHER, 'other');
    await expect(bindNodeKey(next, 'aa', signal)).rejects.toThrow(ClaimedElsewhere);
    await record(retiring, { status: 'retired' }, signal);
    await bindNodeKey(next, 'aa', signal);
    await expect(releaseKeysOf(retiring, signal)).resolves.toBeUndefined();
    await expect(bindNodeKey(await claimed('i-0aaaaaaaaaaaaaaaa', 'third'), 'aa', signal)).rejects.toThrow(OTHER);
  });

  it('is free when its instance has ended and its item has expired', async () => {
    const world = await playWorld();
    await bindNodeKey(await claimed(ONE, 'one'), 'aa', signal);
    await remove(world, ONE);
    await bindNodeKey(await claimed(OTHER, 'other'), 'aa', signal);
    expect(await keyItems(world)).toMatchObject({ aa: { holder: OTHER } });
  });

  it('was unbound by a person, and is free when the instance has its new key', async () => {
    const world = await playWorld();
    await bindNodeKey(await claimed(ONE, 'one'), 'aa', signal);
    await removeBinding(world, ONE);
    await bindNodeKey(await claimed(ONE, 'next'), 'bb', signal);
    await bindNodeKey(await claimed(OTHER, 'other'), 'aa', signal);
    expect(await keyItems(world)).toMatchObject({ aa: { holder: OTHER }, bb: { holder: ONE } });
  });

  it('was an earlier instance’s of a Lightsail name that is given again', async () => {
    const world = await playWorld();
    const name = 'lightsail/eu-west-1/blog';
    const earlier = await claimed(name, 'one', { launchTime: '2031-01-01T00:00:00.000Z', arn: 'one' });
    await bindNodeKey(earlier, 'aa', signal);
    const retired = await claimed(name, 'retirement', { status: 'retired' });
    const later = await claimed(name, 'next', { launchTime: '2031-02-01T00:00:00.000Z', arn: 'other' });
    expect(later).not.toHaveProperty('publicKeyFingerprint');
    await bindNodeKey(later, 'bb', signal);
    // A retirement that comes late takes nothing from the later instance.
    await releaseKeysOf(retired, signal);
    await bindNodeKey(await claimed(OTHER, 'other'), 'aa', signal);
    expect(await keyItems(world)).toMatchObject({ aa: { holder: OTHER }, bb: { holder: name } });
  });

  it('is given back once, where the task that forgets the node is killed and runs again', async () => {
    const world = await playWorld();
    const [instance = ''] = world.autoScaling.launch('database', 1);
    await untilEnded(world, 1);
    let runs = 0;
    world.lambda.interceptor = async ({ functionName }, next) => {
      const answer = await next();
      if (functionName.endsWith('-forget-node') && ++runs === 1) throw new TaskFailure('Lambda.Unknown');
      return answer;
    };
    world.autoScaling.terminate(instance, true);
    await world.clock.advance(1_200_000);
    expect(runs).toBe(2);
    expect(await keyItems(world)).toEqual({});
    expect(await world.ledger()).toMatchObject([{ status: 'retired' }]);
  });

  async function remove(world: Played, instance: string): Promise<void> {
    await dynamoDb(world).send(new DeleteItemCommand({ TableName: tableName(), Key: { instance: { S: instance } } }));
  }
});

it('an item of an instance that cannot be read keeps its key', async () => {
  const world = await playWorld();
  await bindNodeKey(await claimed(ONE, 'one'), 'aa', signal);
  const where = { TableName: tableName(), Key: { instance: { S: ONE } } };
  await dynamoDb(world).send(new UpdateItemCommand({ ...where, UpdateExpression: 'REMOVE claimedAt' }));
  await expect(bindNodeKey(await claimed(OTHER, 'other'), 'aa', signal)).rejects.toThrow('is not as Muster writes it');
});
