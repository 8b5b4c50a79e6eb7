import * as z from 'zod';
import { MetadataOptions } from './instance.ts';
import { EXEMPTIBLE, Metadata, Register } from './profile.ts';
import { printable } from './quoted.ts';
import { Associate } from './servers.ts';

/**
 * What an execution of `enrol-node` carries from state to state. The request stays at the top of the state's data; each
 * task puts its answer under a key of its own, and every answer has all of its fields (null where there is nothing),
 * because a path that leads nowhere would end the execution where no Catch reaches.
 */

/** What the state machine says of itself to every task (from the context object). */
export const TaskContext = z.object({
  /** ARN of the execution. */
  execution: z.string(),
  /** When the execution started, and when it entered the state: the clock that tasks go by. */
  startTime: z.iso.datetime(),
  enteredTime: z.iso.datetime(),
  /** Name of the state. */
  state: z.string(),
  /** How many attempts went before this one. */
  retryCount: z.int().min(0),
  /** Until when the launch may wait: a state that is entered later does nothing. */
  deadline: z.iso.datetime().optional(),
});
export type TaskContext = z.infer<typeof TaskContext>;

/**
 * The lifecycle hook in which the instance waits for us. Its action is addressed by the instance's id: a token comes from
 * an event, and may be another instance's.
 */
export const Hook = z.object({ autoScalingGroupName: z.string(), lifecycleHookName: z.string() });
export type Hook = z.infer<typeof Hook>;

/** An exemption, as far as an execution shows it; null where there is none. */
const Exempted = z.object({ owner: z.string(), reason: z.string(), until: z.iso.date() }).nullable();

/** `$.enrolment`: what is to be done with the instance, by whom it is claimed, and until when. */
export const Enrolment = z.object({
  /** `ignored`: not ours; `enrolled`: done before, so only its launch is left to finish. */
  status: z.enum(['ignored', 'enrolled', 'enrolling']),
  /** Why it is ignored. */
  reason: z.string().nullable(),
  /** `enrolled` by an execution before this one. */
  enrolledBefore: z.boolean(),
  /** The key of the instance's item in the ledger. */
  ledgerKey: z.string(),
  generation: z.int(),
  profile: z.string().nullable(),
  profileVersion: z.string().nullable(),
  onFailure: z.enum(['hold', 'abandon', 'continue']),
  abandonLimit: z.int(),
  hook: Hook.nullable(),
  /** Whether the hook was seen to wait: then the launch is over for us once it no longer launches. */
  hasWaitedForUs: z.boolean().default(false),
  /** No retry goes on past this instant. */
  deadline: z.iso.datetime(),
  /**
   * What the profile asks for and the instance is exempt from: `register`, `associate` and `metadata` are without it. An
   * execution that waits since before a deployment may not have it.
   */
  exempt: z.array(z.enum(EXEMPTIBLE)).default([]),
  exemptions: z.object({ imdsv2: Exempted, association: Exempted }).default({ imdsv2: null, association: null }),
  /**
   * Who started it; null for a person. An execution that began before a deployment does not say it: then nothing is
   * measured by it, and the instance counts as one that has run.
   */
  startedBy: z.enum(['event', 'watch', 'sweep', 'undo', 'move', 're-image']).nullable().default('sweep'),
  /** Why the metadata options are left to a sweep although the profile names them; null if they are not. */
  hardeningPostponed: z.string().nullable().default(null),
  /** When its root volume was replaced, where that is why it is enrolled. */
  reImagedAt: z.iso.datetime().nullable().default(null),
  /** Whether the node is to be taken off another server afterwards. */
  isMoving: z.boolean().default(false),
  register: Register.nullable(),
  associate: Associate.nullable(),
  metadata: Metadata.nullable(),
  /** What the Choice states ask. */
  wants: z.object({
    /** Whether the node's name, and the secrets of the configuration server, are to be checked first. */
    check: z.boolean(),
    hardening: z.boolean(),
    /** Who shows the node's key: the node is asked, the request brought it, or no key is needed. */
    identity: z.enum(['node', 'request', 'none']),
    registration: z.boolean(),
    association: z.boolean(),
    /** Whether the node is sent something for its agent. */
    installation: z.boolean(),
    assignment: z.boolean(),
  }),
});
export type Enrolment = z.infer<typeof Enrolment>;

