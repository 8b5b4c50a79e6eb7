import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { SignatureVersion, SignedRequest } from '../../../services/config-servers/chef-infra/signature.ts';

const SCRIPT = fileURLToPath(new URL('chef-signer.rb', import.meta.url));

export type VersionedRequest = SignedRequest & { readonly version: SignatureVersion };

/** The headers that Chef's own signer (ruby-mixlib-authentication) gives each request. */
export function signByChef(key: string, requests: readonly VersionedRequest[]): Record<string, string>[] {
  const { status, stdout, stderr } = spawnSync('ruby', [SCRIPT], {
    input: JSON.stringify({ key, requests }),
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status !== 0) throw new Error(`Chef's signer failed:\n${stderr}`);
  return JSON.parse(stdout);
}
