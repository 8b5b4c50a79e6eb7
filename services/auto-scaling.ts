import {
  AutoScalingClient,
  CompleteLifecycleActionCommand,
  DescribeAutoScalingInstancesCommand,
  DescribeLifecycleHooksCommand,
  RecordLifecycleActionHeartbeatCommand,
} from '@aws-sdk/client-auto-scaling';
import type { GroupMember, InstanceRef } from '../lib/instance.ts';
import type { Hook } from '../lib/state.ts';
import { calling, inRegion, isNamed } from './aws.ts';

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

/** The most that DescribeAutoScalingInstances takes. */
const MEMBERS_PAGE = 50;

/** The states of a Region's instances in their groups; one that is in no group is left out. Source: DescribeAutoScalingInstances. */
export async function lifecycleStates(
  instanceIds: readonly string[],
  region: string,
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const states = new Map<string, string>();
  for (let from = 0; from < instanceIds.length; from += MEMBERS_PAGE) {
    const InstanceIds = instanceIds.slice(from, from + MEMBERS_PAGE);
    const { AutoScalingInstances = [] } = await calling(
      `describe ${InstanceIds.length} instances in their groups in ${region}`,
      () =>
        autoScalingIn(region).send(new DescribeAutoScalingInstancesCommand({ InstanceIds }), { abortSignal: signal }),
    );
    for (const { InstanceId = '', LifecycleState = '' } of AutoScalingInstances) states.set(InstanceId, LifecycleState);
  }
  return states;
}

/** The lifecycle states in which an instance waits in a termination hook. */
export const WAITS_IN_TERMINATION_HOOK = ['Terminating:Wait', 'Warmed:Terminating:Wait'];

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
