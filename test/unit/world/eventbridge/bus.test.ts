import { describe, expect, it } from 'vitest';
import type { AwsEvent } from '../../../../world/eventbridge/aws-event.ts';
import { EventBus, type EventRule } from '../../../../world/eventbridge/bus.ts';
import { WorldClock } from '../../../../world/kernel/clock.ts';
import { seededRandom } from '../../../../world/kernel/random.ts';
import { openPort, post } from '../../../support/open-port.ts';

const start = new Date('2031-05-06T07:08:09.250Z');

function busOf(rules: (Omit<EventRule, 'target'> & Partial<EventRule>)[]) {
  const delivered: [rule: string, event: AwsEvent][] = [];
  const heard: unknown[] = [];
  const bus = new EventBus({
    clock: new WorldClock({ speed: Number.POSITIVE_INFINITY, start }),
    random: seededRandom(1),
    rules: rules.map((rule) => ({ target: (event) => void delivered.push([rule.name, event]), ...rule })),
    onEvent: (event, ruleNames) => heard.push([event.id, ruleNames]),
  });
  return { bus, delivered, heard };
}

/** Calls as any AWS client does, through the service's model. */
async function caller(bus: EventBus) {
  const { endpoint } = await openPort([bus.service]);
  return async (operation: string, input: unknown) => {
    const { status, text } = await post(endpoint, { 'x-amz-target': `AWSEvents.${operation}` }, JSON.stringify(input));
    return { status, ...JSON.parse(text) };
  };
}

const launch = {
  Source: 'aws.autoscaling',
  DetailType: 'EC2 Instance Launch Successful',
  Detail: '{"EC2InstanceId":"i-1"}',
};

describe('PutEvents', () => {
  it('puts the envelope around an entry and hands it to every rule that matches', async () => {
    const { bus, delivered, heard } = busOf([
      { name: 'launches', pattern: { source: ['aws.autoscaling'], detail: { EC2InstanceId: [{ prefix: 'i-' }] } } },
      { name: 'everything', pattern: { account: ['123456789012'] } },
      { name: 'lightsail', pattern: { source: ['aws.lightsail'] } },
    ]);
    const call = await caller(bus);
    const answer = await call('PutEvents', { Entries: [{ ...launch, Resources: ['arn:x'] }] });
    expect(answer).toEqual({ status: 200, FailedEntryCount: 0, Entries: [{ EventId: expect.any(String) }] });
    const event = {
      version: '0',
      id: answer.Entries[0].EventId,
      'detail-type': 'EC2 Instance Launch Successful',
      source: 'aws.autoscaling',
      account: '123456789012',
      time: '2031-05-06T07:08:09Z',
      region: 'eu-west-1',
      resources: ['arn:x'],
      detail: { EC2InstanceId: 'i-1' },
    };
    expect(delivered).toEqual([
      ['launches', event],
      ['everything', event],
    ]);
    expect(heard).toEqual([[event.id, ['launches', 'everything']]]);
  });

  it('keeps the time that an entry brings', async () => {
    const { bus, delivered } = busOf([{ name: 'all', pattern: { version: ['0'] } }]);
    await (await caller(bus))('PutEvents', { Entries: [{ ...launch, Time: 1_700_000_000 }] });
    expect(delivered[0]?.[1].time).toBe('2023-11-14T22:13:20Z');
  });

  it('refuses single entries in the words of the service and takes the others', async () => {
    const { bus, delivered } = busOf([{ name: 'all', pattern: { version: ['0'] } }]);
    const call = await caller(bus);
    const broken = [{ Source: '' }, { DetailType: null }, { Detail: null }, { Detail: '{' }, { Detail: '[]' }];
    const answer = await call('PutEvents', { Entries: [...broken.map((flaw) => ({ ...launch, ...flaw })), launch] });
    const missing = (ErrorMessage: string) => ({ ErrorCode: 'InvalidArgument', ErrorMessage });
    const malformed = { ErrorCode: 'MalformedDetail', ErrorMessage: 'Detail is malformed.' };
    expect(answer.FailedEntryCount).toBe(5);
    expect(answer.Entries).toEqual([
      missing('Parameter Source is not valid. Reason: Source is a required argument.'),
      missing('Parameter DetailType is not valid. Reason: DetailType is a required argument.'),
      missing('Parameter Detail is not valid. Reason: Detail is a required argument.'),
      malformed,
      malformed,
      { EventId: expect.any(String) },
    ]);
    expect(delivered).toHaveLength(1);
  });

  it('refuses no entry, eleven entries, more than 256 KB and a foreign bus', async () => {
    const call = await caller(busOf([]).bus);
    const refused = async (Entries: unknown[]) => (await call('PutEvents', { Entries })).__type;
    expect(await refused([])).toBe('ValidationException');
    expect(await refused(Array.from({ length: 11 }, () => launch))).toBe('ValidationException');
    const heavy = { ...launch, Detail: JSON.stringify({ text: 'x'.repeat(130_000) }) };
    expect(await refused([heavy, heavy])).toBeUndefined();
    expect(await refused([heavy, heavy, launch, launch])).toBeUndefined();
    expect(await refused([heavy, heavy, { ...launch, Detail: heavy.Detail.slice(0, 3000) }])).toBe(
      'ValidationException',
    );
    expect(await refused([{ ...launch, EventBusName: 'other' }])).toBe('ResourceNotFoundException');
  });
});

