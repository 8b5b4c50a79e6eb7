import { createHash, createPrivateKey, KeyObject, sign, verify } from 'node:crypto';
import { expect, it } from 'vitest';
import { publicKeyPem, RSA_2048 } from '../../../../world/pki/keys.ts';
import { oneKey, thriftyKeys } from '../../../../world/pki/thrifty-keys.ts';

it('makes a different RSA-2048 key for each node', async () => {
  const source = thriftyKeys();
  const keys = await Promise.all(Array.from({ length: 28 }, source));
  const pems = await Promise.all(keys.map(({ publicKey }) => publicKeyPem(publicKey)));
  expect(new Set(pems.map((pem) => createHash('sha256').update(pem).digest('hex'))).size).toBe(28);
  for (const { privateKey, publicKey } of keys) {
    expect(publicKey.algorithm).toMatchObject({ name: RSA_2048.name, modulusLength: 2048 });
    const signature = await crypto.subtle.sign(RSA_2048.name, privateKey, Buffer.from('text'));
    expect(verify('sha256', Buffer.from('text'), KeyObject.from(publicKey), Buffer.from(signature))).toBe(true);
  }
});

it('makes keys that can be exported to a file and read again', async () => {
  const { privateKey, publicKey } = await thriftyKeys()();
  const pem = KeyObject.from(privateKey).export({ type: 'pkcs8', format: 'pem' });
  const signature = sign('sha256', Buffer.from('text'), createPrivateKey(pem));
  expect(verify('sha256', Buffer.from('text'), KeyObject.from(publicKey), signature)).toBe(true);
});

it('keeps one key where one is wanted', async () => {
  const source = oneKey(thriftyKeys());
  expect(await source()).toBe(await source());
});
