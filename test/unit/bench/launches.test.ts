import { describe, expect, it } from 'vitest';
import { differences, playLaunches } from '../../../bench/launches.ts';

describe('the figures of launches', () => {
  it('are those of launches that all were enrolled, once', async () => {
    const figures = await playLaunches(3, true);
    expect(figures.faults).toEqual([]);
    // A launch takes some twenty calls and states at least; three of them some minutes of the world.
    expect(figures.apiCalls).toBeGreaterThan(60);
    expect(figures.transitions).toBeGreaterThan(60);
    expect(figures.worldSeconds).toBeGreaterThan(60);
    expect(figures.worldSeconds).toBeLessThan(3600);
    expect(figures.peakMegabytes).toBeGreaterThan(0);
  }, 60_000);
});

describe('what a service holds', () => {
  const instances = ['i-1', 'i-2'];

  it('is as it must be when it is every instance, once', () => {
    expect(differences('in service', ['i-2', 'i-1'], instances)).toEqual([]);
  });

  it('is faulty where an instance is lost, is there twice, or was launched by nobody', () => {
    expect(differences('in service', ['i-1'], instances)).toEqual(['1 of 2 instances not in service.']);
    expect(differences('in service', ['i-1', 'i-1', 'i-2'], instances)).toEqual(['1 in service more than once.']);
    expect(differences('in service', ['i-1', 'i-2', 'i-3'], instances)).toEqual(['1 in service that nobody launched.']);
  });
});
