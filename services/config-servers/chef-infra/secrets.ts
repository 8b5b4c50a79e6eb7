import { createPrivateKey, type KeyObject } from 'node:crypto';
import { InvalidRequest } from '../../../lib/errors.ts';

/** Chef servers make keys of 2048 bits; signatures before version 1.3 do not fit into much less. */
export const LEAST_KEY_BITS = 2048;

/**
 * The private key in a secret: PEM, PKCS#1 (as Chef writes `ORG-validator.pem`) or PKCS#8.
 * @throws InvalidRequest, without a word of the content, when it holds anything else.
 */
export function chefKey(secret: string, text: string): KeyObject {
  const key = parsed(`The secret ${secret} holds no private key in PEM without a passphrase`, () =>
    createPrivateKey(text),
  );
  if (key.asymmetricKeyType === 'rsa' && (key.asymmetricKeyDetails?.modulusLength ?? 0) >= LEAST_KEY_BITS) return key;
  throw new InvalidRequest(`The key in the secret ${secret} is not RSA of ${LEAST_KEY_BITS} bits or more.`);
}

function parsed<Value>(sentence: string, parse: () => Value): Value {
  try {
    return parse();
  } catch (cause) {
    throw new InvalidRequest(`${sentence}: store the file as it is, with its line breaks.`, { cause });
  }
}
