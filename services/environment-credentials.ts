import { PermissionDenied } from '../lib/errors.ts';

interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

/**
 * The credentials that Lambda puts into a function's environment. In the functions' bundles this stands in the place of
 * the SDK's chain of providers (stack/bundle/plugins.ts), which would look for profiles, tokens and metadata services
 * that no function has. The environment is read when a client asks, not when the function is loaded.
 */
export function defaultProvider(): () => Promise<Credentials> {
  return async () => {
    const {
      AWS_ACCESS_KEY_ID: accessKeyId,
      AWS_SECRET_ACCESS_KEY: secretAccessKey,
      AWS_SESSION_TOKEN: sessionToken,
    } = process.env;
    if (accessKeyId && secretAccessKey) return { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) };
    const missing = accessKeyId ? 'AWS_SECRET_ACCESS_KEY' : 'AWS_ACCESS_KEY_ID';
    throw new PermissionDenied(
      `The function's environment lacks ${missing}: Lambda sets it from the function's role. Give the function a role.`,
    );
  };
}
