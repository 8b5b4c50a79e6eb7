import {
  AutoScalingClient,
  CompleteLifecycleActionCommand,
  DescribeAutoScalingInstancesCommand,
  DescribeLifecycleHooksCommand,
  RecordLifecycleActionHeartbeatCommand,
} from '@aws-sdk/client-auto-scaling';
import type { Hook } from '../lib/state.ts';
import { calling, clientOptions, isNamed } from './aws.ts';

const autoScaling = new AutoScalingClient(clientOptions);

/** How long a lifecycle action may wait, in seconds: between two heartbeats, and in all. */
export interface HookTimes {
  heartbeatTimeoutSeconds: number;
  globalTimeoutSeconds: number;
}

/** The group's hook of this name, or undefined when it has none. Source: Auto Scaling DescribeLifecycleHooks. */
export async function findHook(hook: Hook, signal: AbortSignal, client = autoScaling): Promise<HookTimes | undefined> {
  const { autoScalingGroupName, lifecycleHookName } = hook;
  const { LifecycleHooks } = await calling(`describe the hook ${lifecycleHookName} of ${autoScalingGroupName}`, () =>
    client.send(
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

/** Whether the instance waits in a launch hook of its group. Source: Auto Scaling DescribeAutoScalingInstances. */
export async function waitsInLaunchHook(
  instanceId: string,
  signal: AbortSignal,
  client = autoScaling,
): Promise<boolean> {
  const { AutoScalingInstances } = await calling(`describe ${instanceId} in its Auto Scaling group`, () =>
    client.send(new DescribeAutoScalingInstancesCommand({ InstanceIds: [instanceId] }), { abortSignal: signal }),
  );
  const state = AutoScalingInstances?.[0]?.LifecycleState;
  return state === 'Pending:Wait' || state === 'Warmed:Pending:Wait';
}

/**
 * Completes the lifecycle action. An action that is already completed or has expired is none of our business any more:
 * the answer says so, and it is no error. Source: Auto Scaling CompleteLifecycleAction.
 */
export async function completeLifecycleAction(
  hook: Hook,
  instanceId: string,
  result: 'CONTINUE' | 'ABANDON',
  signal: AbortSignal,
  client = autoScaling,
): Promise<'completed' | 'already-over'> {
  const over = await whetherOver(`complete the lifecycle action of ${instanceId}`, () =>
    client.send(new CompleteLifecycleActionCommand({ ...address(hook, instanceId), LifecycleActionResult: result }), {
      abortSignal: signal,
    }),
  );
  return over ? 'already-over' : 'completed';
}

/** Restarts the hook's timer. Source: Auto Scaling RecordLifecycleActionHeartbeat. */
export async function recordHeartbeat(
  hook: Hook,
  instanceId: string,
  signal: AbortSignal,
  client = autoScaling,
): Promise<'recorded' | 'already-over'> {
  const over = await whetherOver(`record a heartbeat for ${instanceId}`, () =>
    client.send(new RecordLifecycleActionHeartbeatCommand(address(hook, instanceId)), { abortSignal: signal }),
  );
  return over ? 'already-over' : 'recorded';
}

/** By token where an event brought one: the instance id alone would also meet a later action of the same hook. */
function address(hook: Hook, instanceId: string) {
  return {
    AutoScalingGroupName: hook.autoScalingGroupName,
    LifecycleHookName: hook.lifecycleHookName,
    ...(hook.lifecycleActionToken === null
      ? { InstanceId: instanceId }
      : { LifecycleActionToken: hook.lifecycleActionToken }),
  };
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
