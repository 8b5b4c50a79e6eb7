import { describe, expect, it } from 'vitest';
import { faultsOf, memoryFaultsOf, playSweeps } from '../../../bench/sweeps.ts';
import { sized } from '../../support/size.ts';

const INSTANCES = sized({ small: 1000, full: 10_000 });

describe(`a sweep over ${INSTANCES} instances, of which a tenth drifts`, () => {
  it('runs in a heap of 128 MB, calls once a page, once for each that drifts and once more for each start, and starts it once', async () => {
    const { first, second, drifting, calls, faults } = await playSweeps(INSTANCES);
    expect(faults).toEqual([]);
    expect(drifting).toBe(INSTANCES / 10);
    // Half are Lightsail's, of which a page holds 100.
    expect(calls).toMatchObject({ 'lightsail.GetInstances': INSTANCES / 200, 'states.StartExecution': first.started });
    expect(first.started).toBeGreaterThan(0.07 * INSTANCES);
    expect(second.started).toBe(0);
  }, 180_000);
});

describe('the figures of a sweep', () => {
  const swept = { seconds: 1, apiCalls: 190, started: 80, peakMegabytes: 200 };
  const figures = {
    ...{ drifting: 100, bare: swept, first: swept, second: { ...swept, started: 0 } },
    calls: { 'lightsail.GetInstances': 10, 'states.StartExecution': 100 },
  };

  it('reports no fault when every figure is within its bound', () => {
    expect(faultsOf(figures)).toEqual([]);
  });

  it.each(['first', 'second'])('say that the %s sweep took too much memory', (which) => {
    expect(memoryFaultsOf(figures)).toEqual([]);
    const sentence = 'A sweep took 256 MB; less than 256 may be.';
    expect(memoryFaultsOf({ ...figures, [which]: { ...swept, peakMegabytes: 256 } })).toEqual([sentence]);
  });

  it.each([
    [
      'calls',
      { first: { ...swept, apiCalls: 191 } },
      'The sweep made 191 calls: more than 10 pages, one for each of 100 that drift, and one more for each of 80 starts.',
    ],
    ['starts', { first: { ...swept, apiCalls: 113, started: 3 } }, 'Of 100 that drift only 3 were started.'],
    ['repetition', { second: { ...swept, started: 1 } }, 'The second sweep started 1 again.'],
  ])('say what is wrong with %s', (_what, wrong, sentence) => {
    expect(faultsOf({ ...figures, ...wrong })).toEqual([sentence]);
  });
});
