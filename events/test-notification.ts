import * as z from 'zod';

const TEST = z.literal('autoscaling:TEST_NOTIFICATION');

/**
 * Auto Scaling tries out the target of a new lifecycle hook with a message about no instance at all:
 *
 *     { "Event": "autoscaling:TEST_NOTIFICATION", "AutoScalingGroupName": "web", … }
 *     { "LifecycleTransition": "autoscaling:TEST_NOTIFICATION", "AutoScalingGroupName": "web", … }
 */
const TestNotification = z.union([z.looseObject({ Event: TEST }), z.looseObject({ LifecycleTransition: TEST })]);

/** Whether it is such a message. */
export function isTestNotification(message: unknown): boolean {
  return TestNotification.safeParse(message).success;
}
