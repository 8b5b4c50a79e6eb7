import { describe, expect, it } from 'vitest';
import { interpret } from '../../../events/table.ts';
import type { AwsEvent } from '../../../world/eventbridge/aws-event.ts';
import { sample, sampleNames } from '../../support/samples.ts';
import { playWorld } from '../../support/world.ts';

const starting = sampleNames()
  .map(sample)
  .filter((event) => 'source' in event && interpret(event).kind !== 'ignored') as unknown as AwsEvent[];

/** How many functions the rules invoke for these events. */
async function invocationsBy(events: readonly AwsEvent[]): Promise<number> {
  const world = await playWorld();
  let invocations = 0;
  world.lambda.interceptor = async () => {
    invocations++;
  };
  for (const event of events) world.bus.deliver(event);
  await world.clock.advance(60_000);
  return invocations;
}

describe('an event of another account on our bus', () => {
  it('invokes no function, whatever it says', async () => {
    expect(starting.length).toBeGreaterThan(10);
    expect(await invocationsBy(starting)).toBe(starting.length);
    expect(await invocationsBy(starting.map((event) => ({ ...event, account: '999999999999' })))).toBe(0);
  });
});
