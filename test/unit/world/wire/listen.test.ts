import { CreateTableCommand, DynamoDBClient, GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { DescribeServersCommand, type DescribeServersResponse, OpsWorksCMClient } from '@aws-sdk/client-opsworkscm';
import { describe, expect, it } from 'vitest';
import { WorldClock } from '../../../../world/kernel/clock.ts';
import { createGateway } from '../../../../world/wire/listen.ts';
import type { Service } from '../../../../world/wire/service.ts';
import { openPort, post } from '../../../support/open-port.ts';

const servers = (name: string): Service => ({
  name: 'opsworks-cm',
  operations: { DescribeServers: () => ({ Servers: [{ ServerName: name }] }) },
});

const namesOf = async (client: ConstructorParameters<typeof OpsWorksCMClient>[0]) => {
  const { Servers = [] } = await new OpsWorksCMClient(client ?? {}).send(new DescribeServersCommand({}));
  return Servers.map((server) => server.ServerName);
};

describe('The port', () => {
  it('says in a sentence that it is taken', async () => {
    const { port } = await openPort([]);
    await expect(createGateway().listen(port)).rejects.toThrow(
      `Port ${port} on 127.0.0.1 is in use. Stop what uses it, or choose another port with --port.`,
    );
  });

  it('serves another world from one request to the next', async () => {
    const first = await openPort([servers('one')]);
    const second = await openPort([servers('two')]);
    expect(await namesOf(first.client)).toEqual(['one']);
    first.gateway.world = second.gateway.world;
    expect(await namesOf(first.client)).toEqual(['two']);
  });

  it('says so when no world stands behind it', async () => {
    const { gateway, endpoint } = await openPort([]);
    gateway.world = undefined;
    expect(await post(endpoint, {}, '')).toMatchObject({
      status: 503,
      text: 'No world stands behind this port yet.\n',
    });
  });

  it('explains itself to a browser, and to who posts to a wrong path', async () => {
    const { endpoint } = await openPort([]);
    const answers = [await fetch(endpoint), await fetch(`${endpoint}/2015-03-31/functions`, { method: 'POST' })];
    for (const answer of answers) {
      expect(answer.status).toBe(404);
      expect(await answer.text()).toContain('This is the local world of Muster.');
    }
  });

  it('refuses a body of more than 1 MiB, and serves on', async () => {
    const { endpoint, client } = await openPort([servers('one')]);
    const target = { 'x-amz-target': 'OpsWorksCM_V2016_11_01.DescribeServers' };
    const answer = await post(endpoint, target, 'x'.repeat(1024 * 1024 + 1));
    expect(answer).toMatchObject({ status: 413, text: 'A request is at most 1048576 bytes.\n' });
    expect(await namesOf(client)).toEqual(['one']);
  });

  it('refuses a service that the world does not play in the protocol of the request', async () => {
    const { endpoint } = await openPort([]);
    const json = await post(endpoint, { 'x-amz-target': 'Nobody.DoIt' }, '{}');
    expect(JSON.parse(json.text)).toMatchObject({
      __type: 'UnknownOperationException',
      message: expect.stringContaining('plays no AWS service to which DoIt belongs'),
    });
    const form = await post(endpoint, {}, 'Action=ListQueues&Version=2012-11-05');
    expect(form.text).toContain('<Code>InvalidAction</Code>');
  });

  it('counts and reports every call, refused ones too', async () => {
    const { client, endpoint, apis, heard } = await openPort([servers('one')]);
    await namesOf(client);
    await post(endpoint, { 'x-amz-target': 'OpsWorksCM_V2016_11_01.DescribeServers' }, '{"ServerName":"1"}');
    expect(Object.fromEntries(apis.calls)).toEqual({ 'opsworks-cm.DescribeServers': 2 });
    expect(heard).toMatchObject([
      { service: 'opsworks-cm', operation: 'DescribeServers', input: {} },
      { service: 'opsworks-cm', error: { code: 'ValidationException' } },
    ]);
    expect(heard[0]).not.toHaveProperty('error');
  });

  it('holds the clock while a request is handled, and no longer', async () => {
    const clock = new WorldClock({ speed: Number.POSITIVE_INFINITY, start: new Date(0) });
    let isHour = false;
    let answer: (output: DescribeServersResponse) => void = () => {};
    let isAsked: () => void = () => {};
    const asked = new Promise<void>((resolve) => {
      isAsked = resolve;
    });
    const DescribeServers = () => {
      isAsked();
      return new Promise<DescribeServersResponse>((resolve) => {
        answer = resolve;
      });
    };
    const { client } = await openPort([{ name: 'opsworks-cm', operations: { DescribeServers } }], { clock });
    const names = namesOf(client);
    await asked;
    const hour = clock.advance(3_600_000).then(() => {
      isHour = true;
    });
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    expect(isHour).toBe(false);
    answer({ Servers: [] });
    await Promise.all([names, hour]);
    expect(clock.now()).toBe(3_600_000);
  });
});

describe('The control path', () => {
  it('hands method, path and parsed body to the world, and answers its JSON', async () => {
    const heard: unknown[] = [];
    const control = (...request: unknown[]) => {
      heard.push(request);
      return { status: 201, body: { made: 3 } };
    };
    const { endpoint } = await openPort([], { control });
    const answer = await post(`${endpoint}/_local/launch?x=1`, {}, '{"count":3}');
    expect(answer).toMatchObject({ status: 201, text: '{"made":3}\n' });
    await fetch(`${endpoint}/_local/world`);
    expect(heard).toEqual([
      ['POST', '/_local/launch', { count: 3 }],
      ['GET', '/_local/world', undefined],
    ]);
  });

  it('refuses broken JSON with a sentence, and reports a handler that fails', async () => {
    const control = () => {
      throw new Error('The group web is unknown.');
    };
    const { endpoint } = await openPort([], { control });
    const broken = await post(`${endpoint}/_local/launch`, {}, '{');
    expect(broken.status).toBe(400);
    expect(broken.text).toContain('The body is not JSON');
    const failed = await post(`${endpoint}/_local/launch`, {}, '{}');
    expect(failed).toMatchObject({ status: 500, text: 'The group web is unknown.\n' });
  });
});

describe('DynamoDB', () => {
  const table = {
    TableName: 'ledger',
    AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' as const }],
    KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' as const }],
    BillingMode: 'PAY_PER_REQUEST' as const,
  };

  it('keeps items in a table that is there at once, one DynamoDB a world', async () => {
    const { client, heard } = await openPort([]);
    const dynamo = new DynamoDBClient(client);
    await dynamo.send(new CreateTableCommand(table));
    const Item = { id: { S: 'i-1' } };
    await dynamo.send(new PutItemCommand({ TableName: 'ledger', Item }));
    expect((await dynamo.send(new GetItemCommand({ TableName: 'ledger', Key: Item }))).Item).toEqual(Item);
    expect(heard.map((call) => call.operation)).toEqual(['CreateTable', 'PutItem', 'GetItem']);

    const other = new DynamoDBClient((await openPort([])).client);
    const absent = other.send(new GetItemCommand({ TableName: 'ledger', Key: Item }));
    await expect(absent).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
  });

  it('reports a condition that failed', async () => {
    const { client, heard } = await openPort([]);
    const dynamo = new DynamoDBClient(client);
    await dynamo.send(new CreateTableCommand(table));
    const ConditionExpression = 'attribute_exists(id)';
    const put = new PutItemCommand({ TableName: 'ledger', Item: { id: { S: 'i-1' } }, ConditionExpression });
    await expect(dynamo.send(put)).rejects.toMatchObject({ name: 'ConditionalCheckFailedException' });
    expect(heard.at(-1)?.error?.code).toBe('ConditionalCheckFailedException');
  });
});
