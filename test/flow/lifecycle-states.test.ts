import { LifecycleState } from '@aws-sdk/client-auto-scaling';
import { expect, it } from 'vitest';
import { ESTATE } from '../../local/estate.ts';
import { enrolledFleet, sweep } from '../support/sweeps.ts';

const WARM_POOL = { MinSize: 0, PoolState: 'Running', ReuseOnScaleIn: false } as const;
const estate = {
  ...ESTATE,
  groups: ESTATE.groups.map((group) =>
    group.AutoScalingGroupName === 'web' ? { ...group, WarmPool: WARM_POOL } : group,
  ),
};

/** What a sweep makes of an enrolled instance in each state: nothing, a start, or a row for a person. */
const MEANING: Readonly<Record<LifecycleState, string>> = {
  Pending: 'nothing',
  'Pending:Wait': 'enrol-node',
  'Pending:Proceed': 'nothing',
  Quarantined: 'terminate it',
  InService: 'nothing',
  Terminating: 'nothing',
  'Terminating:Wait': 'retire-node',
  'Terminating:Proceed': 'nothing',
  'Terminating:Retained': 'terminate it',
  Terminated: 'nothing',
  Detaching: 'nothing',
  Detached: 'nothing',
  EnteringStandby: 'nothing',
  Standby: 'nothing',
  ReplacingRootVolume: 'nothing',
  'ReplacingRootVolume:Wait': 'retire-node',
  'ReplacingRootVolume:Proceed': 'nothing',
  RootVolumeReplaced: 'nothing',
  'Warmed:Pending': 'nothing',
  'Warmed:Pending:Wait': 'enrol-node',
  'Warmed:Pending:Proceed': 'nothing',
  'Warmed:Pending:Retained': 'terminate it',
  'Warmed:Terminating': 'nothing',
  'Warmed:Terminating:Wait': 'retire-node',
  'Warmed:Terminating:Proceed': 'nothing',
  'Warmed:Terminating:Retained': 'terminate it',
  'Warmed:Terminated': 'nothing',
  'Warmed:Stopped': 'nothing',
  'Warmed:Running': 'nothing',
  'Warmed:Hibernated': 'nothing',
};

it('is read by a sweep, whatever lifecycle state an instance is in', async () => {
  const { world, instances } = await enrolledFleet(1, { estate });
  const member = world.autoScaling.members.get(instances[0] ?? '');
  if (!member) throw new Error('It is in no group.');
  const found: Record<string, string> = {};
  for (const state of Object.values(LifecycleState)) {
    member.lifecycleState = state;
    const { rows, alerts } = await sweep(world, { dryRun: true });
    expect(alerts).toEqual([]);
    const [row] = rows;
    found[state] = row ? (row.starts ?? row.reason.match(/terminate it/)?.[0] ?? row.reason) : 'nothing';
    if (row && row.starts === null)
      expect(row).toMatchObject({ finding: 'retained', reason: expect.stringContaining(state) });
  }
  expect(found).toEqual(MEANING);
});
