import type { Associate } from '../../lib/profile.ts';
import { requireSecret, secretText } from '../secrets.ts';
import { chefCertificates, chefKey } from './chef-infra/secrets.ts';
import { readPuppetCredentials } from './puppet/credentials.ts';

/**
 * Looks whether the secrets that a profile names are there and what they should be. Of the key that retires only that
 * it is there: who enrols may not read it.
 * @throws InvalidRequest with the secret's name and what is wrong with it, and never with anything of its content.
 */
export async function requireSecrets(associate: Associate, signal: AbortSignal): Promise<void> {
  if (associate.engine === 'opsworks-cm') return;
  const { caSecret, keySecret } = associate;
  const [ca, key] = await Promise.all([caSecret && secretText(caSecret, signal), secretText(keySecret, signal)]);
  if (associate.engine === 'puppet') {
    readPuppetCredentials({ name: associate.caSecret, text: ca ?? '' }, { name: keySecret, text: key });
  } else {
    chefKey(keySecret, key);
    if (caSecret && ca) chefCertificates(caSecret, ca);
  }
  await requireSecret(associate.retireKeySecret, signal);
}