/** `$.waiting`: what KeepWaiting remembers from one wait to the next. */
export const Waiting = z.object({
  /** Whether our hook was seen to wait: then the launch is over for us once it no longer launches. */
  hasWaitedForUs: z.boolean().default(false),
  /** When looks began to miss the instance, without a sighting since. */
  absentSince: z.iso.datetime().nullable().default(null),
  /** When looks at the stack began to miss the registration that the ledger has, without a sighting since. */
  unregisteredSince: z.iso.datetime().nullable().default(null),
  /** When looks began to miss a server, a stack or a secret of the profile, without a sighting since. */
  dependencyMissingSince: z.iso.datetime().nullable().default(null),
  /** When the node began to show an identity document older than its launch, and has shown none since that is not. */
  outdatedSince: z.iso.datetime().nullable().default(null),
});
export type Waiting = z.infer<typeof Waiting>;

/** `$.hardening`: how EnforceImdsV2 left the metadata options. */
export const Hardening = z.object({
  state: z.enum(['applied', 'pending', 'unsupported']),
  /** As they were before we touched them. */
  before: MetadataOptions,
  /** Lightsail's operation that changes them, if there is one. */
  operationId: z.string().nullable(),
  /** Why they could not be changed, where the profile goes on without. */
  reason: z.string().nullable(),
});
export type Hardening = z.infer<typeof Hardening>;

/** `$.command`, `$.installing`: a command that a node was sent. */
export const Command = z.object({
  commandId: z.string(),
  /** The node's id at Systems Manager: `i-…`, or `mi-…` for a managed Lightsail instance. */
  managedId: z.string(),
});
export type Command = z.infer<typeof Command>;

/** `$.registration`: the instance in its OpsWorks stack. */
export const Registration = z.object({ opsworksInstanceId: z.string() });

/** `$.identity`: what the node showed of itself, checked. */
export const Identity = z.object({
  /** PKCS#10, PEM. */
  csr: z.string(),
  /** The CSR's key: SPKI, PEM. */
  publicKey: z.string(),
  /** SHA-256 of the key's SPKI DER: hexadecimal pairs with colons. */
  publicKeyFingerprint: z.string(),
  /** The instance identity document and its signature, as the node read them; empty where the request brought the CSR. */
  document: z.string(),
  signature: z.string(),
});
export type Identity = z.infer<typeof Identity>;

/** A configuration server's answer; the certificate is for engines that issue one. */
export const ServerAnswer = z.object({
  /** What ConfirmAssociation asks about; null where the answer is final at once. */
  statusToken: z.string().nullable(),
  certificate: z.string().nullable(),
  caCertificate: z.string().nullable(),
});
export type ServerAnswer = z.infer<typeof ServerAnswer>;

/** `$.association`: the server's last answer, and whether ConfirmAssociation has taken it as final. */
export const Association = ServerAnswer.extend({ isConfirmed: z.boolean().default(false) });
export type Association = z.infer<typeof Association>;

/** A failure as Catch leaves it: `Cause` is Lambda's JSON for an error that a handler threw. */
export const Failure = z.object({ Error: z.string(), Cause: z.string().default('') });
export type Failure = z.infer<typeof Failure>;

/** Failures that an execution has gone past, the latest first: a state machine cannot append to a list. */
const Failures = z.object({
  get before() {
    return Failures.nullable();
  },
  last: Failure,
});
/** `$.decision`: what a failed enrolment means for its launch. */
export const Decision = z.object({
  action: z.enum(['hold', 'abandon', 'continue', 'none']),
  /** Whether what was done for the instance is undone. */
  undo: z.boolean(),
  /** Why the launch is held although the profile says abandon: a sentence. Null if the profile is followed. */
  instead: z.string().nullable(),
  /** The hook in which the launch waits. */
  hook: Hook.nullable(),
  /** Whether the node is enrolled, and only its launch is not finished. */
  isEnrolled: z.boolean(),
});
export type FailureDecision = Pick<z.infer<typeof Decision>, 'action' | 'undo' | 'instead'>;

