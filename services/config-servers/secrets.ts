import { type NamedSecret, type SecretContent, secretsFor } from '../../lib/engines.ts';
import type { Associate } from '../../lib/servers.ts';
import { requireSecret, secretText } from '../secrets.ts';
import { certificatesIn } from './certificates.ts';
import { chefKey } from './chef-infra/secrets.ts';
import { puppetAuthorities, readPuppetCredentials } from './puppet/credentials.ts';

interface Secret extends Pick<NamedSecret, 'name' | 'content'> {
  readonly text: string;
}

/** The check of each kind of content; `others` are all the secrets of the same server. */
const CHECKS: { readonly [Content in SecretContent]: (secret: Secret, others: readonly Secret[]) => unknown } = {
  certificates: ({ name, text }) => certificatesIn(name, text),
  'chef-key': ({ name, text }) => chefKey(name, text),
  'puppet-ca': puppetAuthorities,
  'client-certificate': (secret, others) =>
    others.filter(({ content }) => content === 'puppet-ca').map((ca) => readPuppetCredentials(ca, secret)),
};

/**
 * Checks the secrets that a profile names. Of those that only a retirement reads, it checks that they exist: an
 * enrolment may not read them.
 * @throws InvalidRequest with the secret's name and what is wrong with it, and never with anything of its content.
 */
export async function requireSecrets(associate: Associate, signal: AbortSignal): Promise<void> {
  const named = secretsFor('enrolment', associate);
  const secrets = await Promise.all(
    named.map(async ({ name, content }) => ({ name, content, text: await secretText(name, signal) })),
  );
  for (const secret of secrets) CHECKS[secret.content](secret, secrets);
  for (const { name, readBy } of secretsFor('retirement', associate))
    if (!readBy.includes('enrolment')) await requireSecret(name, signal);
}
