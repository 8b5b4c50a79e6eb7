import {
  AutoScalingClient,
  CompleteLifecycleActionCommand,
  DescribeAutoScalingGroupsCommand,
  DescribeAutoScalingInstancesCommand,
  DescribeLifecycleHooksCommand,
  DescribeWarmPoolCommand,
  type Instance as MemberInstance,
  RecordLifecycleActionHeartbeatCommand,
} from '@aws-sdk/client-auto-scaling';
import type { GroupMember, InstanceRef } from '../lib/instance.ts';
import type { Hook } from '../lib/state.ts';
import { calling, forPage, inRegion, isNamed } from './aws.ts';

const autoScalingIn = inRegion((options) => new AutoScalingClient(options));

/** How long a lifecycle action may wait, in seconds: between two heartbeats, and in all. */
export interface HookTimes {
  heartbeatTimeoutSeconds: number;
  globalTimeoutSeconds: number;
}

/** The group's hook of this name, or undefined when it has none. Source: Auto Scaling DescribeLifecycleHooks. */
export async function findHook(hook: Hook, region: string, signal: AbortSignal): Promise<HookTimes | undefined> {
  const { autoScalingGroupName, lifecycleHookName } = hook;
  const { LifecycleHooks } = await calling(`describe the hook ${lifecycleHookName} of ${autoScalingGroupName}`, () =>
    autoScalingIn(region).send(
      new DescribeLifecycleHooksCommand({
        AutoScalingGroupName: autoScalingGroupName,
        LifecycleHookNames: [lifecycleHookName],
      }),
      { abortSignal: signal },
    ),
  );
  const found = LifecycleHooks?.[0];
  if (!found) return undefined;
  const heartbeatTimeoutSeconds = found.HeartbeatTimeout ?? 3600;
  // The API's own rule, for an answer that leaves the total out.
  const globalTimeoutSeconds = found.GlobalTimeout ?? Math.min(48 * 3600, 100 * heartbeatTimeoutSeconds);
  return { heartbeatTimeoutSeconds, globalTimeoutSeconds };
}

/** The instance in its group, or undefined when it is in none. Source: Auto Scaling DescribeAutoScalingInstances. */
export async function findMember(
  { instanceId, region }: InstanceRef,
  signal: AbortSignal,
): Promise<GroupMember | undefined> {
  const { AutoScalingInstances } = await calling(`describe ${instanceId} in its Auto Scaling group`, () =>
    autoScalingIn(region).send(new DescribeAutoScalingInstancesCommand({ InstanceIds: [instanceId] }), {
      abortSignal: signal,
    }),
  );
  const member = AutoScalingInstances?.[0];
  return (
    member && { autoScalingGroupName: member.AutoScalingGroupName ?? '', lifecycleState: member.LifecycleState ?? '' }
  );
}

/** The most groups that a page of DescribeAutoScalingGroups holds, and the most names that it takes. */
const GROUPS_PAGE = 100;

/**
 * The groups of a Region with the lifecycle states of their instances, without those of their warm pools, page by page.
 * Source: Auto Scaling DescribeAutoScalingGroups.
 * @param names the groups to list; null for all
 */
export async function* listGroups(names: readonly string[] | null, region: string, signal: AbortSignal) {
  if (names === null) return yield* listPages(undefined, region, signal);
  for (let from = 0; from < names.length; from += GROUPS_PAGE)
    yield* listPages(names.slice(from, from + GROUPS_PAGE), region, signal);
}

async function* listPages(AutoScalingGroupNames: string[] | undefined, region: string, signal: AbortSignal) {
  let NextToken: string | undefined;
  do {
    const input = { AutoScalingGroupNames, MaxRecords: GROUPS_PAGE, NextToken };
    const page = await calling(`list the Auto Scaling groups in ${region}`, () =>
      autoScalingIn(region).send(new DescribeAutoScalingGroupsCommand(input), forPage(signal)),
    );
    yield (page.AutoScalingGroups ?? []).map((group) => ({
      name: group.AutoScalingGroupName ?? '',
      hasWarmPool: group.WarmPoolConfiguration !== undefined,
      lifecycleStates: statesOf(group.Instances),
    }));
    NextToken = page.NextToken;
  } while (NextToken);
}

/** The lifecycle states of the instances in a group's warm pool. Source: Auto Scaling DescribeWarmPool. */
export async function warmPoolStates(
  AutoScalingGroupName: string,
  region: string,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const states = new Map<string, string>();
  let NextToken: string | undefined;
  do {
    const page = await calling(`list the warm pool of ${AutoScalingGroupName} in ${region}`, () =>
      autoScalingIn(region).send(new DescribeWarmPoolCommand({ AutoScalingGroupName, NextToken }), {
        abortSignal: signal,
      }),
    );
    for (const [id, state] of statesOf(page.Instances)) states.set(id, state);
    NextToken = page.NextToken;
  } while (NextToken);
  return states;
}

function statesOf(instances: readonly MemberInstance[] = []): Map<string, string> {
  return new Map(instances.map(({ InstanceId = '', LifecycleState = '' }) => [InstanceId, LifecycleState]));
}

/**
 * Completes the lifecycle action. An action that is already completed or has expired is none of our business any more:
 * the answer says so, and it is no error. Source: Auto Scaling CompleteLifecycleAction.
 */
export async function completeLifecycleAction(
  hook: Hook,
  { instanceId, region }: InstanceRef,
  result: 'CONTINUE' | 'ABANDON',
  signal: AbortSignal,
): Promise<'completed' | 'already-over'> {
  const over = await whetherOver(`complete the lifecycle action of ${instanceId}`, () =>
    autoScalingIn(region).send(
      new CompleteLifecycleActionCommand({ ...address(hook, instanceId), LifecycleActionResult: result }),
      {
        abortSignal: signal,
      },
    ),
  );
  return over ? 'already-over' : 'completed';
}

/** Restarts the hook's timer. Source: Auto Scaling RecordLifecycleActionHeartbeat. */
export async function recordHeartbeat(
  hook: Hook,
  { instanceId, region }: InstanceRef,
  signal: AbortSignal,
): Promise<'recorded' | 'already-over'> {
  const over = await whetherOver(`record a heartbeat for ${instanceId}`, () =>
    autoScalingIn(region).send(new RecordLifecycleActionHeartbeatCommand(address(hook, instanceId)), {
      abortSignal: signal,
    }),
  );
  return over ? 'already-over' : 'recorded';
}

function address({ autoScalingGroupName, lifecycleHookName }: Hook, instanceId: string) {
  return { AutoScalingGroupName: autoScalingGroupName, LifecycleHookName: lifecycleHookName, InstanceId: instanceId };
}

async function whetherOver(what: string, call: () => Promise<unknown>): Promise<boolean> {
  try {
    await calling(what, call);
    return false;
  } catch (error) {
    // The service has one code for every refusal; only its sentence tells this one apart.
    if (isNamed(error, 'ValidationError') && error.message.startsWith('No active Lifecycle Action found')) return true;
    throw error;
  }
}
