import type { AwsEvent } from '../../eventbridge/aws-event.ts';
import { ACCOUNT_ID } from '../../kernel/account.ts';
import type { Activity, Member } from './group.ts';
import type { LifecycleAction, LifecycleHook } from './lifecycle-actions.ts';

/** What an event says; its envelope is put around it when it is emitted. */
export type EventContent = Pick<AwsEvent, 'source' | 'detail-type' | 'resources' | 'detail'>;

/** The end of a scaling activity. */
export type Outcome = 'Launch Successful' | 'Launch Unsuccessful' | 'Terminate Successful';

/** `EC2 Instance-launch Lifecycle Action` or `EC2 Instance-terminate Lifecycle Action`. */
export function lifecycleActionEvent(member: Member, hook: LifecycleHook, action: LifecycleAction): EventContent {
  const launching = hook.LifecycleTransition === 'autoscaling:EC2_INSTANCE_LAUNCHING';
  return {
    source: 'aws.autoscaling',
    'detail-type': `EC2 Instance-${launching ? 'launch' : 'terminate'} Lifecycle Action`,
    resources: [member.group.arn],
    detail: {
      LifecycleActionToken: action.token,
      AutoScalingGroupName: hook.AutoScalingGroupName,
      LifecycleHookName: hook.LifecycleHookName,
      EC2InstanceId: member.instance.instanceId,
      LifecycleTransition: hook.LifecycleTransition,
      ...(hook.NotificationMetadata !== undefined && { NotificationMetadata: hook.NotificationMetadata }),
      Origin: member.activity.origin,
      Destination: member.activity.destination,
      ...(member.activity.action && { Action: member.activity.action }),
    },
  };
}

/** `EC2 Instance Launch Successful` and its like. AWS really says `InProgress` of what has succeeded. */
export function activityEvent(member: Member, outcome: Outcome, now: number, statusMessage = ''): EventContent {
  const { activity, group, instance } = member;
  const { instanceId } = instance;
  return {
    source: 'aws.autoscaling',
    'detail-type': `EC2 Instance ${outcome}`,
    resources: [group.arn, `arn:aws:ec2:${group.region}:${ACCOUNT_ID}:instance/${instanceId}`],
    detail: {
      StatusCode: outcome === 'Launch Unsuccessful' ? 'Failed' : 'InProgress',
      Description: describeActivity(activity, instanceId),
      AutoScalingGroupName: group.settings.AutoScalingGroupName,
      ActivityId: activity.activityId,
      Details: { 'Availability Zone': instance.availabilityZone, 'Subnet ID': instance.subnetId },
      RequestId: activity.requestId,
      StatusMessage: statusMessage,
      EndTime: new Date(now).toISOString(),
      EC2InstanceId: instanceId,
      StartTime: new Date(activity.startedAt).toISOString(),
      Cause: activity.cause,
      Origin: activity.origin,
      Destination: activity.destination,
    },
  };
}

/** AWS's words for an activity: `Launching a new EC2 instance: i-…`. */
export function describeActivity({ origin, destination, verb }: Activity, instanceId: string): string {
  if (verb !== undefined) return `${verb}: ${instanceId}`;
  if (origin === 'EC2') return `Launching a new EC2 instance: ${instanceId}`;
  if (origin === 'WarmPool' && destination === 'AutoScalingGroup')
    return `Launching a new EC2 instance from warm pool: ${instanceId}`;
  if (destination === 'WarmPool') return `Returning EC2 instance to warm pool: ${instanceId}`;
  return `Terminating EC2 instance: ${instanceId}`;
}

/** AWS's sentence for an instance that a hook abandoned. */
export function abandonedMessage({ token, resolvedBy }: LifecycleAction): string {
  const reason = resolvedBy === 'timeout' ? 'Heartbeat Timeout' : 'Lifecycle Action Completed with ABANDON Result';
  return `Instance failed to complete user's Lifecycle Action: Lifecycle Action with token ${token} was abandoned: ${reason}`;
}
