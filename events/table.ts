import { parse } from '../lib/schema-faults.ts';
import { EventBridgeEvent, type Interpretation, ignored, inRegionOf, type Parser, whyForeign } from './event.ts';
import { launchLifecycleAction, terminateLifecycleAction } from './lifecycle-action.ts';
import { lightsailApiCall } from './lightsail-api-call.ts';
import type { TriggeredRequest, TriggeredRetirement } from './request.ts';
import { launchSuccessful, terminateSuccessful } from './scaling-successful.ts';
import { isTestNotification } from './test-notification.ts';

interface Row {
  readonly source: string;
  readonly detailType: string;
  readonly parser: Parser;
}

/** Every kind of event that Muster answers. */
export const table: readonly Row[] = [
  { source: 'aws.autoscaling', detailType: 'EC2 Instance-launch Lifecycle Action', parser: launchLifecycleAction },
  { source: 'aws.autoscaling', detailType: 'EC2 Instance Launch Successful', parser: launchSuccessful },
  {
    source: 'aws.autoscaling',
    detailType: 'EC2 Instance-terminate Lifecycle Action',
    parser: terminateLifecycleAction,
  },
  { source: 'aws.autoscaling', detailType: 'EC2 Instance Terminate Successful', parser: terminateSuccessful },
  { source: 'aws.lightsail', detailType: 'AWS API Call via CloudTrail', parser: lightsailApiCall },
];

/**
 * Says what an event asks for. Unknown kinds and test notifications are ignored: they are no fault.
 * @throws InvalidRequest when it is no EventBridge event, or one of a known kind that cannot be read.
 */
export function interpret(event: unknown): Interpretation {
  // A hook that notifies a queue or a topic sends the bare message, without EventBridge's envelope.
  if (isTestNotification(event)) return ignored(TEST_NOTIFICATION);
  const envelope = parse(EventBridgeEvent, event, { subject: 'The event', preface: 'This is no EventBridge event:' });
  if (isTestNotification(envelope.detail)) return ignored(TEST_NOTIFICATION);
  const { source, 'detail-type': detailType } = envelope;
  const row = table.find((row) => row.source === source && row.detailType === detailType);
  return row ? row.parser(envelope) : ignored(`Muster answers no "${detailType}" of ${source}.`);
}

const TEST_NOTIFICATION = 'It is a test notification of Auto Scaling.';

/**
 * The requests of one kind that an event makes, each in the event's Region; a sentence where it makes none.
 * @param account the stack's own
 * @throws InvalidRequest when the event cannot be read
 */
export function requestsOf(kind: 'enrolment', event: unknown, account: string): TriggeredRequest[] | string;
export function requestsOf(kind: 'retirement', event: unknown, account: string): TriggeredRetirement[] | string;
export function requestsOf(
  kind: 'enrolment' | 'retirement',
  event: unknown,
  account: string,
): (TriggeredRequest | TriggeredRetirement)[] | string {
  // First, so that an event that names no possible account is refused and not taken for another account's.
  const interpretation = interpret(event);
  const foreign = whyForeign(event, account);
  if (foreign) return foreign;
  if (interpretation.kind === 'ignored') return interpretation.reason;
  if (interpretation.kind === kind) return inRegionOf(event, interpretation.requests);
  return kind === 'enrolment'
    ? 'It asks for a retirement, not for an enrolment.'
    : 'It announces no end of an instance.';
}
