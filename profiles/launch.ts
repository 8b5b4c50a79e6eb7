import type { Instance } from '../lib/instance.ts';
import type { Profile } from '../lib/profile.ts';
import type { Hook } from '../lib/state.ts';

/** What a request says about the launch of its instance. */
export interface LaunchRequest {
  /** The lifecycle action from the launch's event. */
  readonly lifecycleAction?: (Hook & { readonly lifecycleActionToken: string }) | undefined;
  /** The group from the event of a launch that did not wait in a hook. */
  readonly autoScalingGroupName?: string | undefined;
}

/** Why this request does not enrol the instance: a sentence. Undefined if it does. */
export function whyIgnored(
  { lifecycleAction, autoScalingGroupName }: LaunchRequest,
  { instanceId }: Pick<Instance, 'instanceId'>,
  profile: Pick<Profile, 'name' | 'lifecycleHook'> | undefined,
): string | undefined {
  if (!profile) return `No profile matches ${instanceId}.`;
  const { lifecycleHook, name } = profile;
  const announced = lifecycleAction?.lifecycleHookName;
  if (announced && announced !== lifecycleHook)
    return `${announced} is not the hook of the profile ${name}, which matches ${instanceId}.`;
  // start-enrolment applies the same rule where the group's name alone decides the profile.
  if (autoScalingGroupName && !announced && lifecycleHook)
    return `The profile ${name} enrols ${instanceId} in its hook ${lifecycleHook}.`;
  return undefined;
}

/**
 * The hook in which the launch waits: the one from the event or, without an event, the profile's own if the instance
 * waits in a launch hook.
 */
export function launchHook(
  { lifecycleAction }: LaunchRequest,
  { autoScalingGroupName }: Pick<Instance, 'autoScalingGroupName'>,
  { lifecycleHook }: Pick<Profile, 'lifecycleHook'>,
  waitsInLaunchHook: boolean,
): Hook | null {
  if (lifecycleAction) {
    const { autoScalingGroupName, lifecycleHookName, lifecycleActionToken } = lifecycleAction;
    return { autoScalingGroupName, lifecycleHookName, lifecycleActionToken };
  }
  if (!waitsInLaunchHook || !lifecycleHook || !autoScalingGroupName) return null;
  return { autoScalingGroupName, lifecycleHookName: lifecycleHook, lifecycleActionToken: null };
}
