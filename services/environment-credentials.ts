import { roleCredentials } from '../lib/config.ts';

/**
 * In the functions' bundles this replaces the SDK's chain of providers (stack/bundle/plugins.ts), which would
 * look for profiles, tokens and metadata services that no function has. The environment is read when a client asks, not
 * when the function is loaded.
 */
export function defaultProvider(): () => Promise<ReturnType<typeof roleCredentials>> {
  return async () => roleCredentials();
}
