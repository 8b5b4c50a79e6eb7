import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Timer, TimerQueue } from '../../../../world/kernel/timer-queue.ts';

it('gives timers in the order of their instants, then of their calls, whatever is removed in between', () => {
  const steps = fc.array(
    fc.oneof(
      { weight: 3, arbitrary: fc.record({ add: fc.integer({ min: 0, max: 9 }) }) },
      fc.record({ remove: fc.nat() }),
      fc.constant('take' as const),
    ),
    { maxLength: 200 },
  );
  fc.assert(
    fc.property(steps, (plan) => {
      const queue = new TimerQueue();
      let expected: Timer[] = [];
      for (const [order, step] of plan.entries()) {
        if (step === 'take') {
          const first = queue.first;
          expect(first).toBe(expected[0]);
          expect(first !== undefined && queue.remove(first)).toBe(first !== undefined);
          expected = expected.slice(1);
        } else if ('add' in step) {
          const timer = { instant: step.add, order, callback: () => {} };
          queue.add(timer);
          expected = [...expected, timer].sort((a, b) => a.instant - b.instant || a.order - b.order);
        } else {
          const timer = expected[step.remove % expected.length];
          if (!timer) continue;
          expect(queue.remove(timer)).toBe(true);
          expect(queue.remove(timer)).toBe(false);
          expected = expected.filter((other) => other !== timer);
        }
        expect(queue.first).toBe(expected[0]);
        expect(queue.length).toBe(expected.length);
      }
    }),
  );
});
