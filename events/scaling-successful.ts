import * as z from 'zod';
import { InstanceId } from '../lib/profile.ts';
import { eventOf, type Interpretation, type Parser, parseEvent, returnsToWarmPool, triggerOf } from './event.ts';
import { AutoScalingName } from './request.ts';

/**
 * An instance has entered its group (or its warm pool), or has left it. Sent for every launch and every termination, also
 * for those that waited at a hook.
 *
 *     {
 *       "version": "0",
 *       "id": "12345678-1234-1234-1234-123456789012",
 *       "detail-type": "EC2 Instance Launch Successful",
 *       "source": "aws.autoscaling",
 *       "account": "123456789012",
 *       "time": "2015-11-11T21:31:47Z",
 *       "region": "eu-west-1",
 *       "resources": ["arn:aws:autoscaling:…/web", "arn:aws:ec2:…:instance/i-1234567890abcdef0"],
 *       "detail": {
 *         "StatusCode": "InProgress",                   says this although it is over
 *         "AutoScalingGroupName": "web",
 *         "ActivityId": "87654321-4321-4321-4321-210987654321",
 *         "Details": { "Availability Zone": "eu-west-1b", "Subnet ID": "subnet-12345678" },
 *         "EC2InstanceId": "i-1234567890abcdef0",
 *         "StartTime": "2015-11-11T21:31:11.999Z",
 *         "EndTime": "2015-11-11T21:31:47.208Z",
 *         "Origin": "EC2",                              EC2 | AutoScalingGroup | WarmPool, may be missing
 *         "Destination": "AutoScalingGroup",            the same
 *         …
 *       }
 *     }
 *
 * A termination differs in its detail-type ("EC2 Instance Terminate Successful") and in where the instance goes (from
 * "AutoScalingGroup" to "EC2").
 */
const LaunchSuccessful = eventOf(z.looseObject({ AutoScalingGroupName: AutoScalingName, EC2InstanceId: InstanceId }));

const TerminateSuccessful = eventOf(
  z.looseObject({
    EC2InstanceId: InstanceId,
    AutoScalingGroupName: AutoScalingName.optional(),
    Destination: z.string().optional(),
  }),
);

export const launchSuccessful: Parser = (event): Interpretation => {
  const launch = parseEvent(LaunchSuccessful, event);
  const request = {
    instanceId: launch.detail.EC2InstanceId,
    autoScalingGroupName: launch.detail.AutoScalingGroupName,
    trigger: triggerOf(launch),
  };
  return { kind: 'enrolment', requests: [request] };
};

/** The only event of a termination that no hook of ours saw. */
export const terminateSuccessful: Parser = (event): Interpretation => {
  const termination = parseEvent(TerminateSuccessful, event);
  const { EC2InstanceId: instanceId, AutoScalingGroupName, Destination: destination } = termination.detail;
  if (destination === 'WarmPool') return returnsToWarmPool(instanceId);
  const trigger = triggerOf(termination);
  return {
    kind: 'retirement',
    requests: [{ instanceId, autoScalingGroupName: AutoScalingGroupName, destination, trigger }],
  };
};
