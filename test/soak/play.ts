import { seededRandom } from '../../world/kernel/random.ts';
import { planHands, planSweeps } from './by-hand.ts';
import { HOUR, MINUTE } from './chance.ts';
import { disturbDeliveries } from './deliveries.ts';
import { STRANGERS } from './estate.ts';
import { planLives } from './lives.ts';
import { judgeCall, judgeEnd, judgeEndState, judgeRegistrations, type Violation } from './oracle.ts';
import { planReImages } from './re-images.ts';
import { planWeather } from './weather.ts';
import { createSoakWorld } from './world.ts';

export interface SoakOptions {
  readonly seed: number;
  readonly launches: number;
  /** Of the world's time, until everything goes well again. */
  readonly hours: number;
  /** Called after every hour of the world's. */
  readonly onHour?: (hour: number, launches: number) => void;
}

/** What a soak came to. */
export interface Soaked {
  readonly seed: number;
  readonly launches: number;
  readonly enrolled: number;
  readonly retired: number;
  /** Enrolled again on another disk. */
  readonly reImaged: number;
  readonly executions: number;
  readonly violations: readonly (Violation & { readonly history: readonly string[] })[];
}

/** After the last trouble: time for two sweeps, for what they start, and for what waits. */
const CALM_HOURS = 7;
const LAST_ROUNDS = 10 * MINUTE;

/** Plays launches and terminations among troubles of every kind, and judges what comes of them. */
export async function playSoak({ seed, launches, hours, onHour }: SoakOptions): Promise<Soaked> {
  const world = await createSoakWorld(seed);
  const violations: Violation[] = [];
  const { clock, machines } = world;
  world.onCall = (call) => violations.push(...judgeCall(world, call));
  world.watch((execution) => {
    world.history.execution(execution);
    violations.push(...judgeEnd(world, execution));
  });
  try {
    const until = clock.now() + hours * HOUR;
    const random = seededRandom(seed);
    planLives(world, random, { count: launches, until });
    planWeather(world, random, until);
    disturbDeliveries(world, random, until);
    planHands(world, random, until);
    planReImages(world, random, until);
    planSweeps(world, until + CALM_HOURS * HOUR);
    for (let hour = 0; hour < hours; hour++) {
      await clock.advance(HOUR);
      violations.push(...judgeRegistrations(world));
      onHour?.(hour + 1, world.lives.length);
    }
    world.faults.set([]);
    await clock.advance(CALM_HOURS * HOUR - LAST_ROUNDS);
    // The local schedule rests while no instance waits in a hook, and AWS's never does. A launch of another team wakes it, so
    // that the watch removes what is over.
    world.autoScaling.launch(STRANGERS.group, 1);
    await clock.advance(LAST_ROUNDS - MINUTE);
    violations.push(...(await judgeEndState(world)));
    const ended = machines.executions().map(({ stateName }) => stateName);
    return {
      ...{ seed, launches: world.lives.length, executions: ended.length },
      enrolled: ended.filter((state) => state === 'Enrolled').length,
      reImaged: world.history.reImaged,
      retired: ended.filter((state) => state === 'Retired').length,
      violations: violations.map((violation) => ({ ...violation, history: world.history.of(violation.instance) })),
    };
  } finally {
    await world.end();
  }
}
