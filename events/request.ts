import { createHash } from 'node:crypto';
import * as z from 'zod';
import { home } from '../lib/config.ts';
import { type InstanceRef, ledgerKey } from '../lib/instance.ts';
import { type Exemptible, InstanceId, RegionName } from '../lib/profile.ts';
import { parse } from '../lib/schema-faults.ts';

/** The service's model and its console disagree about `.` and about `_` at the ends: whatever either takes, passes. */
export const LightsailInstanceName = z.stringFormat(
  'a Lightsail instance name such as "web-1" (at most 255 letters, digits, dots, dashes and underscores)',
  /^(?=.{1,255}$)\w([\w.-]*\w)?$/,
);

/** The name of an Auto Scaling group or of a lifecycle hook. */
export const AutoScalingName = z.string().min(1).max(255);

const TOKEN_LENGTH = 36;

/** AWS's own example tokens are not hexadecimal, so nothing but the length is checked. */
export const LifecycleActionToken = z.string().length(TOKEN_LENGTH);

/** ISO 8601; AWS sends it with and without milliseconds. */
export const Instant = z.iso.datetime({ offset: true });

const LifecycleAction = z.strictObject({
  autoScalingGroupName: AutoScalingName,
  lifecycleHookName: AutoScalingName,
  lifecycleActionToken: LifecycleActionToken,
  /** `EC2`, or `WarmPool` for an instance that leaves its warm pool. */
  origin: z.string().optional(),
  /** `AutoScalingGroup`, or `WarmPool` for an instance that will wait there. */
  destination: z.string().optional(),
  /** `ReplaceRootVolume`: the instance stays, and gets another root volume. */
  action: z.string().optional(),
});

const Trigger = z.strictObject({
  detailType: z.string().min(1),
  eventId: z.string().min(1),
  eventTime: Instant,
});

/** Used as the event's detail-type where a sweep found the instance and no event did. */
export const SWEEP = 'Muster Sweep';

/** The same where the watch found it. */
export const WATCH = 'Muster Watch';

function isSwept(trigger: z.infer<typeof Trigger> | undefined): boolean {
  return trigger?.detailType === SWEEP;
}

/** What every request says: which instance, and who asks. */
const RequestFields = z.strictObject({
  instanceId: InstanceId.optional(),
  lightsailInstanceName: LightsailInstanceName.optional(),
  /** Where the instance is. An input without it means the stack's own Region, which is filled in here. */
  region: RegionName.default(() => home()),
  /** The launch or the termination that waits for the answer. EC2 only. */
  lifecycleAction: LifecycleAction.optional(),
  /** The event that asked for it; absent when a person did. */
  trigger: Trigger.optional(),
});
type RequestFields = z.infer<typeof RequestFields>;

/** A request that an event made. */
type Triggered<Request> = Request & { trigger: z.infer<typeof Trigger> };

/** What an event or a sweep knows beside the instance's name: it becomes an announcement. */
interface Occasion {
  /** The group of an instance whose launch did not wait in a hook of ours. EC2 only. */
  autoScalingGroupName?: string | undefined;
  /** What its profile asks for and is not to be done this time. */
  leaveOut?: Exemptible[] | undefined;
}

/** An enrolment that an event or a sweep asks for. */
export type TriggeredRequest = Triggered<RequestFields> & Occasion;
/** The same before its Region is filled in. */
export type EnrolmentInput = Triggered<z.input<typeof RequestFields>> & Occasion;

const EnrolmentFields = RequestFields.pick({ instanceId: true, lightsailInstanceName: true, region: true }).extend({
  /**
   * The node's CSR (PKCS#10, PEM), where its profile says `csrFrom: request`. Lightsail only: an EC2 instance proves its
   * key itself.
   */
  identity: z.strictObject({ csr: z.string().min(1).max(8192) }).optional(),
});

/**
 * The input of an enrolment, from an event, a sweep or a person: it names an instance, and chooses neither a hook nor what is left out.
 * `{"instanceId":"i-0123456789abcdef0"}` or `{"lightsailInstanceName":"web-1"}` is enough.
 */
