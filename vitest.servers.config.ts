import { defineConfig } from 'vitest/config';

/** `npm run test:servers`: against real Puppet and Chef servers, which `npm run servers:install` installs. */
export default defineConfig({
  test: {
    include: ['test/servers/**/*.test.ts'],
    // A Puppet Server takes half a minute and half a gigabyte: one file at a time.
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 240_000,
  },
});
