import { describe, expect, it } from 'vitest';
import { faultsOf, playSweeps } from '../../../bench/sweeps.ts';

describe('a sweep over ten thousand instances, of which a tenth drifts', () => {
  it('takes less than 256 MB, calls no more than pages and drifting ones, and a second one starts nothing', async () => {
    const { first, second, drifting, calls, faults } = await playSweeps(10_000);
    expect(faults).toEqual([]);
    expect(drifting).toBe(1000);
    // A page of EC2 and one of Lightsail hold 1,000 and 100.
    expect(calls).toMatchObject({ 'lightsail.GetInstances': 50, 'states.StartExecution': first.started });
    expect(first.started).toBeGreaterThan(700);
    expect(second.started).toBe(0);
  }, 180_000);
});

describe('the figures of a sweep', () => {
  const swept = { seconds: 1, apiCalls: 110, started: 80, peakMegabytes: 200 };
  const figures = {
    ...{ drifting: 100, bare: swept, first: swept, second: { ...swept, started: 0 } },
    calls: { 'lightsail.GetInstances': 10, 'states.StartExecution': 100 },
  };

  it('are well where nothing is beyond its measure', () => {
    expect(faultsOf(figures)).toEqual([]);
  });

  it.each([
    ['memory', { first: { ...swept, peakMegabytes: 256 } }, 'A sweep took 256 MB; less than 256 may be.'],
    ['calls', { first: { ...swept, apiCalls: 111 } }, 'The sweep made 111 calls; 10 pages and 100 may be.'],
    ['starts', { first: { ...swept, started: 3 } }, 'Of 100 that drift only 3 were started.'],
    ['repetition', { second: { ...swept, started: 1 } }, 'The second sweep started 1 again.'],
  ])('say what is wrong with %s', (_what, wrong, sentence) => {
    expect(faultsOf({ ...figures, ...wrong })).toEqual([sentence]);
  });
});
