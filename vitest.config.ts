import { configDefaults, defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // They need real servers: `npm run test:servers`.
    exclude: [...configDefaults.exclude, 'test/servers/**'],
    // One would stay free on two cores otherwise, and most of a flow test's time is the SDK's.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
