import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Step, Story } from '../../../../local/journal.ts';
import { clipped, durationOf, lastOf, longestWait, stepWord, wrapped } from '../../../../local/view/wording.ts';

const SEPARATOR = ' › ';
const words = fc.array(fc.stringMatching(/^[A-Za-z]{1,20}( ×\d)?$/), { maxLength: 20 });

function stepOf(step: Partial<Step>): Step {
  return { state: 'AssociateNode', attempts: 1, refusals: [], isDone: true, enteredAt: 0, leftAt: 0, ...step };
}

describe('A duration', () => {
  it.each([
    [0, '0s'],
    [999, '1s'],
    [130_000, '2m 10s'],
    [3_600_000, '1h'],
    [90_061_000, '25h 1m 1s'],
    [-5, '0s'],
  ])('of %d ms is told as %s', (milliseconds, text) => expect(durationOf(milliseconds)).toBe(text));
});

describe('A row of words', () => {
  it('is broken between words, and says all of them in order', () => {
    fc.assert(
      fc.property(words, fc.integer({ min: 30, max: 120 }), (row, width) => {
        const lines = wrapped(row, SEPARATOR, width);
        expect(lines.join(' ')).toBe(row.join(SEPARATOR));
        for (const line of lines) expect(line.length).toBeLessThanOrEqual(width);
      }),
    );
  });

  it('keeps its end when there is no room for all of it, and never passes the width', () => {
    fc.assert(
      fc.property(words, fc.integer({ min: 1, max: 120 }), (row, width) => {
        const shown = lastOf(row, SEPARATOR, width);
        expect(shown.length).toBeLessThanOrEqual(width);
        if (row.join(SEPARATOR).length + SEPARATOR.length + 1 <= width) expect(shown).toBe(row.join(SEPARATOR));
      }),
    );
    expect(lastOf(['DescribeInstance', 'ResolveProfile', 'FinishLaunch'], SEPARATOR, 34)).toBe(
      '… › ResolveProfile › FinishLaunch',
    );
  });

  it('loses its end as a sentence', () => {
    expect(clipped('The server is busy', 12)).toBe('The server …');
    expect(clipped('short', 12)).toBe('short');
  });
});

describe('A step', () => {
  it('tells how often it was tried when once was not enough', () => {
    expect(stepWord(stepOf({ attempts: 1 }))).toBe('AssociateNode');
    expect(stepWord(stepOf({ attempts: 4 }))).toBe('AssociateNode ×4');
  });
});

describe('The longest wait', () => {
  const pending = { error: 'IdentityPending', sentence: 'It is not up.', times: 2 };
  const busy = { error: 'ServerNotReady', sentence: 'It is UNDER_MAINTENANCE.', times: 3 };

  it('is the step that took longest of those that were refused, with the reason', () => {
    const steps = [
      stepOf({ state: 'RequestIdentity', refusals: [pending], leftAt: 20_000 }),
      stepOf({ refusals: [busy], leftAt: 130_000 }),
      stepOf({ state: 'FinishLaunch', leftAt: 900_000 }),
    ];
    expect(longestWait({ steps } as Story)).toBe(
      '2m 10s in AssociateNode. ServerNotReady ×3: It is UNDER_MAINTENANCE.',
    );
  });

  it('is nothing where nothing was refused', () => {
    expect(longestWait({ steps: [stepOf({ leftAt: 5000 })] } as Story)).toBe('');
  });
});
