import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { configDefaults, defineConfig } from 'vitest/config';
import { sized } from './test/support/size.ts';

// They need real servers: `npm run test:servers`.
const SERVERS = 'test/servers/**';
/** The first measures the memory of its process. The second has a port of its own, which the handlers' clients keep. */
const ALONE = ['test/flow/life-of-a-day.test.ts', 'test/soak/oracle.test.ts'];

/** The others are the same in every size, and `npm test` has run them. */
const TESTS = sized({
  small: ['test/**/*.test.ts'],
  full: globSync('test/**/*.test.ts').filter(isSized),
});

function isSized(file: string): boolean {
  return /from '.*\/size\.ts'/.test(readFileSync(file, 'utf8'));
}

export default defineConfig({
  test: {
    // One would stay free on two cores otherwise, and most of a flow test's time is the SDK's.
    maxWorkers: 2,
    setupFiles: ['test/support/setup.ts'],
    // For the processes that tests start, which load the same modules again and again.
    env: { NODE_COMPILE_CACHE: fileURLToPath(new URL('build/compile-cache', import.meta.url)) },
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'shared',
          include: TESTS,
          exclude: [...configDefaults.exclude, SERVERS, ...ALONE],
          // Loading the SDK clients and the world anew for each file would take longer than most files' tests.
          isolate: false,
        },
      },
      { extends: true, test: { name: 'alone', include: ALONE } },
    ],
  },
});