export const EnrolmentRequest = z.preprocess(withoutFormerFields, EnrolmentFields.check(namesOneInstance));
export type EnrolmentRequest = z.infer<typeof EnrolmentRequest>;

/** An execution that the version before has started may still run: its input says more, which counts for nothing now. */
function withoutFormerFields(input: unknown): unknown {
  if (typeof input !== 'object' || input === null || !('trigger' in input)) return input;
  const { trigger: _, lifecycleAction, autoScalingGroupName, leaveOut, ...request } = input as Record<string, unknown>;
  return request;
}

/**
 * What a retirement is started with, by an event or by a person. A person who retires an instance that still runs says
 * so: `{"instanceId":"i-0123456789abcdef0","confirm":true}`.
 */
const RetirementFields = RequestFields.pick({ instanceId: true, lightsailInstanceName: true, region: true }).extend({
  /** The instance may be running: it is meant all the same. */
  confirm: z.literal(true).optional(),
});
export const RetirementRequest = z.preprocess(withoutFormerFields, RetirementFields.check(namesOneInstance));
export type RetirementRequest = z.infer<typeof RetirementRequest>;
export type TriggeredRetirement = Triggered<RequestFields> & {
  /** Of a termination that waits in no hook. */
  autoScalingGroupName?: string | undefined;
  destination?: string | undefined;
};
/** The input of an execution of `retire-node` that an event or a sweep starts. */
export type RetirementInput = Triggered<z.input<typeof RequestFields>> &
  Pick<TriggeredRetirement, 'autoScalingGroupName' | 'destination'>;

/** What a sweep is started with; a schedule says nothing. */
const SweepRequest = z.strictObject({
  /** Only say what would be started, and change nothing. */
  dryRun: z.boolean().default(false),
  /** Only this profile. */
  profile: z.string().optional(),
});
export type SweepRequest = z.infer<typeof SweepRequest>;

/** Whose metadata options a person has put back: `{"instanceId":"i-0123456789abcdef0"}` or `{"lightsailInstanceName":"web-1"}`. */
const RevertRequest = RequestFields.pick({ instanceId: true, lightsailInstanceName: true, region: true }).check(
  namesOneInstance,
);
export type RevertRequest = z.infer<typeof RevertRequest>;
/** How an input names an instance. */
export type InstanceInput = z.input<typeof RevertRequest>;

/** A check of zod's. */
function namesOneInstance({ value, issues }: z.core.ParsePayload<AnyRequest>): void {
  // A misspelt field is already reported, and its correction may be what names the instance.
  const messages = [...(issues.length === 0 ? omissions(value) : []), ...contradictions(value)];
  issues.push(...messages.map((message) => ({ code: 'custom' as const, message, input: value })));
}

type AnyRequest = RequestFields & z.infer<typeof EnrolmentFields>;

function omissions({ instanceId, lightsailInstanceName }: RequestFields): string[] {
  return instanceId || lightsailInstanceName
    ? []
    : ['No instance is named: add instanceId (EC2) or lightsailInstanceName (Lightsail).'];
}

function* contradictions(request: AnyRequest): Generator<string> {
  const { instanceId, lightsailInstanceName, lifecycleAction, identity } = request;
  if (instanceId && lightsailInstanceName) {
    yield 'Both instanceId (EC2) and lightsailInstanceName (Lightsail) are given: keep the one that you mean.';
  }
  if (instanceId && identity) yield 'identity is for Lightsail only: an EC2 instance shows its own. Leave it out.';
  if (lightsailInstanceName && lifecycleAction) {
    yield 'lifecycleAction is for EC2 only: leave it out beside lightsailInstanceName.';
  }
}

/** @throws InvalidRequest with one sentence a fault, each naming the field and the fix. */
export function parseEnrolmentRequest(input: unknown): EnrolmentRequest {
  return parse(EnrolmentRequest, input, { subject: 'The input' });
}

/** @throws InvalidRequest with one sentence a fault, each naming the field and the fix. */
export function parseRetirementRequest(input: unknown): RetirementRequest {
  return parse(RetirementRequest, input, { subject: 'The input' });
}

