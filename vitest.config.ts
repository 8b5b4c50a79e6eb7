import { configDefaults, defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // They need real servers: `npm run test:servers`.
    exclude: [...configDefaults.exclude, 'test/servers/**'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
