import { afterAll, afterEach } from 'vitest';
import { WorldClock } from '../../local/clock.ts';
import { seededRandom } from '../../local/random.ts';
import { createGateway } from '../../local/server/listen.ts';
import { createWorld, type World, type WorldOptions } from '../../local/world.ts';

// One port a test file: the handlers' clients keep the address that they saw first, as a warm Lambda does.
const gateway = createGateway();
const port = await gateway.listen(0);
let world: World | undefined;

afterEach(() => {
  world?.close();
  world = undefined;
});
afterAll(() => gateway.close());

export const START = new Date('2031-05-06T07:08:09Z');

/** A world on virtual time, the same for the same seed. */
export async function playWorld(options: Partial<WorldOptions> & { seed?: number } = {}): Promise<World> {
  const { seed = 1, ...rest } = options;
  const clock = new WorldClock({ speed: Number.POSITIVE_INFINITY, start: START });
  world = await createWorld({ clock, random: seededRandom(seed), gateway, port, ...rest });
  return world;
}

/** Lets time pass until `count` executions have ended, and answers with them, oldest first. */
export async function untilEnded(played: World, count: number) {
  const { promise, resolve } = Promise.withResolvers<void>();
  const look = () =>
    played.machines.executions().filter(({ status }) => status !== 'RUNNING').length >= count && resolve();
  played.watch(look);
  look();
  await played.clock.run(promise);
  return played.machines.executions();
}
