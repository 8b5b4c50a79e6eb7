import * as z from 'zod';
import { traitsOf } from '../lib/engines.ts';
import type { Instance } from '../lib/instance.ts';
import type { Enrolment, Retirement } from '../lib/state.ts';

/**
 * What Muster says of itself: one EventBridge event for every outcome, for the account's other rules. `docs/events.md` describes
 * them and `events/samples/outcomes/` has a complete event of each. Every field is always there, null where there is
 * nothing to say, so that an input transformer never meets a missing path.
 */
export const OUTCOME_SOURCE = 'muster';

const Name = z.string().min(1);

/** Every outcome is one of an instance's, by one execution. */
const Detail = z.strictObject({
  /** The EC2 instance's id, or the Lightsail instance's name. */
  instance: Name,
  platform: z.enum(['ec2', 'lightsail']),
  profile: Name.nullable(),
  profileVersion: Name.nullable(),
  /** Its name at the configuration server. */
  nodeName: Name.nullable(),
  autoScalingGroupName: Name.nullable(),
  /** The configuration server's engine (`opsworks-cm`, `chef-infra`, `puppet`) and its name or URL; null where the profile names none, or the instance is exempt from it. */
  engine: Name.nullable(),
  server: Name.nullable(),
  /** ARN of the execution that came to this outcome. */
  execution: Name,
});

/** Null where the execution's input names no instance, which may be why it failed. */
const FailureDetail = Detail.extend({
  instance: Detail.shape.instance.nullable(),
  platform: Detail.shape.platform.nullable(),
  /** The error's name, as in `lib/errors.ts`, or Step Functions' own. */
  error: Name,
  /** What happened, what is left and what to do: for a person. */
  cause: Name,
});

const EnrolledDetail = Detail.extend({
  profile: Name,
  profileVersion: Name,
  nodeName: Name,
  /**
   * From the instance's launch, or from the end of the replacement of its root volume, to this; null where its service does
   * not say when that was.
   */
  secondsToManaged: z.number().min(0).nullable(),
});

/** Each outcome's detail-type, and the schema of its detail. */
export const OUTCOMES = {
  'Instance Enrolled': EnrolledDetail,
  /** An instance that stayed and got another root volume is enrolled again, with the key of that volume. */
  'Instance Re-imaged': EnrolledDetail,
  /** It is decided: the launch is abandoned, goes on without enrolment, or does not wait (any more). */
  'Instance Enrolment Failed': FailureDetail.extend({ action: z.enum(['abandon', 'continue', 'none']) }),
  /** It is not decided: the launch waits in its hook for a person, until the hook expires. */
  'Instance Enrolment Held': FailureDetail.extend({ action: z.literal('hold') }),
  'Instance Retired': Detail,
  'Instance Retirement Failed': FailureDetail,
  /** A sweep met what a person must look at. It is about the fleet, and not about one instance. */
  'Fleet Sweep Alert': z.strictObject({
    /** Null where a person invoked the function itself. */
    execution: Name.nullable(),
    cause: Name,
  }),
} as const;

export type OutcomeType = keyof typeof OUTCOMES;

/** What is reported of an instance when its enrolment or its retirement failed before anything was known of it. */
export const NOTHING_KNOWN = {
  instance: null,
  platform: null,
  profile: null,
  profileVersion: null,
  nodeName: null,
  autoScalingGroupName: null,
  engine: null,
  server: null,
};

/** What every outcome of an enrolment says. */
export function aboutEnrolment(instance: Instance, enrolment: Enrolment, execution: string): z.infer<typeof Detail> {
  return {
    instance: instance.instanceId,
    platform: instance.platform,
    nodeName: instance.nodeName,
    autoScalingGroupName: instance.autoScalingGroupName,
    execution,
    ...aboutProfile(enrolment),
  };
}

/** What every outcome of a retirement says. */
export function aboutRetirement(retirement: Retirement, execution: string): z.infer<typeof Detail> {
  const { instanceId, platform, nodeName, autoScalingGroupName } = retirement;
  return { instance: instanceId, platform, nodeName, autoScalingGroupName, execution, ...aboutProfile(retirement) };
}

function aboutProfile({
  profile,
  profileVersion,
  associate,
}: Pick<Enrolment, 'profile' | 'profileVersion' | 'associate'>) {
  return {
    profile,
    profileVersion,
    engine: associate?.engine ?? null,
    server: associate ? traitsOf(associate).displayName : null,
  };
}
