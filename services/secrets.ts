import { DescribeSecretCommand, GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { DependencyMissing, InvalidRequest } from '../lib/errors.ts';
import { calling, clientOptions, isNamed } from './aws.ts';

const secretsManager = new SecretsManagerClient(clientOptions);

/**
 * The text of a secret. It is read anew every time, so that a key that was changed is taken up by the next node.
 * @throws DependencyMissing; InvalidRequest for a secret that is being deleted, or not text. Source: Secrets Manager
 *   GetSecretValue.
 */
export async function secretText(name: string, signal: AbortSignal): Promise<string> {
  const { SecretString } = await about(name, `read the secret ${name}`, () =>
    secretsManager.send(new GetSecretValueCommand({ SecretId: name }), { abortSignal: signal }),
  );
  if (SecretString) return SecretString;
  throw new InvalidRequest(`The secret ${name} is empty or binary: store it as text.`);
}

/**
 * Checks that a secret is there, without reading it.
 * @throws DependencyMissing; InvalidRequest for a secret that is being deleted. Source: Secrets Manager DescribeSecret.
 */
export async function requireSecret(name: string, signal: AbortSignal): Promise<void> {
  const { DeletedDate } = await about(name, `describe the secret ${name}`, () =>
    secretsManager.send(new DescribeSecretCommand({ SecretId: name }), { abortSignal: signal }),
  );
  if (DeletedDate) throw new InvalidRequest(`The secret ${name} is being deleted: restore it.`);
}

async function about<Output>(name: string, what: string, call: () => Promise<Output>): Promise<Output> {
  try {
    return await calling(what, call);
  } catch (cause) {
    if (isNamed(cause, 'ResourceNotFoundException'))
      throw new DependencyMissing(`There is no secret ${name}: make it, or correct its name in profiles.yml.`, {
        cause,
      });
    if (isNamed(cause, 'InvalidRequestException'))
      throw new InvalidRequest(`The secret ${name} cannot be read, because it is being deleted: restore it.`, {
        cause,
      });
    throw cause;
  }
}
