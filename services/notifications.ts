import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { ServiceUnavailable } from '../lib/errors.ts';
import { printable } from '../lib/quoted.ts';
import { calling, clientOptions } from './aws.ts';

const eventBridge = new EventBridgeClient(clientOptions);

/**
 * Tells whoever listens what became of an instance: one event with source `muster` on the default bus. EventBridge may
 * hear it twice, when the task that tells it runs twice.
 * Source: EventBridge PutEvents, which answers 200 also for an entry that it did not take.
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

/** Rules turn events into mail: what nodes and services said must not reach it as it is. */
function printableText(_key: string, value: unknown): unknown {
  return typeof value === 'string' ? printable(value) : value;
}
