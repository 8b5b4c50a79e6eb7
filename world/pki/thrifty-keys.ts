/** RSA keys of a world with thousands of nodes: a key for each node, out of few prime numbers. */
import { generatePrime, type webcrypto } from 'node:crypto';
import { type KeySource, RSA_2048 } from './keys.ts';

const PRIME_BITS = RSA_2048.modulusLength / 2;
const EXPONENT = 65_537n;

/**
 * Answers a different key each time. A prime number takes some 50 ms to find, and a node has to have a key that no other
 * node has: so each pair of primes makes one key, and 142 primes make ten thousand. Two such keys with a prime in common can
 * be factored, so they protect nothing outside this world.
 */
export function thriftyKeys(): KeySource {
  const primes: Promise<bigint>[] = [];
  let [first, second] = [0, 1];
  return async () => {
    const pair = [prime(first), prime(second)] as const;
    first += 1;
    if (first === second) [first, second] = [0, second + 1];
    return keyPairOf(await pair[0], await pair[1]);
  };

  function prime(index: number): Promise<bigint> {
    primes[index] ??= findPrime();
    return primes[index];
  }
}

/** Answers the same key each time. */
export function oneKey(source: KeySource): KeySource {
  let key: Promise<webcrypto.CryptoKeyPair> | undefined;
  return () => {
    key ??= source();
    return key;
  };
}

/** A prime of which the exponent is invertible modulo p - 1. */
async function findPrime(): Promise<bigint> {
  const { promise, resolve, reject } = Promise.withResolvers<bigint>();
  generatePrime(PRIME_BITS, { bigint: true }, (error, prime) => (error ? reject(error) : resolve(prime)));
  const found = await promise;
  return (found - 1n) % EXPONENT === 0n ? findPrime() : found;
}

/** Source: RFC 8017, 3.2; RFC 7518, 6.3. */
async function keyPairOf(p: bigint, q: bigint): Promise<webcrypto.CryptoKeyPair> {
  const n = base64url(p * q);
  const e = base64url(EXPONENT);
  const d = inverse(EXPONENT, (p - 1n) * (q - 1n));
  const ofPrimes = { p, q, dp: d % (p - 1n), dq: d % (q - 1n), qi: inverse(q, p) };
  const own = Object.entries({ d, ...ofPrimes }).map(([name, value]) => [name, base64url(value)]);
  const kty = 'RSA';
  const [privateKey, publicKey] = await Promise.all([
    crypto.subtle.importKey('jwk', { kty, n, e, ...Object.fromEntries(own) }, RSA_2048, true, ['sign']),
    crypto.subtle.importKey('jwk', { kty, n, e }, RSA_2048, true, ['verify']),
  ]);
  return { privateKey, publicKey };
}

/** The x for which value * x is 1 modulo `modulus`, by Euclid's extended algorithm. */
function inverse(value: bigint, modulus: bigint): bigint {
  let [rest, nextRest] = [modulus, value % modulus];
  let [factor, nextFactor] = [0n, 1n];
  while (nextRest > 0n) {
    const quotient = rest / nextRest;
    [rest, nextRest] = [nextRest, rest - quotient * nextRest];
    [factor, nextFactor] = [nextFactor, factor - quotient * nextFactor];
  }
  return factor < 0n ? factor + modulus : factor;
}

function base64url(value: bigint): string {
  const hexadecimal = value.toString(16);
  return Buffer.from(hexadecimal.padStart(hexadecimal.length + (hexadecimal.length % 2), '0'), 'hex').toString(
    'base64url',
  );
}
