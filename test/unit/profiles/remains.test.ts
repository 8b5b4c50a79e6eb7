import { describe, expect, it } from 'vitest';
import type { LedgerAssociation, LedgerItem } from '../../../lib/ledger-item.ts';
import { type FailedRetirement, remainsOf } from '../../../profiles/remains.ts';
import { retirementOf } from '../../../profiles/undoing.ts';
import { WEB } from '../../support/instance.ts';

const CHEF = { engine: 'opsworks-cm', serverName: 'chef-1', serverEngine: 'ChefAutomate' } as const;
const REGISTER = { stackId: '11111111-2222-4333-8444-555555555555' };
const AT = '2031-05-06T10:00:00.000Z';
const association: LedgerAssociation = {
  server: CHEF,
  nodeName: 'web-1',
  status: 'confirmed',
  publicKeyFingerprint: 'aa',
  at: AT,
};
const ITEM: LedgerItem = {
  instance: WEB.instanceId,
  region: WEB.region,
  status: 'retiring',
  execution: 'retire-1',
  generation: 4,
  claimedAt: AT,
  register: REGISTER,
  registeredBy: 'muster',
  associate: CHEF,
  associations: { 'opsworks-cm/chef-1/default': association },
};
const retirement = retirementOf(WEB, ITEM, { status: 'retiring', reason: null, wasRunning: false });
const failure = (name: string) => ({ Error: name, Cause: JSON.stringify({ errorMessage: `${name} happened.` }) });

const FAILED: FailedRetirement = {
  name: 'i-1',
  retirement,
  failure: failure('Last'),
  isDeregistered: false,
  item: ITEM,
};
const remains = (over: Partial<FailedRetirement>) => remainsOf({ ...FAILED, ...over });

describe('a failed retirement', () => {
  it('says what failed, what is left where, and what to do', () => {
    expect(remains({})).toEqual({
      error: 'Last',
      cause:
        'i-1 was not retired: Last happened. Still there: the node web-1 on the server chef-1, and the instance in the ' +
        `stack ${REGISTER.stackId}. Fix the cause, then start retire-node again.`,
    });
  });

  it.each<[string, Partial<FailedRetirement>, string]>([
    [
      'no stack once the instance is out of it',
      { isDeregistered: true },
      'Still there: the node web-1 on the server chef-1. ',
    ],
    [
      'no server that has forgotten the node',
      { item: { ...ITEM, associations: { 'opsworks-cm/chef-1/default': { ...association, status: 'undone' } } } },
      `Still there: the instance in the stack ${REGISTER.stackId}. `,
    ],
    [
      'the former servers of a node that moved',
      {
        retirement: { ...retirement, status: 'leaving', register: null },
        item: { ...ITEM, status: 'enrolled', associate: null },
      },
      'i-1 was not taken off its former servers: Last happened. Still there: the node web-1 on the server chef-1. ',
    ],
  ])('names %s', (_sentence, over, expected) => {
    expect(remains(over).cause).toContain(expected);
  });

  it.each<[string, Partial<FailedRetirement>]>([
    ['nothing is known of it', { retirement: null, item: undefined }],
    ['nothing is left', { isDeregistered: true, item: undefined }],
  ])('ends with its failure where %s', (_sentence, over) => {
    expect(remains(over).cause).toBe('i-1 was not retired: Last happened.');
  });

  it('names the failures at servers that it went past, the first one first, and none twice', () => {
    const passed = { before: { before: null, last: failure('First') }, last: failure('Second') };
    const past = { ...retirement, undoing: { left: [], failures: passed } };
    expect(remains({ retirement: past })).toMatchObject({
      error: 'First',
      cause: expect.stringContaining('First happened. Second happened. Last happened. Still there'),
    });
    expect(remains({ retirement: past, failure: failure('Second') }).cause).toContain(
      'First happened. Second happened. Still there',
    );
  });
});