/** `$.release`: how the launch of a failed enrolment was completed. */
export const Release = z.object({
  /** `already-over`: it expired, or someone else completed it; null if no launch waited. */
  lifecycleAction: z.enum(['completed', 'already-over']).nullable(),
});
export type Release = z.infer<typeof Release>;

/** `$.retirement`: what is to be undone of an instance, and by whom it is claimed. */
export const Retirement = z.object({
  /**
   * `nothing`: it was never enrolled, it lives on, or another execution retires it; `unconfirmed`: its service has not
   * confirmed its end yet; `leaving`: it stays enrolled, and is taken off its former servers; `re-imaging`: it stays, and
   * the key of its root volume, which is replaced, is retired.
   */
  status: z.enum(['nothing', 'unconfirmed', 'leaving', 're-imaging', 'retiring']),
  reason: z.string().nullable(),
  /** Since when its service has not shown it. */
  absentSince: z.string().nullable().default(null),
  /** Before the next look at its service. */
  pauseSeconds: z.int().default(0),
  /** Until when the retirement waits for what is not ready; an execution from before a deployment has none. */
  deadline: z.iso.datetime().optional(),
  /** The group in one of whose termination hooks it waits. */
  waitsInGroup: z.string().nullable().default(null),
  platform: z.enum(['ec2', 'lightsail']),
  instanceId: z.string(),
  region: z.string(),
  ledgerKey: z.string(),
  generation: z.int(),
  /** Whether an enrolment was stopped, whose last task may still write. */
  wasRunning: z.boolean(),
  nodeName: z.string().nullable(),
  profile: z.string().nullable(),
  profileVersion: z.string().nullable(),
  autoScalingGroupName: z.string().nullable(),
  register: Register.nullable(),
  associate: Associate.nullable(),
  /** The stack's own id of the instance, where the ledger has it. */
  opsworksInstanceId: z.string().nullable().default(null),
  /** By when our last attempt to register the instance had ended. */
  registeringUntil: z.string().nullable().default(null),
  /** What the Choice states ask. */
  wants: z.object({ disassociation: z.boolean(), deregistration: z.boolean() }),
  undoing: z
    .object({
      /** The servers that may still know the node; the first is the next. */
      left: z.array(Associate),
      /** Why others could not be asked to forget it. */
      failures: Failures.nullable(),
    })
    .default({ left: [], failures: null }),
});
export type Retirement = z.infer<typeof Retirement>;

/** What an answer that may have missed something says: lib/absence.ts. */
const Missed = {
  /** Since when it is missed, without a sighting since; null if it is not, or its absence is confirmed. */
  absentSince: z.iso.datetime().nullable().default(null),
  /** Before the next look. */
  pauseSeconds: z.int().default(0),
};

/** `$.disassociation`: the configuration server's answer. */
export const Disassociation = z.object({
  /** The server's identity: another server's absence confirms nothing. */
  server: z.string(),
  /** What ConfirmDisassociation asks about; null where the answer is final at once. */
  statusToken: z.string().nullable(),
  ...Missed,
});
export type Disassociation = z.infer<typeof Disassociation>;

/** `$.deregistration`: the instance in its OpsWorks stack. */
export const Deregistration = z.object({
  /** The stack's own ids of what was taken out of it. */
  deregistered: z.array(z.string()),
  ...Missed,
});
export type Deregistration = z.infer<typeof Deregistration>;

const LambdaCause = z.object({ errorMessage: z.string() });

/** The sentence in a failure. Lambda hands it over as JSON; Step Functions' own failures are plain text or empty. */
export function sentenceOf({ Error: name, Cause }: Failure): string {
  return printable(errorMessageOf(Cause) ?? Cause) || `${name} without further words.`;
}

function errorMessageOf(cause: string): string | undefined {
  try {
    return LambdaCause.parse(JSON.parse(cause)).errorMessage;
  } catch {
    return undefined;
  }
}
