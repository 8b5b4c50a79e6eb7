import { fileURLToPath } from 'node:url';
import { configDefaults, defineConfig } from 'vitest/config';

// They need real servers: `npm run test:servers`.
const SERVERS = 'test/servers/**';
/** It measures the memory of its process. */
const ALONE = 'test/flow/life-of-a-day.test.ts';

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
          include: ['test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, SERVERS, ALONE],
          // Loading the SDK clients and the world anew for each file would take longer than most files' tests.
          isolate: false,
        },
      },
      { extends: true, test: { name: 'alone', include: [ALONE] } },
    ],
  },
});
