import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { ServiceUnavailable } from '../lib/errors.ts';
import { printable } from '../lib/quoted.ts';
import { emit } from '../lib/telemetry.ts';
import { calling, clientOptions, refusalOf } from './aws.ts';

const eventBridge = new EventBridgeClient(clientOptions);

/**
 * Sends one event with source `muster` to the default bus. The event is sent again when its task runs again.
 * Source: EventBridge PutEvents, which answers 200 also for an entry that it did not accept.
 */
export async function notify(
  { detailType, detail }: { detailType: string; detail: { instance?: string | null; [field: string]: unknown } },
  signal: AbortSignal,
): Promise<void> {
  const { Entries } = await calling(`tell the event bus of "${detailType}"`, () =>
    eventBridge.send(
      new PutEventsCommand({
        Entries: [{ Source: 'muster', DetailType: detailType, Detail: JSON.stringify(detail, printableText) }],
      }),
      { abortSignal: signal },
    ),
  );
  const [entry] = Entries ?? [];
  if (entry?.ErrorCode)
    throw new ServiceUnavailable(
      `EventBridge did not take "${detailType}" of ${detail.instance ?? 'a sweep'}: ${entry.ErrorCode}.`,
    );
}

/**
 * Sends what became of an instance, once that is recorded. An event that cannot be sent is dropped after the SDK's attempts
 * and counted: a notification never changes an outcome.
 */
export async function announceOutcome(
  outcome: Parameters<typeof notify>[0],
  { signal, log }: { signal: AbortSignal; log: (message: string, extra: Record<string, unknown>) => void },
): Promise<void> {
  try {
    await notify(outcome, signal);
  } catch (error) {
    emit('NotificationsDropped');
    log('An outcome event was dropped', { detailType: outcome.detailType, reason: refusalOf(error) });
  }
}

/** Rules turn events into mail: what nodes and services said must not reach it as it is. */
function printableText(_key: string, value: unknown): unknown {
  return typeof value === 'string' ? printable(value) : value;
}
