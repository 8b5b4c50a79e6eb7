import { afterEach, describe, expect, it, vi } from 'vitest';
import { defaultProvider } from '../../../services/environment-credentials.ts';

const set = (variables: Record<string, string | undefined>) => {
  for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
};
const ALL = { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'key', AWS_SESSION_TOKEN: 'token' };

afterEach(() => vi.unstubAllEnvs());

describe('the credentials of a function', () => {
  it('are those that Lambda has put into its environment', async () => {
    set(ALL);
    expect(await defaultProvider()()).toEqual({ accessKeyId: 'id', secretAccessKey: 'key', sessionToken: 'token' });
  });

  it('are read when a client asks, not when it is made', async () => {
    const provider = defaultProvider();
    set({ ...ALL, AWS_ACCESS_KEY_ID: 'later', AWS_SESSION_TOKEN: undefined });
    expect(await provider()).toEqual({ accessKeyId: 'later', secretAccessKey: 'key' });
  });

  it.each(['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'])('are not complete without %s', async (name) => {
    set({ ...ALL, [name]: undefined });
    const refusal = defaultProvider()();
    await expect(refusal).rejects.toThrow(`lacks ${name}: Lambda sets it from the function's role.`);
    await expect(refusal).rejects.toMatchObject({ name: 'PermissionDenied' });
  });
});
