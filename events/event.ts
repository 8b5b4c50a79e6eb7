import * as z from 'zod';
import { parse } from '../lib/schema-faults.ts';
import { Instant, type TriggeredRequest, type TriggeredRetirement } from './request.ts';

/** What an event asks for. `reason` is a sentence for the log. */
export type Interpretation =
  | { kind: 'enrolment'; requests: TriggeredRequest[] }
  | { kind: 'retirement'; requests: TriggeredRetirement[] }
  | { kind: 'ignored'; reason: string };

/** Reads the events of one kind. It throws InvalidRequest when an event of that kind cannot be read. */
export type Parser = (event: EventBridgeEvent) => Interpretation;

/** As much of EventBridge's envelope as tells one kind of event from another. */
export const EventBridgeEvent = z.looseObject({
  source: z.string().min(1),
  'detail-type': z.string().min(1),
});
export type EventBridgeEvent = z.infer<typeof EventBridgeEvent>;

/** The schema of an event with this detail. AWS adds fields to its events: they pass unread. */
export function eventOf<Detail extends z.ZodType>(detail: Detail) {
  return EventBridgeEvent.extend({ id: z.string().min(1), time: Instant, detail });
}

/** @throws InvalidRequest naming the event's kind, its id, and each field that cannot be read. */
export function parseEvent<Schema extends z.ZodType>(schema: Schema, event: EventBridgeEvent): z.output<Schema> {
  const id = typeof event.id === 'string' ? event.id : 'without id';
  return parse(schema, event, {
    subject: 'The event',
    preface: `The event "${event['detail-type']}" ${id} cannot be read:`,
  });
}

/** What the request remembers of the event that made it. */
export function triggerOf(event: { 'detail-type': string; id: string; time: string }): TriggeredRequest['trigger'] {
  return { detailType: event['detail-type'], eventId: event.id, eventTime: event.time };
}

/**
 * The requests with the Region that the event is of, where that is another than the stack's own: a rule there has forwarded
 * it.
 */
export function inRegionOf<Request extends { region?: string | undefined }>(
  event: unknown,
  requests: readonly Request[],
  home: string,
): Request[] {
  const { region } = z.object({ region: z.string() }).safeParse(event).data ?? {};
  return requests.map((request) => (region === undefined || region === home ? request : { ...request, region }));
}

/**
 * Why an event of another account is ignored: a bus that accepts an organization's events brings those too, and their
 * instances may have the names of ours. Undefined for an event of the own account.
 * @param account the stack's own
 */
export function whyForeign(event: unknown, account: string): string | undefined {
  const from = z.object({ account: z.string() }).safeParse(event).data?.account;
  return from === undefined || from === account
    ? undefined
    : `It is an event of the account ${from}, not of ${account}.`;
}

export function ignored(reason: string): Interpretation {
  return { kind: 'ignored', reason };
}

/** Auto Scaling announces as a termination, too, that an instance goes back to wait for its next launch. */
export function returnsToWarmPool(instanceId: string): Interpretation {
  return ignored(`${instanceId} is not terminated: it returns to its warm pool.`);
}
