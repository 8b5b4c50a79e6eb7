import { describe, expect, it } from 'vitest';
import { serverId, toBeLeft } from '../../../lib/associations.ts';
import type { LedgerAssociation, LedgerItem } from '../../../lib/ledger-item.ts';
import { Associate } from '../../../lib/servers.ts';

const FORMER = Associate.parse({ engine: 'opsworks-cm', serverName: 'Former' });
const CURRENT = Associate.parse({ engine: 'opsworks-cm', serverName: 'Current' });

function at(server: Associate, status: LedgerAssociation['status']): LedgerItem['associations'] {
  return { [serverId(server)]: { server, nodeName: 'i-1', status, publicKeyFingerprint: 'aa', at: '2031-05-06' } };
}

function itemWith(changes: Partial<LedgerItem>): LedgerItem {
  const claim = { instance: 'i-1', region: 'eu-west-1', execution: 'e', generation: 1, claimedAt: '2031-05-06' };
  return { ...claim, status: 'enrolled', ...changes };
}

const leftBy = (item: LedgerItem) => toBeLeft(item).map(([id]) => id);

describe('a node with an association at a former server', () => {
  it.each(['asked', 'refused', 'undone'] as const)('stays there while its new server has it %s', (status) => {
    const associations = { ...at(FORMER, 'confirmed'), ...at(CURRENT, status) };
    expect(leftBy(itemWith({ associate: CURRENT, associations }))).toEqual([]);
  });

  it.each(['asked', 'confirmed'] as const)(
    'that is %s is to leave it once its new server has confirmed it',
    (status) => {
      const associations = { ...at(FORMER, status), ...at(CURRENT, 'confirmed') };
      expect(leftBy(itemWith({ associate: CURRENT, associations }))).toEqual([serverId(FORMER)]);
    },
  );

  it('is to leave it if it was last enrolled with no server, and not if that was never recorded', () => {
    const associations = at(FORMER, 'confirmed');
    expect(leftBy(itemWith({ associate: null, associations }))).toEqual([serverId(FORMER)]);
    expect(leftBy(itemWith({ associations }))).toEqual([]);
  });
});
