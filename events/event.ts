import * as z from 'zod';
import { home } from '../lib/config.ts';
import { RegionName } from '../lib/profile.ts';
import { parse } from '../lib/schema-faults.ts';
import { type EnrolmentInput, Instant, type RetirementInput, type TriggeredRequest } from './request.ts';

/** What an event asks for. `reason` is a sentence for the log. */
export type Interpretation =
  | { kind: 'enrolment'; requests: EnrolmentInput[] }
  | { kind: 'retirement'; requests: RetirementInput[] }
  | { kind: 'ignored'; reason: string };

/** Reads the events of one kind. It throws InvalidRequest when an event of that kind cannot be read. */
export type Parser = (event: EventBridgeEvent) => Interpretation;

/** As much of EventBridge's envelope as tells one kind of event from another. */
export const EventBridgeEvent = z.looseObject({
  source: z.string().min(1),
  'detail-type': z.string().min(1),
});
export type EventBridgeEvent = z.infer<typeof EventBridgeEvent>;

const AccountId = z.stringFormat('an account number of 12 digits', /^\d{12}$/);

/** The schema of an event with this detail. AWS adds fields to its events: they pass unread. */
export function eventOf<Detail extends z.ZodType>(detail: Detail) {
  return EventBridgeEvent.extend({
    id: z.string().min(1),
    account: AccountId,
    time: Instant,
    region: RegionName,
    detail,
  });
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

/** Fills in the Region of the event, which another Region's rule may have forwarded. */
export function inRegionOf<Request extends object>(
  event: unknown,
  requests: readonly Request[],
): (Request & { region: string })[] {
  const region = z.object({ region: z.string() }).safeParse(event).data?.region ?? home();
  return requests.map((request) => ({ ...request, region }));
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