/** @throws InvalidRequest with one sentence a fault, each naming the field and the fix. */
export function parseSweepRequest(input: unknown): SweepRequest {
  return parse(SweepRequest, input, { subject: 'The input' });
}

/** @throws InvalidRequest with one sentence a fault, each naming the field and the fix. */
export function parseRevertRequest(input: unknown): RevertRequest {
  return parse(RevertRequest, input, { subject: 'The input' });
}

/** The instance that a request names. */
export function namedIn({ instanceId, lightsailInstanceName = '', region }: RevertRequest): InstanceRef {
  return instanceId
    ? { platform: 'ec2', instanceId, region }
    : { platform: 'lightsail', instanceId: lightsailInstanceName, region };
}

/** How an input names the instance: without its Region if that is the stack's own. */
export function naming({ platform, instanceId, region }: InstanceRef): InstanceInput {
  return {
    ...(platform === 'ec2' ? { instanceId } : { lightsailInstanceName: instanceId }),
    ...(isElsewhere(region) && { region }),
  };
}

/** What the ledger says of the request: services/announcements.ts. */
export function announcementOf(request: EnrolmentInput & Pick<RetirementInput, 'destination'>) {
  const { lifecycleAction, trigger, leaveOut, region = home() } = request;
  return {
    subject: ledgerKey(namedIn({ ...request, region })),
    by: isSwept(trigger) ? ('sweep' as const) : ('event' as const),
    ...trigger,
    autoScalingGroupName: lifecycleAction?.autoScalingGroupName ?? request.autoScalingGroupName,
    lifecycleHookName: lifecycleAction?.lifecycleHookName,
    origin: lifecycleAction?.origin,
    destination: lifecycleAction?.destination ?? request.destination,
    action: lifecycleAction?.action,
    leaveOut,
  };
}

/** What operators call the instance: with its Region if that is not the stack's own. */
export function labelOf({ instanceId, region }: InstanceRef): string {
  return `${instanceId}${isElsewhere(region) ? ` of ${region}` : ''}`;
}

function isElsewhere(region: string | undefined): boolean {
  return region !== undefined && region !== home();
}

/**
 * The name of the execution that answers an event: 1-80 characters of `A-Za-z0-9-_`, the same whenever the same
 * launch or termination is announced again. Instance and token (or event id) stand in it as they are where Step Functions allows it.
 */
export function executionName(request: Triggered<z.input<typeof RequestFields>>): string {
  const instance = executionLabel(request);
  const occasion = request.lifecycleAction?.lifecycleActionToken ?? request.trigger.eventId;
  const name = `${instance}-${occasion}`;
  // At a fixed length of its last part no two pairs make the same name.
  if (occasion.length === TOKEN_LENGTH && /^[\w-]{1,80}$/.test(name)) return name;
  const hash = createHash('sha256')
    .update(JSON.stringify([instance, occasion]))
    .digest('hex');
  return `${shortened(instance)}-${hash}`;
}

/**
 * Whether an execution has a name as `executionName` makes it for this instance, so that no person has started it. Its
 * announcement may be missing all the same: a launch's event starts it without one while the ledger is down.
 * @param execution its ARN
 */
export function isNamedByEvent(
  execution: string,
  { instanceId, lightsailInstanceName, region }: InstanceInput,
): boolean {
  const instance = executionLabel({ instanceId, lightsailInstanceName, region });
  const name = execution.slice(execution.lastIndexOf(':') + 1);
  const isOf = (prefix: string, pattern: RegExp) => name.startsWith(prefix) && pattern.test(name.slice(prefix.length));
  return isOf(`${instance}-`, /^[\w-]{36}$/) || isOf(`${shortened(instance)}-`, /^[0-9a-f]{64}$/);
}

/** No instance name contains a slash, so the Region in front of it is never part of another name. */
function executionLabel({ instanceId, lightsailInstanceName, region }: InstanceInput): string {
  return instanceId ?? `lightsail-${isElsewhere(region) ? `${region}/` : ''}${lightsailInstanceName}`;
}

function shortened(label: string): string {
  return label.replace(/[^\w-]/g, '-').slice(0, 15);
}
