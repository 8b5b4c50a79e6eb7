/**
 * Every error that a task may answer the state machine with. A name says what the workflow should do: the first family
 * is "not yet" and is retried by the state machine, the second is "never" and ends in DecideFailure. The message is a
 * sentence for the person who reads it: what happened, to which instance, what to do.
 *
 * Names are literals because Lambda reports `error.name` as the error's type and minification renames classes.
 */

// ── Not yet: the state machine tries again ──────────────────────────────────────────────────────────────────────────

/** The instance does not run yet, or its service does not yet show all of it. */
export class InstanceNotReady extends Error {
  override readonly name = 'InstanceNotReady';
}

/** The service does not show the instance: not yet, for a moment, or not any more. A later look decides. */
export class InstanceNotFound extends Error {
  override readonly name = 'InstanceNotFound';
}

/** The instance is not as it was when the enrolment began: another root volume is attached. Everything begins again. */
export class InstanceChanged extends Error {
  override readonly name = 'InstanceChanged';
}

/** Another execution that still runs owns the instance. */
export class ClaimedElsewhere extends Error {
  override readonly name = 'ClaimedElsewhere';
}

/** The node has not yet answered with its CSR: its agent is not up, or the command still runs. */
export class IdentityPending extends Error {
  override readonly name = 'IdentityPending';
}

/** The node's identity document is older than its launch: the node is asked again. */
export class IdentityOutdated extends Error {
  override readonly name = 'IdentityOutdated';
}

/** The configuration server cannot be reached, is starting, or takes no nodes now (maintenance, backup). */
export class ServerNotReady extends Error {
  override readonly name = 'ServerNotReady';
}

/** The service still refuses for its rate after the SDK's own attempts. */
export class Throttled extends Error {
  override readonly name = 'Throttled';
}

/** An AWS API failed or could not be reached, and the SDK's own attempts are used up. */
export class ServiceUnavailable extends Error {
  override readonly name = 'ServiceUnavailable';
}

/** The function stopped shortly before its own time-out, so that the reason is reported and not cut off. */
export class OutOfTime extends Error {
  override readonly name = 'OutOfTime';
}

/** The configuration server has taken the association and still works on it. */
export class AssociationPending extends Error {
  override readonly name = 'AssociationPending';
}

/** The OpsWorks agent on the node has not reported yet. */
export class RegistrationPending extends Error {
  override readonly name = 'RegistrationPending';
}

/** The stack does not show the registration that the ledger has: for a moment, or not any more. A later look decides. */
export class RegistrationMissing extends Error {
  override readonly name = 'RegistrationMissing';
}

/** A service says that what a profile names does not exist (server, stack, secret, document). A second look, minutes later, decides. */
export class DependencyMissing extends Error {
  override readonly name = 'DependencyMissing';
}

/** The node has not yet confirmed that its credentials are installed. */
export class InstallationPending extends Error {
  override readonly name = 'InstallationPending';
}

/** The instance's metadata options are accepted and not yet applied. */
export class MetadataOptionsPending extends Error {
  override readonly name = 'MetadataOptionsPending';
}

// ── Never: trying again would change nothing ────────────────────────────────────────────────────────────────────────

/** The input, the event or the profile is wrong; the message names the field and the fix. */
export class InvalidRequest extends Error {
  override readonly name = 'InvalidRequest';
}

/** The instance is terminated, or its service has not shown it for minutes. */
export class InstanceGone extends Error {
  override readonly name = 'InstanceGone';
}

/** The rules that an identity can break, in one word each: the dimension of the metric IdentitiesRejected. */
export type BrokenRule =
  | 'answer'
  | 'no-certificate'
  | 'document-form'
  | 'document-signature'
  | 'document-other'
  | 'document-account'
  | 'csr-pem'
  | 'csr-der'
  | 'csr-subject'
  | 'csr-extension'
  | 'csr-key'
  | 'csr-algorithm'
  | 'csr-signature'
  | 'another-key'
  | 'key-of-another'
  | 'retired-key'
  | 'unexpected'
  | 'other';

/** What the node presented as its identity breaks a rule; the message names the rule. */
export class IdentityRejected extends Error {
  override readonly name = 'IdentityRejected';
  readonly rule: BrokenRule;

  constructor(message: string, { rule = 'other', ...options }: ErrorOptions & { rule?: BrokenRule } = {}) {
    super(message, options);
    this.rule = rule;
  }
}

/** The node's identity document stayed older than its launch: no verdict on the instance, so that a person decides. */
export class IdentityUnproved extends Error {
  override readonly name = 'IdentityUnproved';
}

/** There is no such configuration server, or it is beyond hope (failed, deleting, terminated). */
export class ServerNotFound extends Error {
  override readonly name = 'ServerNotFound';
}

/** The configuration server took the association and reported that it failed. */
export class AssociationFailed extends Error {
  override readonly name = 'AssociationFailed';
}

/** The node answered that it could not install its credentials, or the command never reached it. */
export class InstallationFailed extends Error {
  override readonly name = 'InstallationFailed';
}

/** The OpsWorks stack refuses the instance, or its set-up on the node failed. */
export class RegistrationFailed extends Error {
  override readonly name = 'RegistrationFailed';
}

/** The instance's image or blueprint cannot do what the profile's metadata options ask for. */
export class MetadataOptionsUnsupported extends Error {
  override readonly name = 'MetadataOptionsUnsupported';
}

/** The time in which the launch must be decided is over. */
export class DeadlinePassed extends Error {
  override readonly name = 'DeadlinePassed';
}

/** The launch waits no more: it was completed elsewhere, or its hook expired. */
export class LaunchDecided extends Error {
  override readonly name = 'LaunchDecided';
}

/** The function's role, or a credential, may not do this. */
export class PermissionDenied extends Error {
  override readonly name = 'PermissionDenied';
}

/** A quota of the account is used up. */
export class QuotaExceeded extends Error {
  override readonly name = 'QuotaExceeded';
}

/** What is "not yet": the state machine tries it again, and waits for it until the deadline. */
export const NOT_YET = [
  'InstanceNotReady',
  'InstanceNotFound',
  'InstanceChanged',
  'ClaimedElsewhere',
  'IdentityPending',
  'IdentityOutdated',
  'ServerNotReady',
  'Throttled',
  'ServiceUnavailable',
  'OutOfTime',
  'AssociationPending',
  'RegistrationPending',
  'RegistrationMissing',
  'DependencyMissing',
  'InstallationPending',
  'MetadataOptionsPending',
] as const;

/** Verdicts on the instance: another one may do better, so a profile may have its launch abandoned. */
export const VERDICTS = [
  'IdentityRejected',
  'AssociationFailed',
  'RegistrationFailed',
  'InstallationFailed',
  'MetadataOptionsUnsupported',
  'DeadlinePassed',
] as const;

/** Our own faults: every other instance would fail as well, so a launch is never abandoned for them. */
export const OURS = ['InvalidRequest', 'ServerNotFound', 'PermissionDenied', 'QuotaExceeded'] as const;

/** What is "never": the enrolment fails. */
export const NEVER = [...VERDICTS, ...OURS, 'IdentityUnproved', 'InstanceGone', 'LaunchDecided'] as const;