describe('The bus', () => {
  it('delivers a complete event as it is and answers with the rules that took it', () => {
    const { bus, delivered } = busOf([
      { name: 'launches', pattern: { source: ['aws.autoscaling'] } },
      { name: 'others', pattern: { source: [{ 'anything-but': 'aws.autoscaling' }] } },
    ]);
    const event: AwsEvent = {
      version: '0',
      id: 'an-id',
      'detail-type': 'x',
      source: 'aws.autoscaling',
      account: '123456789012',
      time: '2031-05-06T07:08:09.123Z',
      region: 'eu-west-1',
      resources: [],
      detail: {},
    };
    expect(bus.deliver(event)).toEqual(['launches']);
    expect(delivered).toEqual([['launches', event]]);
    expect(bus.deliver({ ...event, source: 'muster' })).toEqual(['others']);
  });

  it('refuses a rule whose pattern it does not know, by the name of the rule', () => {
    expect(() => busOf([{ name: 'launches', pattern: { source: [{ prefx: 'aws' }] } }])).toThrow(
      'Rule launches: Event pattern is not valid. Reason: at source: "prefx" is no filter',
    );
  });
});

describe('Rules', () => {
  const rules = ['a-1', 'a-2', 'b-1'].map((name) => ({ name, pattern: { source: [name] } }));

  it('are listed by prefix and in pages', async () => {
    const call = await caller(busOf(rules).bus);
    const first = await call('ListRules', { NamePrefix: 'a-', Limit: 1 });
    expect(first.Rules).toEqual([
      {
        Name: 'a-1',
        Arn: 'arn:aws:events:eu-west-1:123456789012:rule/a-1',
        EventPattern: '{"source":["a-1"]}',
        State: 'ENABLED',
        EventBusName: 'default',
      },
    ]);
    const second = await call('ListRules', { NamePrefix: 'a-', Limit: 1, NextToken: first.NextToken });
    expect(second.Rules).toMatchObject([{ Name: 'a-2' }]);
    expect(second.NextToken).toBeUndefined();
    expect((await call('ListRules', { NextToken: 'nonsense' })).__type).toBe('ValidationException');
  });

  it('are described by name', async () => {
    const call = await caller(busOf(rules).bus);
    expect(await call('DescribeRule', { Name: 'b-1' })).toMatchObject({ Name: 'b-1', State: 'ENABLED' });
    expect(await call('DescribeRule', { Name: 'c' })).toMatchObject({
      __type: 'ResourceNotFoundException',
      message: 'Rule c does not exist on EventBus default.',
    });
  });
});

describe('TestEventPattern', () => {
  const event = {
    id: '1',
    account: '123456789012',
    source: 'x',
    time: '2031-05-06T07:08:09Z',
    region: 'eu-west-1',
    resources: [],
    'detail-type': 'y',
  };

  it('says whether an event matches', async () => {
    const call = await caller(busOf([]).bus);
    const test = (source: string) =>
      call('TestEventPattern', { EventPattern: JSON.stringify({ source: [source] }), Event: JSON.stringify(event) });
    expect(await test('x')).toMatchObject({ Result: true });
    expect(await test('z')).toMatchObject({ Result: false });
  });

  it.each([
    ['{"source":[{"prefx":"x"}]}', JSON.stringify(event), 'InvalidEventPatternException'],
    ['{', JSON.stringify(event), 'InvalidEventPatternException'],
    ['{"source":["x"]}', '{', 'ValidationException'],
    ['{"source":["x"]}', '{"id":"1"}', 'ValidationException'],
  ])('refuses %s on %s with %s', async (EventPattern, Event, code) => {
    const call = await caller(busOf([]).bus);
    expect(await call('TestEventPattern', { EventPattern, Event })).toMatchObject({ status: 400, __type: code });
  });
});

describe('An event of another account', () => {
  const event = (account: string): AwsEvent => ({
    version: '0',
    id: account,
    'detail-type': 'EC2 Instance Launch Successful',
    source: 'aws.autoscaling',
    account,
    time: '2031-05-06T07:08:09Z',
    region: 'eu-west-1',
    resources: [],
    detail: {},
  });

  it('matches no rule with an account in its pattern, whichever accounts that lists', () => {
    const { bus, heard } = busOf([
      { name: 'own', pattern: { account: ['123456789012'] } },
      { name: 'other', pattern: { account: ['210987654321'] } },
      { name: 'any', pattern: { source: ['aws.autoscaling'] } },
    ]);
    expect(bus.deliver(event('210987654321'))).toEqual(['any']);
    expect(bus.deliver(event('123456789012'))).toEqual(['own', 'any']);
    expect(heard).toEqual([
      ['210987654321', ['any']],
      ['123456789012', ['own', 'any']],
    ]);
  });
});
