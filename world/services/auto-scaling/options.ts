import type { Emit } from '../../eventbridge/aws-event.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { Random } from '../../kernel/random.ts';
import type { Ec2 } from '../ec2/ec2.ts';

export interface AutoScalingOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly emit: Emit;
  readonly ec2: Ec2;
  /** From the start of a launch to its hooks. */
  readonly launchSeconds?: number;
  /** From the last hook's completion to service, or to termination. */
  readonly proceedSeconds?: number;
  /** From an instance's end to the launch that replaces it. */
  readonly relaunchSeconds?: number;
  /** How long it takes to notice that an instance was terminated behind the group's back. */
  readonly healthCheckSeconds?: number;
}
