import { describe, expect, it } from 'vitest';
import { associationsOf, toBeUndone } from '../../lib/associations.ts';
import { ClaimedElsewhere, InvalidRequest } from '../../lib/errors.ts';
import type { LedgerAssociation, LedgerItem } from '../../lib/ledger-item.ts';
import { announce, findAnnouncement } from '../../services/announcements.ts';
import { recordAssociation } from '../../services/associations.ts';
import { claim, findItem, listItems, record } from '../../services/ledger.ts';
import { releaseNodeName, takeNodeName } from '../../services/node-names.ts';
import { playWorld, START } from '../support/world.ts';

const { signal } = new AbortController();
const AT = START.toISOString();
const ARN = 'arn:aws:states:eu-west-1:123456789012:execution:muster-dev-enrol-node:';

async function hold(instance: string, fields: Partial<LedgerItem> = {}) {
  const item = { instance, status: 'enrolling', execution: `${ARN}one`, claimedAt: AT, ...fields } as const;
  return claim(await findItem(instance, signal), item, signal);
}

describe('an announcement', () => {
  const one = {
    subject: 'i-0123456789abcdef0',
    by: 'event',
    detailType: 'EC2 Instance-launch Lifecycle Action',
    eventId: '1',
    eventTime: AT,
    autoScalingGroupName: 'web',
  } as const;

  it('is found by the execution that it was written for, and by no other', async () => {
    await playWorld();
    await announce('one', one, signal);
    expect(await findAnnouncement(`${ARN}one`, one.subject, signal)).toMatchObject(one);
    expect(await findAnnouncement(`${ARN}two`, one.subject, signal)).toBeUndefined();
  });

  it('says nothing of another instance, although a person gives its execution the same name', async () => {
    await playWorld();
    await announce('one', one, signal);
    expect(await findAnnouncement(`${ARN}one`, 'i-0fedcba9876543210', signal)).toBeUndefined();
  });

  it('stays what it was when the same occasion is announced again', async () => {
    await playWorld();
    await announce('one', one, signal);
    await announce('one', { ...one, autoScalingGroupName: 'another' }, signal);
    expect(await findAnnouncement(`${ARN}one`, one.subject, signal)).toMatchObject({ autoScalingGroupName: 'web' });
  });
});

describe('an item without a Region, from before Muster served others', () => {
  it.each(['i-0123456789abcdef0', 'lightsail/us-east-1/blog-1'])('of %s is read with the stack’s own', async (key) => {
    await playWorld();
    await hold(key);
    expect((await findItem(key, signal))?.region).toBe('eu-west-1');
    for await (const page of listItems(signal)) expect(page.map(({ region }) => region)).toEqual(['eu-west-1']);
  });
});

