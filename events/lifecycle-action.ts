import * as z from 'zod';
import { InstanceId } from '../lib/profile.ts';
import { eventOf, type Interpretation, type Parser, parseEvent, triggerOf } from './event.ts';
import { AutoScalingName, LifecycleActionToken } from './request.ts';

/**
 * An instance is held at a lifecycle hook until its action is completed.
 *
 *     {
 *       "version": "0",
 *       "id": "12345678-1234-1234-1234-123456789012",
 *       "detail-type": "EC2 Instance-launch Lifecycle Action",
 *       "source": "aws.autoscaling",
 *       "account": "123456789012",
 *       "time": "2015-05-13T18:43:48Z",
 *       "region": "eu-west-1",
 *       "resources": ["arn:aws:autoscaling:eu-west-1:123456789012:autoScalingGroup:…:autoScalingGroupName/web"],
 *       "detail": {
 *         "LifecycleActionToken": "87654321-4321-4321-4321-210987654321",
 *         "AutoScalingGroupName": "web",
 *         "LifecycleHookName": "muster-launch",
 *         "EC2InstanceId": "i-1234567890abcdef0",
 *         "LifecycleTransition": "autoscaling:EC2_INSTANCE_LAUNCHING",
 *         "NotificationMetadata": "additional-info",    missing, a string or an object: not ours to read
 *         "Origin": "EC2",                              EC2 | WarmPool, may be missing
 *         "Destination": "AutoScalingGroup",            AutoScalingGroup | WarmPool, may be missing
 *         "Action": "ReplaceRootVolume"                 only if the instance stays and gets another root volume
 *       }
 *     }
 *
 * A termination differs in its detail-type ("EC2 Instance-terminate Lifecycle Action"), in its transition
 * ("autoscaling:EC2_INSTANCE_TERMINATING") and in where the instance goes (from "AutoScalingGroup" to "EC2").
 *
 * The replacement of a root volume begins with a termination and ends with a launch, both with that Action and both from
 * "AutoScalingGroup" to "AutoScalingGroup".
 */
const LifecycleActionDetail = z.looseObject({
  LifecycleActionToken: LifecycleActionToken,
  AutoScalingGroupName: AutoScalingName,
  LifecycleHookName: AutoScalingName,
  EC2InstanceId: InstanceId,
  Origin: z.string().optional(),
  Destination: z.string().optional(),
  Action: z.string().optional(),
});

const LaunchLifecycleAction = eventOf(
  LifecycleActionDetail.extend({ LifecycleTransition: z.literal('autoscaling:EC2_INSTANCE_LAUNCHING') }),
);

const TerminateLifecycleAction = eventOf(
  LifecycleActionDetail.extend({ LifecycleTransition: z.literal('autoscaling:EC2_INSTANCE_TERMINATING') }),
);

/** A launch into a warm pool and a later launch out of it are two launches of one instance, each with its own token. */
export const launchLifecycleAction: Parser = (event): Interpretation => {
  const launch = parseEvent(LaunchLifecycleAction, event);
  const request = {
    instanceId: launch.detail.EC2InstanceId,
    lifecycleAction: lifecycleActionOf(launch.detail),
    trigger: triggerOf(launch),
  };
  return { kind: 'enrolment', requests: [request] };
};

/** Also of an instance that returns to its warm pool: nothing is retired then, but its hook waits all the same. */
export const terminateLifecycleAction: Parser = (event): Interpretation => {
  const termination = parseEvent(TerminateLifecycleAction, event);
  const request = {
    instanceId: termination.detail.EC2InstanceId,
    lifecycleAction: lifecycleActionOf(termination.detail),
    trigger: triggerOf(termination),
  };
  return { kind: 'retirement', requests: [request] };
};

function lifecycleActionOf(detail: z.infer<typeof LifecycleActionDetail>) {
  return {
    autoScalingGroupName: detail.AutoScalingGroupName,
    lifecycleHookName: detail.LifecycleHookName,
    lifecycleActionToken: detail.LifecycleActionToken,
    origin: detail.Origin,
    destination: detail.Destination,
    action: detail.Action,
  };
}