describe('an association', () => {
  const server = { engine: 'opsworks-cm', serverName: 'ChefServer', serverEngine: 'ChefAutomate' } as const;
  const asked: LedgerAssociation = { server, nodeName: 'n', status: 'asked', publicKeyFingerprint: 'aa', at: AT };

  it('is recorded beside those at other servers, whichever is first', async () => {
    await playWorld();
    const owner = await hold('i-0123456789abcdef0');
    await recordAssociation(owner, 'a', asked, {}, signal);
    await recordAssociation(owner, 'b', { ...asked, status: 'confirmed' }, {}, signal);
    await recordAssociation(owner, 'a', { ...asked, status: 'undone' }, {}, signal);
    const item = await findItem(owner.instance, signal);
    expect(item?.associations).toEqual({ a: { ...asked, status: 'undone' }, b: { ...asked, status: 'confirmed' } });
    expect(toBeUndone(associationsOf(item)).map(([id]) => id)).toEqual(['b']);
  });

  it('is recorded in one moment by two tasks of an item that has none, and neither loses the other’s', async () => {
    await playWorld();
    const owner = await hold('i-0123456789abcdef0');
    await Promise.all(['a', 'b', 'c'].map((id) => recordAssociation(owner, id, asked, {}, signal)));
    expect(Object.keys((await findItem(owner.instance, signal))?.associations ?? {}).toSorted()).toEqual([
      'a',
      'b',
      'c',
    ]);
  });

  it('is not recorded by an execution that has lost the instance', async () => {
    await playWorld();
    const owner = await hold('i-0123456789abcdef0');
    await hold('i-0123456789abcdef0', { execution: `${ARN}two` });
    await expect(recordAssociation(owner, 'a', asked, {}, signal)).rejects.toThrow(ClaimedElsewhere);
    expect((await findItem(owner.instance, signal))?.associations).toEqual({});
  });

  it.each([
    ['enrolled', {}, 'confirmed'],
    ['failed', {}, 'asked'],
    ['failed', { errorName: 'AssociationFailed' }, 'refused'],
    ['enrolling', {}, 'asked'],
    ['retired', {}, 'undone'],
  ] as const)('of an item %s from before, %j, counts as %s', (status, more, expected) => {
    const item: LedgerItem = {
      instance: 'i-0123456789abcdef0',
      region: 'eu-west-1',
      execution: ARN,
      generation: 1,
      claimedAt: AT,
      status,
      associate: server,
      publicKeyFingerprint: 'aa',
      ...more,
    };
    expect(associationsOf(item)).toMatchObject({ 'opsworks-cm/ChefServer/default': { status: expected } });
    const { publicKeyFingerprint: _, ...unbound } = item;
    expect(associationsOf(unbound)).toEqual({});
  });
});

describe('a node name', () => {
  const [upper, lower] = ['lightsail/eu-west-1/BLOG-1', 'lightsail/eu-west-1/blog-1'];

  it('is refused to a second instance by name, until the first is retired', async () => {
    await playWorld();
    const owner = await hold(upper, { nodeName: 'blog-1' });
    await takeNodeName('blog-1', upper, signal);
    await takeNodeName('blog-1', upper, signal);
    const refusal = takeNodeName('blog-1', lower, signal);
    await expect(refusal).rejects.toThrow(InvalidRequest);
    await expect(refusal).rejects.toThrow(`which is the name of ${upper}`);
    await record(owner, { status: 'retiring' }, signal);
    await expect(takeNodeName('blog-1', lower, signal)).rejects.toThrow(ClaimedElsewhere);
    await record(owner, { status: 'retired' }, signal);
    await takeNodeName('blog-1', lower, signal);
  });

  it('goes to one of two instances that ask in the same moment', async () => {
    await playWorld();
    await hold(upper);
    await hold(lower);
    const asked = await Promise.allSettled([upper, lower].map((holder) => takeNodeName('blog-1', holder, signal)));
    expect(asked.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
  });

  it('belongs to the instance that was enrolled under it before names were recorded', async () => {
    await playWorld();
    await hold(lower, { nodeName: 'blog-1' });
    await hold(upper, { nodeName: 'blog-1', status: 'enrolled', publicKeyFingerprint: 'aa' });
    await expect(takeNodeName('blog-1', lower, signal)).rejects.toThrow(upper);
    await takeNodeName('blog-1', upper, signal);
  });

  it('is given back by its holder alone', async () => {
    await playWorld();
    await hold(upper);
    await takeNodeName('blog-1', upper, signal);
    await releaseNodeName('blog-1', lower, signal);
    await expect(takeNodeName('blog-1', lower, signal)).rejects.toThrow(InvalidRequest);
    await releaseNodeName('blog-1', upper, signal);
    await takeNodeName('blog-1', lower, signal);
  });
});

it('lists the items of instances, and of nothing else', async () => {
  await playWorld();
  await hold('i-0123456789abcdef0');
  await takeNodeName('blog-1', 'lightsail/eu-west-1/blog-1', signal);
  await announce('one', { subject: 'x', by: 'sweep', detailType: 'x', eventId: '1', eventTime: AT }, signal);
  const listed = [];
  for await (const page of listItems(signal)) listed.push(...page.map(({ instance }) => instance));
  expect(listed).toEqual(['i-0123456789abcdef0']);
});
